"""A look into files: one table of cases for the Python client, the command line and the console."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from phoenix_grpc.client import UnfitFile, open_data_file
from phoenix_grpc.client.columns import guess_mapping, guess_roles

CASES = json.loads((Path(__file__).parent.parent / "data_files.json").read_text())


def content(case: dict[str, Any]) -> bytes:
    """The bytes of a case's file: the same at each call."""
    data = bytes.fromhex(case["hex"]) if "hex" in case else case["text"].encode()
    return gzip.compress(data, mtime=0) if case.get("gzip") else data


def untold(_done: int, _total: int | None) -> None:
    """No progress."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_file_is_taken_or_refused_as_the_table_says(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / case["name"]
    path.write_bytes(content(case))
    if "refused" in case:
        with pytest.raises(UnfitFile, match=case["refused"]), open_data_file(path) as file:
            list(file.chunks(untold))
        return
    with open_data_file(path) as file:
        assert file.format == case["format"]
        names = [column.name for column in file.columns]
        assert dict(zip(names, guess_roles(file.columns), strict=True)) == case["roles"]
        assert guess_mapping(file.columns) == case["mapping"]
        sent = b"".join(file.chunks(untold))
        assert sent == (case["sent"].encode() if "sent" in case else content(case))
        assert file.compression == ("gzip" if case.get("gzip") and "sent" not in case else "none")


class Dribble(io.RawIOBase):
    """A pipe that hands on one byte at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(1)


@pytest.mark.parametrize("case", [case for case in CASES if "format" in case][:3], ids=lambda case: case["name"])
def test_a_pipe_is_read_once_and_none_of_it_is_lost(case: dict[str, Any]) -> None:
    with open_data_file(Dribble(content(case)), case["format"]) as file:  # type: ignore[arg-type]
        assert not file.is_regular
        assert b"".join(file.chunks(untold)) == content(case)


def test_what_is_said_counts_more_than_what_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('{"question": "q"}\n1\n')
    with open_data_file(path, "csv") as file:
        assert (file.format, [column.name for column in file.columns]) == ("csv", ['{"question": "q"}'])
    with open_data_file(path, "csv", "deflate") as file:
        assert (file.compression, file.columns) == ("deflate", ())


def test_an_empty_file_can_be_allowed(tmp_path: Path) -> None:
    for name, text in (("a.jsonl", ""), ("a.csv", "question,answer\n"), ("a.json", "[]")):
        (tmp_path / name).write_text(text)
        with open_data_file(tmp_path / name, allow_empty=True) as file:
            assert (file.format, guess_mapping(file.columns)) == ("csv" if "csv" in name else "jsonl", {})


def test_an_advice_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1....")
    with pytest.raises(UnfitFile) as caught, open_data_file(tmp_path / "a.parquet"):
        pass
    assert f"pandas.read_parquet('{tmp_path}/a.parquet').to_json('{tmp_path}/a.parquet.jsonl'" in str(caught.value)


class Array(io.RawIOBase):
    """A long JSON array, made as it is read."""

    def __init__(self, elements: Iterator[bytes]) -> None:
        self._elements = elements

    def read(self, size: int = -1) -> bytes:
        return next(self._elements, b"")


def test_an_array_takes_constant_memory_whatever_is_in_it() -> None:
    element = b'{"question": "%s", "answer": {"n": [1, 2.50]}}' % (b"x" * 20_000)

    def pieces() -> Iterator[bytes]:
        yield b"["
        for _ in range(3000):
            yield element + b", "
        yield element + b"]"

    with open_data_file(Array(pieces())) as file:  # type: ignore[arg-type]
        tracemalloc.start()
        lines = sum(chunk.count(element + b"\n") for chunk in file.chunks(untold))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert lines == 3001
    assert peak < 16 << 20
