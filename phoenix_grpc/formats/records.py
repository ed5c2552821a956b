"""Shared by the readers of all formats: which key goes where, and the checks that make a record of its parts."""

import base64
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from phoenix_grpc.errors import Invalid, InvalidRecord
from phoenix_grpc.formats import canonical
from phoenix_grpc.ids import parse_id
from phoenix_grpc.json_keys import all_kept, find_repeated
from phoenix_grpc.model import MAX_SPLITS, Flaw, Record

BUCKETS = ("input", "output", "metadata")
MAX_BATCH = 2000
MAX_SPLIT_NAME = 1000
_TOO_MANY = f"a record has {canonical.MAX_VALUES:,} values at most: commas and opening brackets outside of strings"
_MAX_IGNORED_KEYS = 100
_MAX_KEY_SHOWN = 200
# Every id of an example begins with it: 15 bytes fill 20 characters of base64, so the digits begin on one of their own.
EXAMPLE_ID_PREFIX = base64.b64encode(b"DatasetExample:").decode()

_members_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Keys:
    """Which keys (or columns) of a record go where.

    If input, output and metadata have none, they are taken from the keys "input", "output" and "metadata".
    """

    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    flatten: frozenset[str] = frozenset()
    example_id: str = ""
    span_id: str = ""
    allow_missing: bool = False

    @property
    def buckets(self) -> tuple[tuple[str, ...], ...]:
        """The keys of input, output and metadata."""
        return (self.input, self.output, self.metadata)

    @property
    def mapped(self) -> bool:
        """Whether the keys of input, output or metadata are named."""
        return any(self.buckets)

    def validate(self) -> None:
        """Requires that the keys are consistent.

        Raises:
            Invalid: naming the field of the header, when a key is named twice in one place, or flattened and not used.
        """
        for field in ("input", "output", "metadata", "splits"):
            keys: tuple[str, ...] = getattr(self, field)
            twice = next((key for key, count in Counter(keys).items() if count > 1), None)
            if twice is not None:
                raise Invalid("split_keys" if field == "splits" else f"{field}_keys", f"names {twice!r} twice")
        unused = sorted(self.flatten.difference(*self.buckets))
        if unused:
            raise Invalid("flatten_keys", f"{unused[0]!r} is not in input_keys, output_keys or metadata_keys")

    @property
    def named(self) -> frozenset[str]:
        """All keys that are named."""
        single = {key for key in (self.example_id, self.span_id) if key}
        return frozenset(single.union(self.splits, *self.buckets))

    def require(self, missing: Collection[str], present: Iterable[str]) -> None:
        """Requires that the named keys are in the file.

        Arguments:
            missing: those that no record has.
            present: the keys of a record, as they are shown.

        Raises:
            Invalid: naming the field of the header.
        """
        if not missing or self.allow_missing:
            return
        fields = {
            "input_keys": self.input,
            "output_keys": self.output,
            "metadata_keys": self.metadata,
            "split_keys": self.splits,
            "example_id_key": (self.example_id,),
            "span_id_key": (self.span_id,),
        }
        field, key = next((field, key) for field, keys in fields.items() for key in keys if key in missing)
        shown = ", ".join(name[:50] for name in present) or "none"
        raise Invalid(field, f"no record has the key {key[:_MAX_KEY_SHOWN]!r}; the keys of the first one are: {shown}")

    def with_defaults(self) -> "Keys":
        """The same, with the default keys of id, splits and span id where none is named."""
        return replace(
            self,
            splits=self.splits or ("splits",),
            example_id=self.example_id or "id",
            span_id=self.span_id or "span_id",
        )


