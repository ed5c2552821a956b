"""JSON bodies, decoded strictly: no NaN, no lone surrogates, no nesting without end."""

import json
from typing import Any

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute

from phoenix_grpc.http.errors import Invalid


def decode(body: bytes) -> Any:
    """The value of a JSON document.

    Raises:
        ValueError: saying what is wrong.
    """
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


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


class StrictRequest(Request):
    """A request whose JSON is decoded strictly; FastAPI answers 422 for what is not valid."""

    async def json(self) -> Any:
        """The body's value."""
        try:
            return decode(await self.body())
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


class StrictRoute(APIRoute):
    """A route that reads its body as a StrictRequest."""

    def get_route_handler(self) -> Any:
        """The route's handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly
