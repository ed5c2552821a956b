"""The gRPC methods behind the routes, by name: no two of ours share one."""

from collections.abc import Mapping
from typing import Any

from phoenix_grpc.v1 import access_pb2, auth_pb2, datasets_pb2

_METHODS = {
    method.name: method
    for file in (datasets_pb2.DESCRIPTOR, auth_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
}
_KEY = "x-grpc-method"


def rpc(method: str) -> dict[str, Any]:
    """What a route declares in its OpenAPI: the gRPC method behind it, whose access rule is the route's."""
    return {_KEY: path_of(method)}


def method_of(route: Any) -> str | None:
    """The gRPC method a route has declared."""
    return method_in(getattr(route, "openapi_extra", None) or {})


def method_in(operation: Mapping[str, Any]) -> str | None:
    """The gRPC method that an operation of OpenAPI names."""
    path: str | None = operation.get(_KEY)
    return path and path.rpartition("/")[2]


def path_of(method: str) -> str:
    """The method as "/package.Service/Method"."""
    return f"/{_METHODS[method].containing_service.full_name}/{method}"


def is_public(method: str) -> bool:
    """Whether anyone may call it."""
    return _access(method) == access_pb2.ACCESS_PUBLIC


def is_write(method: str) -> bool:
    """Whether it changes data, which a VIEWER may not."""
    return _access(method) == access_pb2.ACCESS_WRITE


def _access(method: str) -> int:
    rule: access_pb2.AccessRule = _METHODS[method].GetOptions().Extensions[access_pb2.access]  # type: ignore[index]
    return rule.access
