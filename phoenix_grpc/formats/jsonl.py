"""JSON Lines -> records. The bytes of every value are kept as they were sent."""

from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from phoenix_grpc.errors import InvalidRecord
from phoenix_grpc.formats import canonical
from phoenix_grpc.formats.lines import LineSplitter
from phoenix_grpc.formats.records import (
    BUCKETS,
    MAX_BATCH,
    IgnoredKeys,
    Keys,
    hashed_record,
    heavy_record,
    key_clash,
    nonblank_id,
    record,
    repeated_key,
    require_nesting,
    too_many_values,
    unique_members,
)
from phoenix_grpc.json_keys import all_kept
from phoenix_grpc.model import Record

_BLANK = b" \t\r"
_MAX_KEYS_SHOWN = 20
_SHALLOW_BYTES = 2 * canonical.MAX_DEPTH  # a shorter line has no room for more brackets
_EMPTY = msgspec.Raw(b"{}")


class _Buckets(msgspec.Struct):
    """The bytes of a record's three objects."""

    input: msgspec.Raw = _EMPTY
    output: msgspec.Raw = _EMPTY
    metadata: msgspec.Raw = _EMPTY


_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_buckets_of = msgspec.json.Decoder(_Buckets).decode
_encode = msgspec.json.Encoder().encode


