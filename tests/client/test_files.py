"""Files of uploads and downloads: told by their names, all or nothing, in constant memory."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_grpc.client import ConfigurationError, PhoenixError
from phoenix_grpc.v1 import datasets_pb2
from tests.client.conftest import Script, client_of


def test_a_download_that_breaks_leaves_the_old_file_and_no_other(script: Script, tmp_path: Path) -> None:
    target = tmp_path / "qa.jsonl"
    target.write_bytes(b"old")
    with client_of(script) as client:
        with pytest.raises(PhoenixError, match="DATASET_DELETED"):
            client.download("breaks", target)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"qa.jsonl": b"old"}
        client.download("qa", target)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"qa.jsonl": b"half whole"}


@pytest.mark.parametrize(
    ("name", "format", "compression"),
    [
        ("a.jsonl", "JSONL", "NONE"),
        ("a.jsonl.gz", "JSONL", "GZIP"),
        ("a.CSV", "CSV", "NONE"),
        ("a.csv.GZ", "CSV", "GZIP"),
        ("a", "JSONL", "NONE"),
    ],
)
def test_the_name_of_a_file_tells_what_it_is(
    script: Script, tmp_path: Path, name: str, format: str, compression: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    with client_of(script) as client:
        client.upload(tmp_path / name, "qa")
        client.upload(str(tmp_path / name), "qa", format="csv", compression="deflate")
    headers = [request for _, request, _ in script.calls]
    assert headers[0].format == datasets_pb2.UploadFormat.Value(f"UPLOAD_FORMAT_{format}")
    assert headers[0].compression == datasets_pb2.Compression.Value(f"COMPRESSION_{compression}")
    assert headers[1].format == datasets_pb2.UPLOAD_FORMAT_CSV
    assert headers[1].compression == datasets_pb2.COMPRESSION_DEFLATE


@pytest.mark.parametrize("name", ["out.parquet", "out.json", "out.parquet.gz"])
def test_a_target_that_tells_another_format_is_refused_until_the_format_is_said(
    script: Script, tmp_path: Path, name: str
) -> None:
    with client_of(script) as client:
        with pytest.raises(ConfigurationError, match=r"\.jsonl, \.csv"):
            client.download("qa", tmp_path / name)
        assert script.calls == []
        client.download("qa", tmp_path / name, "jsonl")
        client.download("qa", tmp_path / "no-suffix")
    assert [request.format for _, request, _ in script.calls] == [datasets_pb2.DOWNLOAD_FORMAT_JSONL] * 2


def test_a_source_that_fails_fails_the_upload_with_its_own_error(script: Script) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"{}"
        raise ConnectionResetError("the source is gone")

    with client_of(script) as client, pytest.raises(ConnectionResetError, match="the source is gone"):
        client.upload(chunks(), "qa")


def test_progress_is_told_with_the_size_of_the_file(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"x" * 2_000_000)
    seen: list[tuple[int, int | None]] = []
    with client_of(script) as client:
        done = client.upload(file, "qa", progress=lambda done, total: seen.append((done, total)))
        assert (done.record_count, seen[-1]) == (2_000_000, (2_000_000, 2_000_000))
        client.download("qa", io.BytesIO(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-2:] == [(5, None), (10, None)]


def test_an_upload_takes_constant_memory(script: Script) -> None:
    with client_of(script) as client:
        client.upload([b"{}"], "qa")
        tracemalloc.start()
        client.upload((bytes(1 << 20) for _ in range(100)), "qa")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 << 20
