"""Uploads and downloads against a real server."""

import gzip
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.client import Client, PhoenixError
from phoenix_grpc.v1 import datasets_pb2
from tests.conftest import ADMIN_SECRET
from tests.process import ServerProcess


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("client")) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address, ADMIN_SECRET) as client:
        yield client


RECORDS = [{"id": f"r{n}", "input": {"q": "é" * n, "n": 2**60 + n}, "output": {"a": n / 3}} for n in range(50)]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_what_is_uploaded_comes_back_and_uploading_that_changes_nothing(
    client: Client, tmp_path: Path, suffix: str
) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    data = "\n".join(json.dumps(record) for record in RECORDS).encode()
    source.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    done = client.upload(source, suffix)
    assert (done.created_count, done.record_count) == (50, 50)
    header = client.download(suffix, target)
    assert header.version.version_id == done.version.version_id
    lines = (gzip.decompress(target.read_bytes()) if suffix.endswith("gz") else target.read_bytes()).splitlines()
    assert [{key: line[key] for key in ("id", "input", "output")} for line in map(json.loads, lines)] == RECORDS
    again = client.upload(target, suffix, "update")
    assert (again.created_count, again.updated_count, again.deleted_count) == (0, 0, 0)
    assert again.version.version_id == done.version.version_id


def test_a_download_names_version_and_format(client: Client, tmp_path: Path) -> None:
    first = client.upload([b'{"input": {"q": 1}}\n'], "versions").version
    client.upload([b'{"input": {"q": 2}}\n'], "versions")
    out = io.BytesIO()
    client.download("versions", out, "csv", first.version_id)
    lines = out.getvalue().decode().splitlines()
    assert len(lines) == 2
    assert "input.q" in lines[0]


def test_a_bad_record_is_refused_with_its_line(client: Client) -> None:
    with pytest.raises(PhoenixError, match="line 2") as caught:
        client.upload([b'{"input": {}}\n{"input": oops}\n'], "bad")
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RECORD")
    assert caught.value.violations[0][0] == "chunk"


def test_one_client_serves_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: client.upload([b'{"input": {"n": %d}}\n' % n], "threads"), range(24)))
    assert sum(one.created_count for one in done) == 24
    assert client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="threads")).example_count == 24