class IgnoredKeys:
    """Collects the names of keys that were not used, up to 100 of them."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def add(self, names: Iterable[str]) -> None:
        """Adds names."""
        for name in names:
            if len(self._names) >= _MAX_IGNORED_KEYS:
                return
            if name != "node_id":
                self._names[name[:_MAX_KEY_SHOWN]] = None

    def names(self) -> list[str]:
        """The ignored names, in the order of their first occurrence."""
        return list(self._names)


def hashed_record(line: int, buckets: Sequence[str], example_id: Any, splits: Any, span_id: Any) -> Record:
    """A record of JSON texts that are valid one by one.

    Raises:
        InvalidRecord: naming `line`.
    """
    text = "".join(buckets).encode()
    if canonical.has_too_many_values(text):
        return heavy_record(line, buckets, example_id, splits, span_id)
    input, output, metadata = buckets
    try:
        encoded = canonical.encode_texts(input, output, metadata)
    except canonical.NotJson as error:
        raise InvalidRecord(line, error.description) from None
    flaw = None if all_kept(text, encoded) else repeated_key(line, buckets)
    return record(line, buckets, canonical.digest(encoded), flaw, example_id, splits, span_id)


def heavy_record(line: int, buckets: Sequence[str], example_id: Any, splits: Any, span_id: Any) -> Record:
    """A record with too many values to decode it: the dataset has it, byte for byte, or it is refused.

    Raises:
        InvalidRecord: naming `line`.
    """
    flaw = msgspec.json.encode(Flaw(line, _TOO_MANY, "")).decode()
    return record(line, buckets, bytes(canonical.HASH_BYTES), flaw, example_id, splits, span_id)


def too_many_values(line: int) -> InvalidRecord:
    """The record has more values than are decoded at once."""
    return InvalidRecord(line, _TOO_MANY)


def repeated_key(line: int, buckets: Sequence[str]) -> str | None:
    """The flaw of a key that occurs twice in one of the objects, for Record; None if there is none."""
    for part, text in zip(BUCKETS, buckets, strict=True):
        found = find_repeated(text)
        key = found.inner if found.outer is None else found.outer
        if key is not None:
            flaw = Flaw(line, f"{part}: the key {key[:_MAX_KEY_SHOWN]!r} comes twice in one object", part)
            return msgspec.json.encode(flaw).decode()
    return None


def unique_members(line: int, name: str, data: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """The members of a JSON object that is valid.

    Arguments:
        name: what the object is, for errors; empty for the record itself.

    Raises:
        InvalidRecord: when a key comes twice.
        msgspec.ValidationError: when it is no object.
    """
    found = _members_of(data)
    if not all_kept(bytes(data), _encode(found)) and (key := find_repeated(bytes(data)).outer) is not None:
        raise InvalidRecord(line, f"{name and f'{name}: '}the key {key[:_MAX_KEY_SHOWN]!r} comes twice")
    return found


def record(
    line: int,
    buckets: Sequence[str],
    digest: bytes,
    flaw: str | None,
    example_id: Any,
    splits: Any,
    span_id: Any,
) -> Record:
    """A record of checked contents.

    Arguments:
        buckets: the JSON objects input, output and metadata.
        digest: their content hash.
        flaw: see Record.
        example_id: an external id, the id of an example, or None.
        splits: a name, a list of names, or None if the record does not set splits.
        span_id: a text or None.

    Raises:
        InvalidRecord: naming `line`.
    """
    if span_id is not None and not isinstance(span_id, str):
        raise InvalidRecord(line, "the span id must be a string or null")
    if span_id is not None and "\0" in span_id:
        raise InvalidRecord(line, "the span id must not have NUL characters")
    names = None if splits is None else _split_names(line, splits)
    external, number = (None, None) if example_id is None else _identity(line, example_id)
    input, output, metadata = buckets
    return Record(external, number, digest, input, output, metadata, names, span_id, flaw)


def require_nesting(line: int, buckets: Sequence[str]) -> None:
    """Requires that each of the JSON objects has at most the allowed nesting.

    Raises:
        InvalidRecord: naming `line`.
    """
    try:
        for text in buckets:
            canonical.require_depth(text)
    except canonical.NotJson as error:
        raise InvalidRecord(line, error.description) from None


def nonblank_id(text: str) -> str | None:
    """An id from a column that not every row fills: pandas writes "nan" for missing values."""
    return text if text.strip() not in ("", "nan") else None


def key_clash(line: int, name: str) -> InvalidRecord:
    """Two keys of one record put a value under the same name."""
    return InvalidRecord(line, f"two of its keys have a value for {name!r}")


def _identity(line: int, example_id: Any) -> tuple[str | None, int | None]:
    """The external id, or the number of the example that it addresses."""
    if not isinstance(example_id, str):
        raise InvalidRecord(line, "the id must be a string or null")
    if "\0" in example_id:
        raise InvalidRecord(line, "the id must not have NUL characters")
    parsed = parse_id(example_id) if example_id.startswith(EXAMPLE_ID_PREFIX) else None
    return (None, parsed[1]) if parsed and parsed[0] == "DatasetExample" else (example_id, None)


def _is_control(char: str) -> bool:
    return unicodedata.category(char) == "Cc"


def _split_names(line: int, splits: Any) -> str:
    """A JSON list of the names, trimmed, sorted and without duplicates; blank ones are ignored."""
    values = [splits] if isinstance(splits, str) else splits
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidRecord(line, "splits must be a name, a list of names, or null")
    if not values:
        return "[]"
    names = sorted({name for value in values if (name := value.strip())})
    if len(names) > MAX_SPLITS:
        raise InvalidRecord(line, f"an example is in {MAX_SPLITS:,} splits at most")
    for name in names:
        if len(name) > MAX_SPLIT_NAME or any(map(_is_control, "" if name.isprintable() else name)):
            raise InvalidRecord(
                line, f"the name of a split has {MAX_SPLIT_NAME:,} characters at most and no control characters"
            )
    return msgspec.json.encode(names).decode()
