"""Envoy's external authorization: whether a call of another service may go on, by these keys, roles and workloads."""

import functools
import math
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
from google.protobuf.struct_pb2 import Struct

from phoenix_grpc import contract
from phoenix_grpc.contract import Rule
from phoenix_grpc.envoy import external_auth_pb2
from phoenix_grpc.errors import Error, LimitExceeded, PermissionDenied, Reason, Unauthenticated, Unavailable
from phoenix_grpc.guard.call import Call, current_call
from phoenix_grpc.identity.peers import Peer, is_spiffe_id, names_of
from phoenix_grpc.identity.routes import Route, host_of, segments_of
from phoenix_grpc.identity.workloads import Workloads
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Principal, PrincipalKind
from phoenix_grpc.v1 import access_pb2

METHODS = contract.declared([external_auth_pb2.DESCRIPTOR], contract.PUBLIC)
"""Open to all: it decides itself who may ask."""

CHECK = "/envoy.service.auth.v3.Authorization/Check"

_CHALLENGE = 'Bearer realm="Phoenix"'
_OVERWRITE = external_auth_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_CREDENTIAL = "authorization"
_RULES = {
    "public": Rule(access_pb2.ACCESS_PUBLIC),
    # Of itself, a key of any kind learns its identity.
    "identified": Rule(access_pb2.ACCESS_SELF, identity=True),
    "read": Rule(access_pb2.ACCESS_READ),
    "write": Rule(access_pb2.ACCESS_WRITE),
    "admin": Rule(access_pb2.ACCESS_ADMIN),
}
_STATUSES = {Unauthenticated: (401, 16), LimitExceeded: (429, 8), Unavailable: (503, 14)}
_DENIED = (403, 7)
HEADERS = (
    "x-phoenix-principal",
    "x-phoenix-role",
    "x-phoenix-credential-id",
    "x-phoenix-user-id",
    "x-phoenix-user-email",
)
"""What a service behind is told of the caller; what the caller itself sends under these names is removed."""

Judge = Callable[[Call, Rule], Awaitable[None]]
"""Identifies the caller of a call, and raises the error that refuses it."""


class ExternalAuthorization:
    """The service that a proxy asks.

    Arguments:
        workloads: has the routes, and who may ask.
        note_refusal: is told of each call that is refused.
    """

    def __init__(self, workloads: Workloads, note_refusal: Callable[[Call, Error | None], None]) -> None:
        self._workloads = workloads
        self._note_refusal = note_refusal

    async def check(self, judge: Judge, request: external_auth_pb2.CheckRequest) -> external_auth_pb2.CheckResponse:
        """Whether a call may go on, with what the service behind is told of its caller.

        Raises:
            PermissionDenied: when whoever asks may not.
        """
        asking = current_call.get()
        table, peer = self._workloads.table, asking.peer
        if peer is None or not table.lets_check(peer.address, peer.names):
            raise PermissionDenied("may_check in the identity file does not name this peer")
        call = _call_of(request, asking.request_id)
        try:
            route = self._route(request.attributes.request.http)
            await judge(call, _RULES[route.access])
            if call.principal.dataset_ids is not None and not route.limited_keys:
                raise PermissionDenied("this credential is limited to datasets", Reason.KEY_NOT_FOR_DATASET)
        except Error as error:
            asking.address = call.address
            self._note_refusal(call, error)
            return _denied(error)
        # The line of the call in the log is about the caller.
        asking.principal, asking.address = call.principal, call.address
        return _allowed(call.principal, route)

    def _route(self, http: Any) -> Route:
        segments = segments_of(http.path)
        if segments is None:
            raise PermissionDenied("the path could mean two things")
        host = host_of(http.host)
        for route in self._workloads.table.routes:
            if route.matches(host, segments, http.method):
                return route
        raise PermissionDenied("no rule is about this path")


def _call_of(request: external_auth_pb2.CheckRequest, request_id: str) -> Call:
    """The call that is asked about: its credential, its source as the proxy attests it, its certificate."""
    source, http = request.attributes.source, request.attributes.request.http
    value = http.headers.get(_CREDENTIAL)
    address = source.address.socket_address.address
    names = names_of([source.principal], (), "") if is_spiffe_id(source.principal) else ()
    return Call(
        CHECK,
        request_id,
        entries=((_CREDENTIAL, value),) if value is not None else (),
        address=address,
        peer=Peer(address, names),
    )


@functools.lru_cache(maxsize=1000)  # a caller makes many calls; nobody changes the message
def _allowed(principal: Principal, route: Route) -> external_auth_pb2.CheckResponse:
    facts = dict(_facts(principal))
    removed = [name for name in HEADERS if name not in facts]
    if not route.pass_credential:
        removed.append(_CREDENTIAL)
    metadata = Struct()
    metadata.update({name.removeprefix("x-phoenix-").replace("-", "_"): value for name, value in facts.items()})
    response = external_auth_pb2.CheckResponse(dynamic_metadata=metadata)
    response.status.code = 0
    response.ok_response.headers.extend(_option(name, value) for name, value in facts.items())
    response.ok_response.headers_to_remove.extend(removed)
    return response


def _facts(principal: Principal) -> Iterator[tuple[str, str]]:
    if principal.kind is PrincipalKind.ANONYMOUS:
        return
    yield "x-phoenix-principal", principal.kind.value
    yield "x-phoenix-role", principal.role.value
    if principal.credential_id:
        yield "x-phoenix-credential-id", principal.credential_id
    if principal.user_id is not None:
        yield "x-phoenix-user-id", encode_id("User", principal.user_id)
    if principal.email.isascii() and principal.email:
        yield "x-phoenix-user-email", principal.email


def _denied(error: Error) -> external_auth_pb2.CheckResponse:
    status, code = next((found for kind, found in _STATUSES.items() if isinstance(error, kind)), _DENIED)
    response = external_auth_pb2.CheckResponse()
    response.status.code = code
    denied = response.denied_response
    denied.status.code = status
    denied.headers.append(_option("content-type", "application/json"))
    if status == 401:
        denied.headers.append(_option("www-authenticate", _CHALLENGE))
    if isinstance(error, LimitExceeded | Unavailable) and error.retry_after is not None:
        denied.headers.append(_option("retry-after", str(math.ceil(error.retry_after))))
    denied.body = msgspec.json.encode({"detail": error.message, "reason": str(error.reason)}).decode()
    return response


def _option(name: str, value: str) -> external_auth_pb2.HeaderValueOption:
    header = external_auth_pb2.HeaderValue(key=name, value=value)
    return external_auth_pb2.HeaderValueOption(header=header, append_action=_OVERWRITE)
