"""Public ids: standard base64 of `Type:<integer>`, as Phoenix writes them (`Dataset:1` is `RGF0YXNldDox`)."""

import base64
import binascii
from typing import Any

from phoenix_grpc.errors import Invalid

MAX_ID = 2**63 - 1


def encode_id(kind: str, number: int) -> str:
    """The public id of row `number` of type `kind`."""
    return base64.b64encode(b"%s:%d" % (kind.encode(), number)).decode()


def parse_id(text: str) -> tuple[str, int] | None:
    """The type and number of a public id, or None if `text` is not one in canonical form."""
    try:
        kind, _, digits = base64.b64decode(text, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    if not digits.isdigit() or len(digits) > 19:
        return None
    number = int(digits)
    return (kind, number) if number <= MAX_ID and encode_id(kind, number) == text else None


def decode_id(kind: str, text: str, field: str) -> int:
    """The number in a public id of type `kind`.

    Raises:
        Invalid: naming `field`, when the id is malformed or of another type.
    """
    parsed = parse_id(text)
    if parsed is None:
        raise Invalid(field, f"not an id: {text[:100]!r}" if text else "an id is required")
    if parsed[0] != kind:
        raise Invalid(field, f"an id of type {kind} is required, this is one of {parsed[0][:50]}")
    return parsed[1]


def id_or_name(kind: str, text: str, id_field: str, name_field: str) -> dict[str, Any]:
    """The field of a request for something that a person named: by a public id of type `kind`, or else by name."""
    parsed = parse_id(text)
    return {id_field if parsed is not None and parsed[0] == kind else name_field: text}
