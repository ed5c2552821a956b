"""Values of messages: checked on the way in, converted on the way out."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from phoenix_grpc.errors import Invalid
from phoenix_grpc.ids import decode_id
from phoenix_grpc.structs import struct_to_json

MAX_NAME = 1000
MAX_TEXT = 10_000
MAX_METADATA_VALUES = 5000


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
