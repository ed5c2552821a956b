"""The gRPC method behind a route, as the route declares it in its OpenAPI."""

from collections.abc import Mapping
from typing import Any

from phoenix_grpc.contract import BY_NAME

_KEY = "x-grpc-method"


def rpc(method: str) -> dict[str, Any]:
    """What a route declares in its OpenAPI: the gRPC method behind it, whose access rule is the route's."""
    return {_KEY: BY_NAME[method].path}


def method_of(route: Any) -> str | None:
    """The gRPC method a route has declared."""
    return method_in(getattr(route, "openapi_extra", None) or {})


def method_in(operation: Mapping[str, Any]) -> str | None:
    """The gRPC method that an operation of OpenAPI names."""
    path: str | None = operation.get(_KEY)
    return path and path.rpartition("/")[2]
