"""Files of uploads and downloads: told by their contents and names, all or nothing, in constant memory."""

import gzip
import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_grpc.client import ConfigurationError, PhoenixError, UnfitFile
from phoenix_grpc.client.record_count import RecordCount
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
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"qa.jsonl": b"half whole\n"}


def test_the_header_says_what_the_file_tells_unless_it_is_said(script: Script, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"question,answer\nq,a\n"))
    with client_of(script) as client:
        client.upload(tmp_path / "a.gz", "qa")
        client.upload(str(tmp_path / "a.gz"), "qa", input_keys=["answer"])
        client.upload(tmp_path / "a.gz", "qa", format="jsonl", compression="deflate")
        client.upload([b"question,answer\n"], "qa")
    headers = [request for _, request, _ in script.calls]
    formats = [datasets_pb2.UploadFormat.Name(header.format)[14:] for header in headers]
    compressions = [datasets_pb2.Compression.Name(header.compression)[12:] for header in headers]
    assert list(zip(formats, compressions, strict=True)) == [
        ("CSV", "GZIP"),
        ("CSV", "GZIP"),
        ("JSONL", "DEFLATE"),
        ("JSONL", "NONE"),
    ]
    assert [(list(h.input_keys), list(h.output_keys)) for h in headers] == [
        (["question"], ["answer"]),
        (["answer"], []),
        ([], []),
        ([], []),
    ]


def test_an_unfit_file_is_not_sent(script: Script, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"PAR1")
    with client_of(script) as client, pytest.raises(UnfitFile, match="Parquet"):
        client.upload(tmp_path / "a.jsonl", "qa")
    assert script.calls == []


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


def test_a_source_that_fails_fails_the_upload_with_its_own_error_alone(
    script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"{}"
        raise ConnectionResetError("the source is gone")

    with client_of(script) as client, pytest.raises(ConnectionResetError, match="the source is gone"):
        client.upload(chunks(), "qa")
    assert caplog.records == []


def test_progress_is_told_and_equals_the_size_once_all_is_sent(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"input": {}}' + b" " * 2_000_000)
    seen: list[tuple[int, int | None]] = []
    with client_of(script) as client:
        done = client.upload(file, "qa", progress=lambda done, total: seen.append((done, total)))
        assert (done.record_count, seen[0], seen[-1]) == (2_000_013, (524_288, 2_000_013), (2_000_013, 2_000_013))
        assert [done == total for done, total in seen] == [False] * (len(seen) - 1) + [True]
        with file.open("rb") as stream:
            client.upload(stream, "qa", progress=lambda done, total: seen.append((done, total)))
        assert seen[-2:] == [(2_000_013, None), (2_000_013, 2_000_013)]


def test_a_download_tells_the_examples_that_have_come(script: Script) -> None:
    seen: list[tuple[int, int | None]] = []
    with client_of(script) as client:
        client.download("qa", io.BytesIO(), progress=lambda done, total: seen.append((done, total)))
        client.download("qa", io.BytesIO(), splits=["x"], progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, 7), (1, 7), (0, None), (1, None)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_records_are_counted_whatever_the_borders_of_the_chunks(size: int) -> None:
    table, lines = b'a,b\n"x\ny",2\n"q""\n",3\n', b'{"a": "\\n"}\n{}\n'
    for data, is_csv in ((table, True), (lines, False)):
        count = RecordCount(is_csv=is_csv)
        assert [count.add(data[start : start + size]) for start in range(0, len(data), size)][-1] == 2


def test_an_upload_takes_constant_memory(script: Script) -> None:
    with client_of(script) as client:
        client.upload([b"{}"], "qa")
        tracemalloc.start()
        client.upload((bytes(1 << 20) for _ in range(100)), "qa")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 << 20
