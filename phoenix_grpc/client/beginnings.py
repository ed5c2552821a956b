"""Detects the format and the columns of a file by its first bytes, or why it cannot be uploaded and what to do."""

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

import msgspec

from phoenix_grpc.client.columns import Column, Kind
from phoenix_grpc.client.errors import UnfitFile
from phoenix_grpc.client.json_arrays import elements

ENOUGH = 64 << 10
"""Bytes of a beginning that tell enough, once there is a whole line."""
LONGEST_LINE = 16 << 20
GZIP = b"\x1f\x8b"
_SAMPLED = 20
_PANDAS = "with pandas: python -c \"import pandas; pandas.{read}('FILE').{write}\""
_OTHER_FILES = {
    b"PAR1": "This is a Parquet file. Make it JSON Lines "
    + _PANDAS.format(read="read_parquet", write="to_json('FILE.jsonl', orient='records', lines=True)"),
    b"PK\x03\x04": "This is an Excel workbook or a zip archive. Unpack an archive; save a workbook as CSV, or do it "
    + _PANDAS.format(read="read_excel", write="to_csv('FILE.csv', index=False)"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "This is an old Excel workbook (.xls). Save it as CSV.",
    b"ARROW1": "This is an Arrow file. Make it JSON Lines "
    + _PANDAS.format(read="read_feather", write="to_json('FILE.jsonl', orient='records', lines=True)"),
    b"\x28\xb5\x2f\xfd": "This file is compressed with zstd. Decompress it first: unzstd FILE",
    b"BZh": "This file is compressed with bzip2. Decompress it first: bunzip2 FILE",
    b"\xfd7zXZ": "This file is compressed with xz. Decompress it first: unxz FILE",
    b"\xff\xfe": "This file is UTF-16. Make it UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW",
    b"\xfe\xff": "This file is UTF-16. Make it UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW",
    b"%PDF": "This is a PDF file. Write what it holds as CSV or JSON Lines.",
}
"""What files of other kinds begin with, and what to do with them."""
_KINDS: dict[str, Kind] = {"{": "object", "[": "list", '"': "text", "n": "null"}
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Look(NamedTuple):
    """The format and the columns."""

    format: str
    columns: tuple[Column, ...]
    is_array: bool


def look_into(pieces: Iterator[bytes], format: str, suffix: str, *, allow_empty: bool) -> Look:
    """Detects what a file is. Reads only as much of it as that requires.

    Arguments:
        pieces: the file, decompressed.
        format: "csv" or "jsonl", if it was given.
        suffix: of the file's name, such as ".csv"; it decides if the bytes do not.

    Raises:
        UnfitFile: when it cannot be uploaded.
    """
    beginning, whole = _beginning(pieces)
    for signature, advice in _OTHER_FILES.items():
        if beginning.startswith(signature):
            raise UnfitFile(advice)
    text = _text(beginning, whole)
    format, is_array = _format(text.lstrip(), format, suffix)
    if is_array:
        columns = _json_columns(_sample(elements(chain((beginning,), pieces))))
    else:
        columns = _csv_columns(text, whole) if format == "csv" else _json_columns(_whole_lines(text, whole))
    if columns is None and not allow_empty:
        what = "There is no record in this file" if text.strip() else "This file is empty"
        raise UnfitFile(f"{what} (--allow-empty, allow_empty=True, takes it all the same).")
    return Look(format, columns or (), is_array)


def _beginning(pieces: Iterator[bytes]) -> tuple[bytes, bool]:
    """The beginning of the file, long enough to detect what it is, and whether that is all of it."""
    beginning = bytearray()
    for piece in pieces:
        beginning += piece
        if len(beginning) >= (ENOUGH if b"\n" in piece or b"\n" in beginning[:ENOUGH] else LONGEST_LINE):
            return bytes(beginning), False
    return bytes(beginning), True


def _text(beginning: bytes, whole: bool) -> str:
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(beginning, whole)
    except UnicodeDecodeError:
        raise UnfitFile("This file is not UTF-8. Make it so: iconv -f LATIN1 -t UTF-8 FILE > NEW") from None


def _format(text: str, format: str, suffix: str) -> tuple[str, bool]:
    """The format of the text, and whether it is one JSON array."""
    if format != "csv" and suffix != ".csv" and text.startswith("["):
        return "jsonl", True
    if format:
        return format, False
    is_json = suffix != ".csv" and (text.startswith("{") or suffix in (".jsonl", ".ndjson", ".json"))
    return "jsonl" if is_json or not text else "csv", False


def _whole_lines(text: str, whole: bool) -> Iterator[tuple[str, str]]:
    """The first lines that are not blank, each with its place."""
    lines = text.split("\n")
    filled = ((f"Line {number}", line) for number, line in enumerate(lines if whole else lines[:-1], 1) if line.strip())
    return islice(filled, _SAMPLED)


def _sample(records: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The first elements of an array, each with its place."""
    size = 0
    for number, record in enumerate(islice(records, _SAMPLED), 1):
        yield f"Record {number}", record
        size += len(record)
        if size > ENOUGH:
            return


def _json_columns(records: Iterator[tuple[str, str]]) -> tuple[Column, ...] | None:
    """The keys of the records; None if there are no records."""
    columns: dict[str, Kind] = {}
    place = ""
    for place, record in records:
        for name, value in _record(place, record).items():
            kind = _KINDS.get(chr(bytes(value)[0]), "other")
            known = columns.get(name, "null")
            columns[name] = kind if known in ("null", kind) else known if kind == "null" else "mixed"
    return tuple(Column(name, kind) for name, kind in columns.items()) if place else None


def _record(place: str, text: str) -> dict[str, msgspec.Raw]:
    try:
        return _members(text)
    except msgspec.ValidationError:
        raise UnfitFile(f'{place} is no JSON object, such as {{"question": "…"}}') from None
    except RecursionError:
        raise UnfitFile(f"{place} is nested too deep") from None
    except msgspec.DecodeError as error:
        at = re.search(r"\(byte (\d+)\)", str(error))
        column = f", column {len(text.encode()[: int(at[1])].decode(errors='replace')) + 1}," if at else ""
        raise UnfitFile(f"{place}{column} is not JSON. Every line must be one whole JSON object.") from None


def _csv_columns(text: str, whole: bool) -> tuple[Column, ...] | None:
    """The names in the header; None if no row follows it."""
    lines = [line + "\n" for line in text.split("\n")]
    reader = csv.reader(lines, strict=True)
    try:
        header = next((row for row in reader if row), [])
    except csv.Error as error:
        raise UnfitFile(f"The line of column names is malformed: {error}") from None
    if repeated := next((name for index, name in enumerate(header) if name in header[:index]), None):
        raise UnfitFile(f"Two columns are called {repeated!r}. Each needs its own name.")
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        raise UnfitFile("Columns must be separated by commas.")
    has_record = not whole or any(line.strip() for line in lines[reader.line_num :])
    return tuple(Column(name) for name in header) if has_record else None
