"""Requests with an id: within a day the same request under the same id gets the first response again (AIP-155)."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from phoenix_grpc.errors import Invalid, Reason
from phoenix_grpc.model import now
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.sweeping import remove_rows

REPLAY_MICROS = 24 * 60 * 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request with an id.

    Arguments:
        principal: who made it (Principal.name); ids of different callers do not meet.
        method: the path of the method.
        request_id: as `checked_request_id` returned it.
        digest: equal for equal requests, and only for them.
    """

    principal: str
    method: str
    request_id: str
    digest: bytes


def checked_request_id(text: str) -> str:
    """A request id in its canonical form; empty when the request has none.

    Raises:
        Invalid: when it is no UUID.
    """
    if not text:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Invalid("request_id", "must be a UUID, like 123e4567-e89b-42d3-a456-426614174000") from None


def once(tx: Transaction, request: Request | None, act: Callable[[Transaction], bytes]) -> bytes:
    """The serialized response: `act(tx)`, or the first response when this request was completed within a day.

    Raises:
        Invalid: REQUEST_ID_REUSED, when another request was made under the id.
    """
    if request is None:
        return act(tx)
    if (first := first_response(tx, request)) is not None:
        return first
    key: dict[str, object] = {"principal": request.principal, "method": request.method, "id": request.request_id}
    moment = now()
    response = act(tx)
    tx.run(
        "INSERT INTO requests (principal, method, request_id, digest, response, created_at)"
        " VALUES (:principal, :method, :id, :digest, :response, :now)"
        " ON CONFLICT (principal, method, request_id)"
        " DO UPDATE SET digest = excluded.digest, response = excluded.response, created_at = excluded.created_at",
        {**key, "digest": request.digest, "response": response, "now": moment},
    )
    return response


def first_response(tx: Transaction, request: Request | None) -> bytes | None:
    """The response of this request when it was completed within a day.

    Raises:
        Invalid: REQUEST_ID_REUSED, when another request was made under the id.
    """
    if request is None:
        return None
    row = tx.row(
        "SELECT digest, response FROM requests WHERE principal = :principal AND method = :method AND request_id = :id"
        " AND created_at > :since",
        {
            "principal": request.principal,
            "method": request.method,
            "id": request.request_id,
            "since": now() - REPLAY_MICROS,
        },
    )
    if row is None:
        return None
    if row[0] != request.digest:
        raise Invalid("request_id", "another request was made under this id; take a new one", Reason.REQUEST_ID_REUSED)
    return bytes(row[1])


def sweep_requests(tx: Transaction, limit: int) -> int:
    """Forgets up to `limit` requests older than a day, fewer of long responses; returns how many."""
    key = ("created_at", "principal", "method", "request_id")
    return remove_rows(
        tx, "requests", "created_at <= :until", {"until": now() - REPLAY_MICROS}, key, limit, ("response",)
    )