class JsonlReader:
    """See reader.RecordReader. Blank lines are skipped; lines may end in CR LF.

    With no keys of input, output and metadata named, a record is {id?, input, output?, metadata?, splits?, span_id?}.
    A named key that no record has is refused at the end.
    """

    def __init__(self, keys: Keys, max_record_bytes: int) -> None:
        self.ignored = IgnoredKeys()
        self._lines = LineSplitter(max_record_bytes)
        self._line = 1
        self._keys = keys if keys.mapped else keys.with_defaults()
        self._mapped = keys.mapped
        # A key that is not named is None, which no record contains.
        self._id_key: Any = self._keys.example_id or None
        self._span_key: Any = self._keys.span_id or None
        self._required, self._missing = keys, set(keys.named)
        self._first: list[str] | None = None  # keys of the first record
        self._known = self._keys.named.union({"node_id"} if keys.mapped else {"node_id", *BUCKETS})

    @property
    def held(self) -> int:
        return self._lines.held

    def feed(self, data: bytes) -> Iterator[list[Record]]:
        return self._batches(self._lines.feed(data))

    def close(self) -> Iterator[list[Record]]:
        yield from self._batches(self._lines.close())
        if self._first is not None:
            self._required.require(self._missing, self._first)

    def _batches(self, lines: list[bytes]) -> Iterator[list[Record]]:
        for start in range(0, max(1, len(lines)), MAX_BATCH):
            batch = lines[start : start + MAX_BATCH]
            numbered = enumerate(batch, self._line)
            records = [self._record(number, line) for number, line in numbered if line and line.strip(_BLANK)]
            self._line += len(batch)
            yield records

    def _record(self, line: int, data: bytes) -> Record:
        if canonical.has_too_many_values(data):
            return self._heavy(line, data.replace(b"\r", b" "))
        values = _decoded(line, data)
        if type(values) is not dict:
            raise InvalidRecord(line, "a record must be a JSON object")
        self._see(values)
        if not values.keys() <= self._known:
            self.ignored.add(key for key in values if key not in self._known)
        # Where it is valid, a carriage return is white space; a line of a download must not hold it.
        data = data.replace(b"\r", b" ")
        example_id, splits, span_id = values.get(self._id_key), self._splits(values), values.get(self._span_key)
        if not self._mapped:
            return record(line, *_plain(line, data, values), example_id, splits, span_id)
        if isinstance(example_id, str):
            example_id = nonblank_id(example_id)
        return hashed_record(line, self._objects(line, data), example_id, splits, span_id)

    def _see(self, values: Collection[str]) -> None:
        """Remembers the keys of the first record, and which of the named keys occurred."""
        if self._first is None:
            self._first = list(values)[:_MAX_KEYS_SHOWN]
        if self._missing:
            self._missing.difference_update(values)

    def _heavy(self, line: int, data: bytes) -> Record:
        """A record with too many values: only what is not in its objects is decoded."""
        if self._mapped:
            raise too_many_values(line)
        try:
            raws = _members_of(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise too_many_values(line) from None
        rest = {key: bytes(raw) for key, raw in raws.items() if key not in BUCKETS}
        self._see(raws)
        if any(map(canonical.has_too_many_values, rest.values())):
            raise too_many_values(line)
        values = {key: _decoded(line, value) for key, value in rest.items()}
        texts = [str(raws.get(key, _EMPTY), "utf-8") for key in BUCKETS]
        return heavy_record(line, texts, values.get(self._id_key), self._splits(values), values.get(self._span_key))

    def _splits(self, values: dict[str, Any]) -> Any:
        if len(self._keys.splits) == 1:
            return values.get(self._keys.splits[0])
        given = [value for key in self._keys.splits if (value := values.get(key)) is not None]
        return [name for value in given for name in (value if isinstance(value, list) else [value])] if given else None

    def _objects(self, line: int, data: bytes) -> list[str]:
        raws = unique_members(line, "", data)
        return [self._object(line, raws, keys) for keys in self._keys.buckets]

    def _object(self, line: int, raws: dict[str, msgspec.Raw], keys: tuple[str, ...]) -> str:
        """The object of those keys that the record has."""
        found: dict[str, msgspec.Raw] = {}
        for key in keys:
            raw = raws.get(key)
            if raw is None:
                continue
            parts = _spread(line, key, raw) if key in self._keys.flatten else {key: raw}
            if not found.keys().isdisjoint(parts):
                raise key_clash(line, next(name for name in parts if name in found))
            found.update(parts)
        return _encode(found).decode()


def _decoded(line: int, data: bytes) -> Any:
    try:
        return canonical.decode(data)
    except canonical.NotJson as error:
        column = 0 if error.offset is None else len(data[: error.offset].decode(errors="replace")) + 1
        raise InvalidRecord(line, error.description, column) from None


def _plain(line: int, data: bytes, values: dict[str, Any]) -> tuple[tuple[str, str, str], bytes, str | None]:
    """The objects input, output and metadata, their content hash, and their flaw."""
    if "input" not in values:
        raise _without_input(line, values)
    input, output, metadata = values["input"], values.get("output"), values.get("metadata")
    if type(input) is not dict:
        raise InvalidRecord(line, "input must be a JSON object")
    if output is not None and type(output) is not dict:
        raise InvalidRecord(line, "output must be a JSON object")
    if metadata is not None and type(metadata) is not dict:
        raise InvalidRecord(line, "metadata must be a JSON object")
    raws = _buckets_of(data)
    texts = (
        str(raws.input, "utf-8"),
        "{}" if output is None else str(raws.output, "utf-8"),
        "{}" if metadata is None else str(raws.metadata, "utf-8"),
    )
    if len(data) > _SHALLOW_BYTES:
        require_nesting(line, texts)
    encoded = canonical.encode(input, output or {}, metadata or {})
    flaw = None
    if not all_kept(data, encoded, len(values)):
        unique_members(line, "", data)
        flaw = repeated_key(line, texts)
    return texts, canonical.digest(encoded), flaw


def _spread(line: int, key: str, raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of the object under a flattened key; null has none."""
    try:
        return unique_members(line, key, raw) if bytes(raw) != b"null" else {}
    except msgspec.ValidationError:
        raise InvalidRecord(line, f"{key!r} is in flatten_keys, so it must be a JSON object") from None


def _without_input(line: int, values: dict[str, Any]) -> InvalidRecord:
    seen = ", ".join(key[:50] for key in list(values)[:_MAX_KEYS_SHOWN]) or "none"
    return InvalidRecord(line, f"a record needs the key 'input', or name the keys in input_keys; its keys are: {seen}")
