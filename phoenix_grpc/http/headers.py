"""What crosses between HTTP and gRPC: by an allow-list, so nothing from outside can pose as the door's own word."""

import re
import secrets
from collections.abc import Iterable, Mapping

from starlette.requests import Request

from phoenix_grpc import __version__
from phoenix_grpc.guard.carriers import MAX_CREDENTIAL, REQUEST_ID
from phoenix_grpc.http import PHOENIX_VERSION

DEFAULT_HEADERS = [
    ("x-phoenix-server-version", PHOENIX_VERSION),
    ("x-phoenix-grpc-version", __version__),
    ("x-colab-notebook-cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
]
"""Sent with every answer, also with those the HTTP parser gives by itself."""

UNREADABLE = "unreadable"
"""Stands for a credential that gRPC metadata cannot carry: the guard refuses it as malformed."""

_CREDENTIAL = re.compile(rf"[ -~]{{0,{MAX_CREDENTIAL}}}")

Metadata = tuple[tuple[str, str], ...]


def request_id(headers: Mapping[str, str]) -> str:
    """The request id that was sent, when it is one that logs can carry, else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def call_metadata(request: Request, credentials: Iterable[str], door_token: str) -> Metadata:
    """The metadata of the calls that serve a request.

    Arguments:
        credentials: values of the authorization entry; more than one is for the guard to refuse.
        door_token: the secret by which the guard knows the door, and believes it where a call came from.
    """
    address = request.client.host if request.client else ""
    return (
        ("x-request-id", request.scope["state"]["request_id"]),
        ("x-phoenix-door", door_token),
        ("x-phoenix-caller-address", _printable(address)),
        ("x-phoenix-caller-user-agent", _printable(request.headers.get("user-agent", ""))),
        *(("authorization", value if _CREDENTIAL.fullmatch(value) else UNREADABLE) for value in credentials),
    )


def _printable(text: str) -> str:
    """The text as metadata can carry it: 500 printable ASCII characters at most."""
    return re.sub(r"[^ -~]", "?", text[:500]).strip()
