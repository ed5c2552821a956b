"""Memory of a server process: bounded by the chunk for uploads and downloads, whatever a small body unfolds to."""

import contextlib
import gzip
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

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


def post_refused(server: ServerProcess, body: bytes) -> tuple[int, str]:
    """Sends a compressed document that is refused; answers status and text."""
    headers = {**ADMIN, "content-type": "application/json", "content-encoding": "gzip"}
    request = urllib.request.Request(server.started["http"] + "/v1/datasets/upload", body, headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60)
    with caught.value as answer:
        return answer.code, answer.read().decode()


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
    assert server.grown(lambda: upload_form(server, "big", INPUTS)) < 60 * MB


def test_a_json_document_is_bounded_by_the_chunk(server: ServerProcess) -> None:
    body = document(INPUTS)
    assert len(body) > 30 * MB
    assert server.grown(lambda: upload_json(server, body)) < 60 * MB


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"name":"x","inputs":[{}],"splits":[' + b"[]," * (16 * MB) + b"[]]}", "splits may have 1,000,000"),
        (b'{"name":"x","inputs":[' + b"{}," * (16 * MB) + b"{}]}", "inputs may have 1,000,000"),
        (b'{"name":"x","inputs":[{"a":[' + b"[]," * (5 * MB) + b"[]]}]}", "inputs[0]: a record has 250,000 values"),
        (b'{"name":"x","inputs":[{}],"other":[' + b"[]," * (16 * MB) + b"[]]}", "other has more than 16,777,216"),
    ],
    ids=["splits", "inputs", "one record", "an unknown key"],
)
def test_a_small_body_that_unfolds_freezes_nobody(server: ServerProcess, body: bytes, text: str) -> None:
    refused: list[tuple[int, str]] = []
    sending = threading.Thread(target=lambda: refused.append(post_refused(server, gzip.compress(body))))

    def call_meanwhile() -> None:
        sending.start()
        while sending.is_alive():
            request = urllib.request.Request(server.started["http"] + "/v1/datasets", headers=ADMIN)
            assert urllib.request.urlopen(request, timeout=3).status == 200

    assert server.grown(call_meanwhile) < 200 * MB
    sending.join()
    assert (refused[0][0], text in refused[0][1]) == (422, True)


def test_what_was_refused_leaves_nothing_behind(server: ServerProcess) -> None:
    """It must not wait for Python's collector, which an idle server does not run."""
    body = gzip.compress(b'{"name":"half","inputs":[{"text":"' + b"x" * (12 * MB))
    post_refused(server, body)
    before = server.memory()
    for _ in range(8):
        status, _text = post_refused(server, body)
        assert status == 422
    assert server.memory() - before < 40 * MB


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_download_is_bounded_by_the_chunk(server: ServerProcess, encoding: str) -> None:
    dataset_id = upload_json(server, document(INPUTS))
    sizes = []
    assert server.grown(lambda: sizes.append(download(server, dataset_id, encoding))) < 60 * MB
    assert (sizes[0] > 30 * MB) == (encoding == "identity")


def test_readers_that_leave_take_nothing_with_them(server: ServerProcess) -> None:
    dataset_id = upload_json(server, document(INPUTS))
    download(server, dataset_id)
    parts = urlsplit(server.started["http"])
    head = f"GET /v1/datasets/{dataset_id}/examples HTTP/1.1\r\nhost: {parts.netloc}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in ADMIN.items())

    def leave_early(count: int) -> None:
        with contextlib.ExitStack() as stack:
            address = (parts.hostname, parts.port)
            readers = [stack.enter_context(socket.create_connection(address)) for _ in range(count)]
            for reader in readers:
                reader.sendall(f"{head}\r\n".encode())
            assert all(b"200 OK" in reader.recv(100) for reader in readers)

    for _ in range(5):
        leave_early(10)
    settled = server.memory()
    for _ in range(15):
        leave_early(10)
    # A reader that leaves more than it found, such as a buffer that nobody drops, would leave it 150 times.
    assert server.memory() - settled < 15 * MB


def test_requests_before_the_answers_to_earlier_ones_are_not_gathered(server: ServerProcess) -> None:
    parts = urlsplit(server.started["http"])
    requests = b"GET / HTTP/1.1\r\n\r\n" * 10_000

    def send() -> None:
        until = time.monotonic() + 3
        address = parts.hostname, parts.port
        with contextlib.suppress(ConnectionError), socket.create_connection(address, timeout=0.2) as connection:
            while time.monotonic() < until:
                for step in (lambda: connection.sendall(requests), lambda: connection.recv(1 << 20)):
                    with contextlib.suppress(TimeoutError):
                        step()

    grown = server.grown(send)
    assert grown < 20 * MB, f"{grown:,}"
