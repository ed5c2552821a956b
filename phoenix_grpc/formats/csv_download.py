"""Pages of examples -> CSV (RFC 4180), flattened with dots. `csv` lists what CSV cannot carry back.

The header line needs the columns of all rows, so a version is read twice: for its columns, and for its cells.
"""

import csv
import io
from collections.abc import Iterator, Sequence

import msgspec

from phoenix_grpc.errors import FailedPrecondition, LimitExceeded, Reason
from phoenix_grpc.formats.jsonl_download import Splits, node_id
from phoenix_grpc.formats.records import BUCKETS
from phoenix_grpc.model import Row

MAX_COLUMNS = 10_000

_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string_of = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


class CsvTable:
    """The columns of a version, in the order in which they occur; `splits` comes last, if any example is in one."""

    def __init__(self) -> None:
        self._columns: dict[str, None] = {}
        self._has_splits = False

    def survey(self, rows: Sequence[Row], splits: Splits) -> None:
        """The first reading: remembers the columns of a page.

        Raises:
            LimitExceeded: when there are more than 10,000.
        """
        for row in rows:
            self._columns.update(dict.fromkeys(_cells(row)))
        self._has_splits = self._has_splits or bool(splits)
        if len(self._columns) > MAX_COLUMNS:
            raise LimitExceeded(f"the CSV would have more than {MAX_COLUMNS:,} columns; download JSONL")

    def header(self) -> str:
        """The header line."""
        return _lines([["id", "node_id", *self._columns, *(["splits"] if self._has_splits else [])]])

    def page(self, rows: Sequence[Row], splits: Splits) -> str:
        """The second reading: the lines of a page.

        Raises:
            FailedPrecondition: VALUE_NOT_REPRESENTABLE, when two values of an example have one column.
        """
        return _lines(self._line(row, splits) for row in rows)

    def _line(self, row: Row, splits: Splits) -> list[str]:
        cells = _cells(row)
        node = node_id(row[0])
        line = [node if row[1] is None else row[1], node, *(cells.get(column, "") for column in self._columns)]
        if self._has_splits:
            line.append(_encode(splits.get(row[0], ())).decode())
        return line


def _lines(lines: Iterator[list[str]] | list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue()


def _cells(row: Row) -> dict[str, str]:
    """The cells of an example by column."""
    cells: dict[str, str] = {}
    for bucket, text in zip(BUCKETS, row[2:5], strict=True):
        for column, cell in _flattened(bucket, _members_of(text)):
            if column in cells:
                raise FailedPrecondition(
                    f"example {node_id(row[0])} has two values for the column {column[:100]!r}; download JSONL",
                    Reason.VALUE_NOT_REPRESENTABLE,
                )
            cells[column] = cell
    return cells


def _flattened(prefix: str, members: dict[str, msgspec.Raw]) -> Iterator[tuple[str, str]]:
    for name, raw in members.items():
        text = str(raw, "utf-8")
        if text.startswith('"'):
            yield f"{prefix}.{name}", _string_of(text)
        elif text.startswith("{") and _nests(inner := _members_of(text)):
            yield from _flattened(f"{prefix}.{name}", inner)
        else:
            yield f"{prefix}.{name}", "" if text == "null" else text


def _nests(members: dict[str, msgspec.Raw]) -> bool:
    """Whether an object can be restored from dotted columns; otherwise its cell is JSON."""
    return bool(members) and not any("." in name for name in members)
