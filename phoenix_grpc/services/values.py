"""Values of messages: checked on the way in, converted on the way out."""

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from phoenix_grpc.errors import FailedPrecondition, Invalid
from phoenix_grpc.ids import decode_id

MAX_NAME = 1000
MAX_TEXT = 10_000
MAX_METADATA_VALUES = 5000
MAX_STRUCT_DEPTH = 32
_MAX_EXACT = 2**53


def checked_name(text: str, field: str, longest: int = MAX_NAME) -> str:
    """A name, trimmed: 1 to `longest` characters, none of them a control character.

    Raises:
        Invalid: naming `field`.
    """
    name = text.strip()
    if not name:
        raise Invalid(field, "must not be empty")
    if len(name) > longest:
        raise Invalid(field, f"must have {longest:,} characters at most, has {len(name):,}")
    if any(unicodedata.category(char) == "Cc" for char in name):
        raise Invalid(field, "must not have control characters")
    return name


def optional_text(message: Any, field: str) -> str | None:
    """The text of an optional field, or None when it is unset.

    Raises:
        Invalid: when it is too long or has a NUL.
    """
    if not message.HasField(field):
        return None
    text: str = getattr(message, field)
    if len(text) > MAX_TEXT:
        raise Invalid(field, f"must have {MAX_TEXT:,} characters at most, has {len(text):,}")
    if "\0" in text:
        raise Invalid(field, "must not have NUL characters")
    return text


def checked_color(text: str, field: str) -> str:
    """A colour, "#rrggbb", in lower case.

    Raises:
        Invalid: naming `field`.
    """
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise Invalid(field, 'must be a colour like "#33c5e8"')
    return text.lower()


def known_enum(message: Message, field: str) -> int:
    """The number of an enum field; proto3 lets unknown numbers through, this does not.

    Raises:
        Invalid: naming the field and the values it takes.
    """
    number: int = getattr(message, field)
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert enum is not None  # noqa: S101 - the field is an enum
    if number not in enum.values_by_number:
        names = ", ".join(value.name for value in enum.values if value.number)
        raise Invalid(field, f"unknown value {number}; known are {names}")
    return number


def masked_fields(message: Any, mask_field: str, part: str, allowed: Sequence[str]) -> set[str]:
    """Which fields of `message.part` to change (AIP-134): those of the mask, all for "*", those set when there is none.

    Raises:
        Invalid: when the mask names a field that cannot be changed.
    """
    paths = set(getattr(message, mask_field).paths)
    if not paths:
        return {field.name for field, _ in getattr(message, part).ListFields()} & set(allowed)
    if paths == {"*"}:
        return set(allowed)
    if not paths <= set(allowed):
        raise Invalid(mask_field, f"cannot change {sorted(paths - set(allowed))[0]!r}; known are {', '.join(allowed)}")
    return paths


def optional_id(kind: str, text: str, field: str) -> int | None:
    """The number in a public id, or None when the field is empty.

    Raises:
        Invalid: naming `field`, when it is malformed or of another type.
    """
    return decode_id(kind, text, field) if text else None


def set_time(timestamp: Timestamp, micros: int | None) -> None:
    """Sets a timestamp field from microseconds since the epoch; leaves it unset for None."""
    if micros is not None:
        timestamp.seconds, rest = divmod(micros, 1_000_000)
        timestamp.nanos = rest * 1000


def read_time(timestamp: Timestamp, field: str) -> int:
    """Microseconds since the epoch.

    Raises:
        Invalid: naming `field`, when it is out of the range of a Timestamp.
    """
    if not (-62135596800 <= timestamp.seconds <= 253402300799 and 0 <= timestamp.nanos <= 999_999_999):
        raise Invalid(field, "must be between 0001-01-01 and 9999-12-31, with nanos from 0 to 999999999")
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000


def metadata_json(struct: Struct, field: str) -> str:
    """The metadata of a dataset or a split, as struct_to_json.

    Raises:
        Invalid: naming `field`, when it has more than 5,000 values: what is big belongs into examples.
    """
    waiting: list[Any] = [struct]
    count = 0
    while waiting:
        value = waiting.pop()
        inner = value.fields.values() if isinstance(value, Struct) else value.list_value.values
        count += len(inner)
        if count > MAX_METADATA_VALUES:
            raise Invalid(field, f"must have {MAX_METADATA_VALUES:,} values at most")
        waiting += [item.struct_value if item.HasField("struct_value") else item for item in inner if _nests(item)]
    return struct_to_json(struct, field)


def _nests(value: Any) -> bool:
    return value.WhichOneof("kind") in ("struct_value", "list_value")


def struct_to_json(struct: Struct, field: str) -> str:
    """A Struct as JSON text; whole numbers within 2^53 become integers.

    Raises:
        Invalid: naming `field`, for NaN, Infinity, or a value without a kind.
    """
    return msgspec.json.encode(_plain(struct, field)).decode()


def _plain(value: Any, field: str) -> Any:
    if isinstance(value, Struct):
        return {key: _plain(item, f"{field}.{key}"[:200]) for key, item in value.fields.items()}
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _plain(value.struct_value, field)
    if kind == "list_value":
        return [_plain(item, field) for item in value.list_value.values]
    if kind == "null_value":
        return None
    if kind == "number_value":
        return _plain_number(value.number_value, field)
    if kind is None:
        raise Invalid(field, "a value without a kind; send null_value for null")
    return getattr(value, kind)


def _plain_number(number: float, field: str) -> int | float:
    if number != number or number in (float("inf"), float("-inf")):
        raise Invalid(field, "NaN and Infinity are no JSON numbers")
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number


def json_to_struct(text: str, struct: Struct, field: str) -> None:
    """Fills a Struct with a JSON object.

    Raises:
        FailedPrecondition: VALUE_NOT_REPRESENTABLE, for a number that no double holds and nesting beyond 32.
    """
    if text == "{}":
        return
    try:
        value = _decoder.decode(text)
    except msgspec.ValidationError:  # the only one that decoding without a type raises is about a long integer
        raise _not_representable(field, "an integer of so many digits") from None
    struct.update(_carried(value, field))


def _double(text: str) -> float:
    number = float(text)
    if repr(number) != text and Decimal(repr(number)) != Decimal(text):
        raise _not_representable("", f"the number {text[:50]}")
    return number


_decoder = msgspec.json.Decoder(float_hook=_double)


def _carried(value: Any, field: str, depth: int = 0) -> Any:
    if depth > MAX_STRUCT_DEPTH:
        raise _not_representable(field, f"nesting beyond {MAX_STRUCT_DEPTH}")
    if isinstance(value, dict):
        return {key: _carried(item, f"{field}.{key}"[:200], depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_carried(item, field, depth + 1) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not _is_double(value):
        raise _not_representable(field, f"the number {str(value)[:50]}")
    return value


def _is_double(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _not_representable(field: str, what: str) -> FailedPrecondition:
    place = f"{field}: " if field else ""
    return FailedPrecondition(
        f"{place}a Struct cannot carry {what}; DownloadDataset carries every value", "VALUE_NOT_REPRESENTABLE"
    )
