"""CSV (RFC 4180, UTF-8, a header line) -> records.

A cell is text without a type, so a download comes back the same only as far as CSV can carry it: strings, objects, and
lists (as JSON). Numbers and booleans come back as strings; nulls and empty strings do not come back; a string that is
itself a JSON list comes back as the list, and a key with a dot as two. JSON Lines carries everything.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from phoenix_grpc.errors import InvalidRecord
from phoenix_grpc.formats import canonical
from phoenix_grpc.formats.lines import LineSplitter, record_too_long
from phoenix_grpc.formats.records import (
    BUCKETS,
    MAX_BATCH,
    IgnoredKeys,
    Keys,
    hashed_record,
    key_clash,
    nonblank_id,
    too_many_values,
    unique_members,
)
from phoenix_grpc.model import Record

# Of the whole process, and too small by default; what bounds a cell here is the limit of a record.
csv.field_size_limit(1 << 30)

_UNCLOSED = "unexpected end of data"  # the error of a strict reader when the lines end within quotes
MAX_COLUMNS = 10_000
_MAX_COLUMNS_SHOWN = 20
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Column:
    """A column that is used, and where its cells go."""

    index: int
    bucket: int
    path: tuple[str, ...]
    parsed: bool = False  # cells that are JSON lists or objects are taken as such
    spread: bool = False  # cells must be JSON objects, whose members are taken


class CsvReader:
    """See reader.RecordReader. Blank cells are left out; the other values are strings.

    With no keys named, or with keys of this form, the columns "input.…", "output.…" and "metadata.…" are nested at
    their dots, and cells that are JSON lists or objects are taken as such: as the CSV of a download has them.
    """

    def __init__(self, keys: Keys, max_record_bytes: int) -> None:
        self.ignored = IgnoredKeys()
        self._lines = LineSplitter(max_record_bytes)
        self._max_record_bytes = max_record_bytes
        self._keys = keys
        self._pending: list[str] = []  # lines of an incomplete record
        self._line = 1  # the number of the first of them
        self._table: _Table | None = None

    @property
    def held(self) -> int:
        return self._lines.held + sum(map(len, self._pending))

    def feed(self, data: bytes) -> Iterator[list[Record]]:
        return self._batches(self._lines.feed(data), last=False)

    def close(self) -> Iterator[list[Record]]:
        return self._batches(self._lines.close(), last=True)

    def _batches(self, lines: list[bytes], *, last: bool) -> Iterator[list[Record]]:
        self._pending += self._decoded(lines)
        batch: list[Record] = []
        for line, row in self._rows(last=last):
            if self._table is None:
                self._table = _Table(row, line, self._keys)
                self.ignored.add(self._table.unused)
                continue
            batch.append(self._table.record(line, row))
            if len(batch) == MAX_BATCH:
                yield batch
                batch = []
        yield batch

    def _decoded(self, lines: list[bytes]) -> Iterator[str]:
        for line, data in enumerate(lines, self._line + len(self._pending)):
            try:
                yield data.decode() + "\n"
            except UnicodeDecodeError as error:
                column = len(data[: error.start].decode()) + 1
                raise InvalidRecord(line, "not UTF-8", column) from None

    def _rows(self, *, last: bool) -> Iterator[tuple[int, list[str]]]:
        """The complete rows, each with the number of its first line; blank lines are skipped."""
        reader = csv.reader(self._pending, strict=True)
        done = 0
        try:
            for row in reader:
                if row:
                    yield self._line + done, row
                done = reader.line_num
        except csv.Error as error:
            if str(error) != _UNCLOSED:
                raise InvalidRecord(self._line + done, f"malformed CSV: {error}") from None
            if last:
                raise InvalidRecord(self._line + done, "malformed CSV: a quoted cell is not closed") from None
        self._line += done
        self._pending = self._pending[done:]
        if sum(map(len, self._pending)) > self._max_record_bytes:
            raise record_too_long(self._line, self._max_record_bytes)


class _Table:
    """Reads the header line, and the role of each column.

    Raises:
        InvalidRecord: for more than 10,000 columns, a column that comes twice, is nested too deep, or is named and
            missing; or none that is used.
    """

    def __init__(self, header: list[str], line: int, keys: Keys) -> None:
        self._width = len(header)
        self._header = header
        self._indexes = {name: index for index, name in enumerate(header)}
        self._line = line
        self._require_columns(keys.named)
        if not keys.mapped:
            keys = keys.with_defaults()
        self._columns = list(self._mapped(keys) if keys.mapped else self._dotted())
        self._split_indexes = [self._indexes[key] for key in keys.splits if key in self._indexes]
        self._id_index = self._indexes.get(keys.example_id, -1) if keys.example_id else -1
        self._span_index = self._indexes.get(keys.span_id, -1) if keys.span_id else -1
        used = {self._id_index, self._span_index, *self._split_indexes, *(column.index for column in self._columns)}
        self.unused = [name for index, name in enumerate(header) if index not in used]
        self._names_contents = bool(self._columns) or "node_id" in self._indexes

    def record(self, line: int, row: list[str]) -> Record:
        """The record of a row.

        Raises:
            InvalidRecord: naming `line`.
        """
        if len(row) != self._width:
            raise InvalidRecord(line, f"the row has {len(row)} cells, the header has {self._width}")
        if not self._names_contents:
            raise InvalidRecord(
                self._line, f"name the columns in input_keys, or call them 'input.…'; the columns are: {self._shown()}"
            )
        objects: tuple[dict[str, Any], ...] = ({}, {}, {})
        for column in self._columns:
            cell = row[column.index]
            if cell:
                _place(line, objects[column.bucket], column, cell)
        buckets = [_encode(members).decode() if members else "{}" for members in objects]
        example_id = nonblank_id(row[self._id_index]) if self._id_index >= 0 else None
        span_id = row[self._span_index].strip() or None if self._span_index >= 0 else None
        return hashed_record(line, buckets, example_id, self._splits(line, row), span_id)

    def _splits(self, line: int, row: list[str]) -> list[Any] | None:
        given = [cell for index in self._split_indexes if (cell := row[index].strip())]
        return [name for cell in given for name in _names(line, cell)] if given else None

    def _require_columns(self, named: frozenset[str]) -> None:
        if self._width > MAX_COLUMNS:
            raise InvalidRecord(self._line, f"a file has {MAX_COLUMNS:,} columns at most, this one has {self._width:,}")
        for index, name in enumerate(self._header):
            if self._indexes[name] != index:
                raise InvalidRecord(self._line, f"the column {name[:100]!r} comes twice")
        missing = sorted(named.difference(self._indexes))
        if missing:
            raise InvalidRecord(
                self._line, f"there is no column {missing[0][:100]!r}; the columns are: {self._shown()}"
            )

    def _shown(self) -> str:
        return ", ".join(name[:50] for name in self._header[:_MAX_COLUMNS_SHOWN])

    def _dotted(self) -> Iterator[_Column]:
        for index, name in enumerate(self._header):
            prefix, dot, rest = name.partition(".")
            if dot and prefix in BUCKETS:
                yield self._nested(index, BUCKETS.index(prefix), rest)

    def _mapped(self, keys: Keys) -> Iterator[_Column]:
        for bucket, names in enumerate(keys.buckets):
            for name in names:
                prefix, dot, rest = name.partition(".")
                if dot and prefix in BUCKETS and not keys.flatten:
                    yield self._nested(self._indexes[name], bucket, rest)
                else:
                    yield _Column(self._indexes[name], bucket, (name,), spread=name in keys.flatten)

    def _nested(self, index: int, bucket: int, path: str) -> _Column:
        if path.count(".") >= canonical.MAX_DEPTH:
            raise InvalidRecord(self._line, f"column {index + 1}: nesting beyond {canonical.MAX_DEPTH} levels")
        return _Column(index, bucket, tuple(path.split(".")), parsed=True)


def _place(line: int, members: dict[str, Any], column: _Column, cell: str) -> None:
    """Puts the value of a cell where its column belongs."""
    if column.spread:
        for name, value in _object(line, column.path[0], cell).items():
            _put(line, members, (name,), value)
    else:
        _put(line, members, column.path, _json(line, cell) or cell if column.parsed else cell)


def _put(line: int, members: dict[str, Any], path: Sequence[str], value: object) -> None:
    *parents, name = path
    for parent in parents:
        members = members.setdefault(parent, {})
        if not isinstance(members, dict):
            raise key_clash(line, ".".join(path))
    if name in members:
        raise key_clash(line, ".".join(path))
    members[name] = value


def _json(line: int, cell: str) -> msgspec.Raw | None:
    """The JSON list or object in a cell, as it was sent; None if it is neither."""
    if cell[0] not in "[{":
        return None
    if canonical.has_too_many_values(cell.encode()):
        raise too_many_values(line)
    try:
        canonical.decode(cell)
    except canonical.NotJson:
        return None
    # Where they are valid, line breaks are white space; a line of a download must not hold one.
    return msgspec.Raw(cell.replace("\r", " ").replace("\n", " ").encode())


def _object(line: int, name: str, cell: str) -> dict[str, msgspec.Raw]:
    raw = _json(line, cell.strip()) if cell.strip().startswith("{") else None
    if raw is None:
        raise InvalidRecord(line, f"{name!r} is in flatten_keys, so its cells must be JSON objects")
    return unique_members(line, repr(name), raw)


def _names(line: int, cell: str) -> list[Any]:
    """The names of splits in a cell: a JSON list, or one name."""
    raw = _json(line, cell) if cell.startswith("[") else None
    return list(msgspec.json.decode(raw)) if raw is not None else [cell]
