"""Struct and JSON, without loss: whole numbers are integers in JSON, and doubles in a Struct."""

from decimal import Decimal
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value

from phoenix_grpc.errors import FailedPrecondition, Invalid, Reason

MAX_DEPTH = 32
"""Levels of nesting that a Struct is given: protobuf's own parsers end at 100 messages, three to a level."""
MAX_EXACT = 2**53
"""The largest whole number up to which doubles tell each from the next."""

_Path = tuple[str | int, ...]


def struct_to_object(struct: Struct, field: str = "") -> dict[str, Any]:
    """A Struct as a JSON object; whole numbers within 2^53 become integers.

    Raises:
        Invalid: naming `field`, for NaN, Infinity, or a value without a kind.
    """
    return {key: _plain(item, f"{field}.{key}"[:200]) for key, item in struct.fields.items()}


def object_to_struct(value: dict[str, Any]) -> Struct:
    """A JSON object as a Struct; its numbers become doubles."""
    struct = Struct()
    struct.update(value)
    return struct


def struct_to_json(struct: Struct, field: str) -> str:
    """As `struct_to_object`, as JSON text."""
    return msgspec.json.encode(struct_to_object(struct, field)).decode()


def _plain(value: Any, field: str) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_to_object(value.struct_value, field)
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
        raise Invalid(field, "NaN and Infinity are not JSON numbers")
    return int(number) if number.is_integer() and abs(number) <= MAX_EXACT else number


def json_to_struct(text: str, struct: Struct, field: str) -> None:
    """Fills a Struct with a JSON object.

    Raises:
        FailedPrecondition: VALUE_NOT_REPRESENTABLE, for a number that no double holds and nesting beyond 32.
    """
    if text == "{}":
        return
    try:
        value = _decoder.decode(text)
    except msgspec.ValidationError:  # without a type, decoding raises this only for a long integer
        raise _not_representable(field, "an integer of so many digits") from None
    _fill(struct, value, (field,))


def _double(text: str) -> float:
    number = float(text)
    if repr(number) != text and Decimal(repr(number)) != Decimal(text):
        raise _not_representable("", f"the number {text[:50]}")
    return number


_decoder = msgspec.json.Decoder(float_hook=_double)


def _fill(struct: Struct, value: dict[str, Any], path: _Path) -> None:
    """As Struct.update, which takes twice as long."""
    fields = struct.fields
    for key, item in value.items():
        _put(fields[key], item, (*path, key))


def _put(message: Value, item: Any, path: _Path) -> None:
    kind = type(item)
    if kind is str:
        message.string_value = item
    elif kind is float or (kind is int and _is_double(item)):
        message.number_value = item
    elif kind is int:
        raise _not_representable(_shown(path), f"the number {str(item)[:50]}")
    elif kind is bool:
        message.bool_value = item
    elif item is None:
        message.null_value = NULL_VALUE
    else:
        _put_several(message, item, path)


def _put_several(message: Value, item: Any, path: _Path) -> None:
    if item and len(path) > MAX_DEPTH:
        raise _not_representable(_shown(path), f"nesting beyond {MAX_DEPTH}")
    if isinstance(item, dict):
        message.struct_value.SetInParent()
        _fill(message.struct_value, item, path)
    else:
        message.list_value.SetInParent()
        add = message.list_value.values.add
        for index, element in enumerate(item):
            _put(add(), element, (*path, index))


def _shown(path: _Path) -> str:
    return ".".join(map(str, path))[:200]


def _is_double(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _not_representable(field: str, what: str) -> FailedPrecondition:
    place = f"{field}: " if field else ""
    return FailedPrecondition(
        f"{place}a Struct cannot carry {what}; DownloadDataset carries every value", Reason.VALUE_NOT_REPRESENTABLE
    )
