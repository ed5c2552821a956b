"""Pages of a list (AIP-158): sizes, and opaque tokens bound to the request they came with."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from google.protobuf.message import Message

from phoenix_grpc.errors import Invalid
from phoenix_grpc.ids import MAX_ID

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
MAX_PAGE_BYTES = 3_000_000

M = TypeVar("M", bound=Message)
R = TypeVar("R")


def page_size(request: Any) -> int:
    """How many items to return: 0 means 100, more than 1000 means 1000.

    Raises:
        Invalid: when it is negative.
    """
    if request.page_size < 0:
        raise Invalid("page_size", "must not be negative; 0 means the default")
    return min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def page_token(request: Message, *position: object) -> str:
    """A token for the page after `position` (integers, strings), good only with the same other fields of `request`."""
    return base64.urlsafe_b64encode(msgspec.json.encode([_binding(request), *position])).decode().rstrip("=")


def page_position(request: Any, types: tuple[type, ...]) -> list[Any] | None:
    """The position in the request's page token, of the given types; None for the first page.

    Raises:
        Invalid: when the token is malformed, or from a request with other fields.
    """
    if not request.page_token:
        return None
    try:
        text = request.page_token.encode("ascii")
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        binding, *position = msgspec.json.decode(data, type=tuple[(str, *types)])  # type: ignore[valid-type]
        if not all(-MAX_ID <= part <= MAX_ID for part in position if isinstance(part, int)):
            raise ValueError("beyond the integers of the store")
    except (binascii.Error, ValueError):
        raise Invalid("page_token", "not a token of this method; send next_page_token of the page before") from None
    if binding != _binding(request):
        raise Invalid("page_token", "made for a request with other fields; keep them the same from page to page")
    return position


def _binding(request: Message) -> str:
    """A digest of the request without its page fields."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("page_token")
    rest.ClearField("page_size")
    name = request.DESCRIPTOR.full_name.encode()
    return hashlib.sha256(name + rest.SerializeToString(deterministic=True)).hexdigest()[:16]


class Page(NamedTuple, Generic[M, R]):
    """The messages of a page, and the row that the last one was made of when there are more."""

    messages: list[M]
    last: R | None


def page(rows: Sequence[R], size: int, convert: Callable[[R], M]) -> Page[M, R]:
    """Messages of at most `size` of the rows, within the page's bytes, and the last row when there are more.

    Arguments:
        rows: `size` + 1 of them when there are more.
    """
    messages: list[M] = []
    total = 0
    for row in rows[:size]:
        message = convert(row)
        total += message.ByteSize()
        if messages and total > MAX_PAGE_BYTES:
            break
        messages.append(message)
    return Page(messages, rows[len(messages) - 1] if len(messages) < len(rows) else None)
