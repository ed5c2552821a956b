"""Responses: JSON as Phoenix writes it, and the OpenAPI description of unsuccessful ones."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response

from phoenix_grpc.http.schemas import InvalidRequest

_TEXT = {"text/plain": {"schema": {"type": "string"}}}
_DESCRIPTIONS = {
    400: "The body is no form.",
    401: "The caller is not identified.",
    403: "The caller may not do this.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "Another one has this name.",
    413: "The body is too large; the text names the limit.",
    415: "The body's Content-Encoding is none of gzip and zstd.",
    422: "The request is not valid.",
    429: "Too many calls; Retry-After says when to try again.",
    503: "The store is away or the server stops; Retry-After says when to try again.",
    507: "The store is full.",
}
_EVERYWHERE = (401, 403, 404, 422, 429, 503)
_WITH_BODY = (400, 408, 409, 413, 415, 507)


def json_answer(data: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(msgspec.json.encode(data), status, media_type="application/json")


def refusals(*, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of unsuccessful responses; `body` for routes with a body, or that change data."""
    statuses = (*_EVERYWHERE, *(_WITH_BODY if body else ()))
    return {status: _refusal(status) for status in sorted(statuses)}


def _refusal(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _DESCRIPTIONS[status], "content": _TEXT}
    return {**answer, "model": InvalidRequest} if status == 422 else answer


def time_text(time: Timestamp) -> str:
    """ISO 8601 with a numeric offset, as Python 3.10's fromisoformat reads it."""
    return datetime.fromtimestamp(time.seconds, UTC).replace(microsecond=time.nanos // 1000).isoformat()


def optional_time(message: Any, field: str) -> str | None:
    """A time field, or None when it is unset."""
    return time_text(getattr(message, field)) if message.HasField(field) else None


def optional_text(message: Any, field: str) -> str | None:
    """An optional text field, or None when it is unset."""
    return getattr(message, field) if message.HasField(field) else None


def without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    """The object without its null fields."""
    return {key: value for key, value in item.items() if value is not None}
