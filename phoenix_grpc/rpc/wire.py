"""Estimates the memory of a parsed message by its bytes: tiny values take fifty times their size."""

from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from phoenix_grpc.errors import Invalid, Reason

MAX_FIELDS = 5000
"""Fields that a message may have, those within its parts not counted; a repeated field takes 1,000 items at most."""

MALFORMED = "the request is not a message of this method's type"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_PART = 64
"""Bytes that each part within a message takes: an object, and its place in a list or a map. Measured with upb."""
# A part begins with a tag of the wire type 2. Counting all bytes that could be one finds every part, and a few more.
_TAGS = bytes(byte for byte in range(256) if byte & 7 == _BYTES)


def weigh(raw: bytes, kind: type[Message]) -> int:
    """The approximate bytes of memory of `raw` and its parsed message; an overestimate, if anything.

    Raises:
        Invalid: for more than MAX_FIELDS fields, and for what is no message.
    """
    known = kind.DESCRIPTOR.fields_by_number
    weight = len(raw)
    for count, (number, start, end) in enumerate(_fields(raw)):
        if count >= MAX_FIELDS:
            raise Invalid("", f"a request has {MAX_FIELDS:,} fields at most; a repeated field takes 1,000 items")
        field = known.get(number)
        weight += _PART + end - start
        if field is not None and field.type == FieldDescriptor.TYPE_MESSAGE:
            weight += _PART * (end - start - len(raw[start:end].translate(None, _TAGS)))
    return weight


def _fields(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """The number of each field, and where its value begins and ends."""
    position, end = 0, len(raw)
    while position < end:
        tag, position = _varint(raw, position)
        kind = tag & 7
        start, length = position, _FIXED.get(kind, 0)
        if kind == _VARINT:
            _, position = _varint(raw, position)
        elif kind == _BYTES:
            length, start = _varint(raw, position)
        elif not length:
            raise Invalid("", MALFORMED, Reason.INVALID_MESSAGE)
        position = max(position, start + length)
        if position > end:
            raise Invalid("", MALFORMED, Reason.INVALID_MESSAGE)
        yield tag >> 3, start, position


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    """A number, seven bits a byte, and where it ends."""
    number = 0
    for index, byte in enumerate(raw[position : position + 10]):
        number |= (byte & 127) << 7 * index
        if byte < 128:
            return number, position + index + 1
    raise Invalid("", MALFORMED, Reason.INVALID_MESSAGE)
