"""JSON bodies, decoded strictly: no NaN, no lone surrogates, no nesting without end."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from phoenix_grpc.config import Settings
from phoenix_grpc.http.backend import Door
from phoenix_grpc.http.bodies import BoundedBody
from phoenix_grpc.http.errors import Invalid
from phoenix_grpc.http.methods import method_of
from phoenix_grpc.json_keys import all_kept, find_repeated

_UNCHECKED = 64 << 10
"""Bytes of a body that are read, and decoded, before the guard has been asked about the caller."""


def decode(body: bytes) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: saying what is wrong.
    """
    try:
        value = msgspec.json.decode(body)
        kept = all_kept(body, msgspec.json.encode(value))
        repeated = None if kept else find_repeated(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
    if repeated and any(key is not None for key in repeated):
        key = repeated.inner if repeated.outer is None else repeated.outer
        raise ValueError(f"the key {key!r:.200} comes twice in one object")
    return value


def decode_object(body: bytes) -> dict[str, Any]:
    """The object of a JSON document.

    Raises:
        Invalid: when it is something else.
    """
    try:
        found = decode(body)
    except ValueError as error:
        raise Invalid(f"The body is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise Invalid("The body must be a JSON object.")
    return found


class StrictRequest(Door):
    """A request whose JSON is decoded strictly; FastAPI returns 422 if it is not valid."""

    async def read_body(self) -> None:
        """Reads the body; of a caller who may not call the route's method, only up to a limit.

        Raises:
            Refused: with the guard's response to such a caller.
        """
        body, method = bytearray(), method_of(self.scope["route"])
        async for piece in self.stream():
            if len(body) <= _UNCHECKED < len(body) + len(piece) and method:
                await self.check_access(method)
            body += piece
        self._body = bytes(body)

    async def json(self) -> Any:
        """The body's value."""
        try:
            body = await self.body()
            return decode(body) if len(body) <= _UNCHECKED else await asyncio.to_thread(decode, body)
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


BodyLimit = Callable[[Settings], int]
"""Bytes that the body of a route may have, decompressed."""


def json_body(_: Settings) -> int:
    """The limit of a body that is decoded as a whole."""
    return 1 << 20


class StrictRoute(APIRoute):
    """A route that reads its body within the limit that it declares, as a StrictRequest."""

    body_limit: BodyLimit = staticmethod(json_body)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        settings: Settings = scope["app"].state.backend.settings
        body = BoundedBody(scope, receive, self.body_limit(settings), settings.http_idle_seconds)
        await super().handle(scope, body, send)

    def get_route_handler(self) -> Any:
        """The route's handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if self.body_field:
                # Before FastAPI does, which would return 400 for the guard's refusal.
                await strict.read_body()
            return await handle(strict)

        return handle_strictly
