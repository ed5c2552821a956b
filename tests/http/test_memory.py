"""Memory of a server process: bounded by the chunk for forms and downloads, by the body for one JSON document."""

import json
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.http.conftest import ADMIN
from tests.process import ServerProcess

MB = 1 << 20
COUNT = 32_000
INPUTS = [{"text": f"{number} " + "x" * 1000} for number in range(COUNT)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server as a process of its own."""
    with ServerProcess(tmp_path) as server:
        # The first of anything brings its libraries in.
        upload_form(server, "small", INPUTS[:1])
        download(server, upload_json(server, document(INPUTS[:1])))
        yield server


def grown(server: ServerProcess, work: Callable[[], Any]) -> int:
    """By how many bytes the memory of the server grew at most, while this was done."""
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # from here on the peak counts anew
    idle = memory(server, "VmRSS")
    work()
    return memory(server, "VmHWM") - idle


def memory(server: ServerProcess, which: str) -> int:
    """A size of the process, in bytes."""
    found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{server.process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def document(inputs: list[Any]) -> bytes:
    """The body of a JSON upload."""
    return json.dumps({"name": "document", "action": "update", "inputs": inputs}).encode()


def upload_json(server: ServerProcess, body: bytes) -> str:
    """Uploads a document; answers the id of the dataset."""
    return post(server, body, "application/json")


def upload_form(server: ServerProcess, name: str, inputs: list[Any]) -> str:
    """Uploads a form with a JSONL file; answers the id of the dataset."""
    fields = {"name": name, "action": "update", "input_keys[]": "text"}
    parts = [f'--b\r\ncontent-disposition: form-data; name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items()]
    head = '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\ncontent-type: application/jsonl\r\n\r\n'
    lines = "\n".join(json.dumps(item) for item in inputs)
    return post(server, f"{''.join(parts)}{head}{lines}\r\n--b--\r\n".encode(), "multipart/form-data; boundary=b")


def post(server: ServerProcess, body: bytes, media_type: str) -> str:
    """Sends an upload; answers the id of the dataset."""
    url = server.started["http"] + "/v1/datasets/upload?sync=true"
    request = urllib.request.Request(url, body, {**ADMIN, "content-type": media_type})
    with urllib.request.urlopen(request, timeout=60) as answer:
        dataset_id: str = json.load(answer)["data"]["dataset_id"]
    return dataset_id


def download(server: ServerProcess, dataset_id: str, encoding: str = "identity") -> int:
    """Reads the examples of a dataset; answers how many bytes they were on the wire."""
    url = f"{server.started['http']}/v1/datasets/{dataset_id}/examples"
    request = urllib.request.Request(url, headers={**ADMIN, "accept-encoding": encoding})
    size = 0
    with urllib.request.urlopen(request, timeout=60) as answer:
        while piece := answer.read(MB):
            size += len(piece)
    return size


def test_a_form_is_bounded_by_the_chunk(server: ServerProcess) -> None:
    assert grown(server, lambda: upload_form(server, "big", INPUTS)) < 60 * MB


def test_a_json_document_takes_three_times_its_size_at_most(server: ServerProcess) -> None:
    body = document(INPUTS)
    assert len(body) > 30 * MB
    assert grown(server, lambda: upload_json(server, body)) < 3 * len(body)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_download_is_bounded_by_the_chunk(server: ServerProcess, encoding: str) -> None:
    dataset_id = upload_json(server, document(INPUTS))
    sizes = []
    assert grown(server, lambda: sizes.append(download(server, dataset_id, encoding))) < 60 * MB
    assert (sizes[0] > 30 * MB) == (encoding == "identity")
