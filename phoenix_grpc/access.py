"""Who may call what: the rules that the protos declare, and the one decision about them."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.message import Message

from phoenix_grpc.errors import ConfigurationError, Error, FailedPrecondition, PermissionDenied
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.v1 import access_pb2, auth_pb2, datasets_pb2

FILES = (datasets_pb2.DESCRIPTOR, auth_pb2.DESCRIPTOR)

_READERS = frozenset(Role)
_WRITERS = frozenset({Role.ADMIN, Role.MEMBER, Role.SYSTEM})
_ADMINS = frozenset({Role.ADMIN})
_ROLES = {
    access_pb2.ACCESS_SELF: _READERS,
    access_pb2.ACCESS_READ: _READERS,
    access_pb2.ACCESS_WRITE: _WRITERS,
    access_pb2.ACCESS_ADMIN: _ADMINS,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method declares of itself (access.proto)."""

    access: "access_pb2.Access"
    interactive: bool = False
    unlimited: bool = False
    identity: bool = False

    @property
    def public(self) -> bool:
        """Whether anyone may call, so that credentials are not even read."""
        return self.access == access_pb2.ACCESS_PUBLIC


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, Role.MEMBER)
"""Everybody, while authentication is off, and the caller of a public method: reads and writes data."""


@dataclass(slots=True)
class Caller:
    """The call that is being served: which method, who calls, from where, under which request id.

    Arguments:
        started: when, on the clock of time.perf_counter.
        revision: the auth revision that `principal` was identified at.
    """

    method: str
    request_id: str
    user_agent: str = ""
    started: float = 0.0
    principal: Principal = ANONYMOUS
    address: str = ""
    revision: int = 0


caller: ContextVar[Caller] = ContextVar("caller")
"""Set by the guard for the task of each call."""


def declared_rules(files: Iterable[FileDescriptor] = FILES) -> dict[str, Rule]:
    """The rules of all methods in `files`, by path ("/package.Service/Method").

    Raises:
        ConfigurationError: naming the methods that declare no access.
    """
    methods = [method for file in files for service in file.services_by_name.values() for method in service.methods]
    rules = {_path(method): _rule(method) for method in methods}
    missing = sorted(path for path, rule in rules.items() if rule.access == access_pb2.ACCESS_UNSPECIFIED)
    if missing:
        raise ConfigurationError(f"methods without option (phoenix_grpc.v1.access): {', '.join(missing)}")
    return rules


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _rule(method: MethodDescriptor) -> Rule:
    option: access_pb2.AccessRule = method.GetOptions().Extensions[access_pb2.access]  # type: ignore[index]
    return Rule(option.access, option.interactive, option.unlimited, option.identity)


def refusal(rule: Rule, principal: Principal) -> Error | None:
    """Why `principal` may not call a method with this rule, before its request is read; None when it may."""
    if rule.public:
        return None
    if principal.kind is PrincipalKind.ANONYMOUS:
        data = rule.access in (access_pb2.ACCESS_READ, access_pb2.ACCESS_WRITE)
        return None if data or rule.identity else auth_disabled()
    if principal.role not in _ROLES.get(rule.access, frozenset()):
        return PermissionDenied(f"the role {principal.role.value} may not call this method")
    if rule.interactive and not principal.interactive:
        return PermissionDenied(
            "API keys may not call this method; log in and send an access token", "CREDENTIAL_NOT_INTERACTIVE"
        )
    return _key_refusal(rule, principal)


def _key_refusal(rule: Rule, principal: Principal) -> Error | None:
    """Why a read-only or limited key may not: such a key gets data, and of itself only who it is."""
    beyond_data = not rule.identity and rule.access not in (access_pb2.ACCESS_READ, access_pb2.ACCESS_WRITE)
    if principal.read_only and (beyond_data or rule.access == access_pb2.ACCESS_WRITE):
        return PermissionDenied("this API key is read-only", "KEY_READ_ONLY")
    if principal.dataset_ids is not None and (beyond_data or rule.unlimited):
        return PermissionDenied(
            "this API key is limited to datasets, and this method reaches further", "KEY_NOT_FOR_DATASET"
        )
    return None


def auth_disabled() -> FailedPrecondition:
    """There are no users and keys to manage: nobody may plant an admin for later."""
    return FailedPrecondition("authentication is switched off on this server (PHOENIX_ENABLE_AUTH)", "AUTH_DISABLED")


def allowed_methods(rules: Mapping[str, Rule], principal: Principal) -> list[str]:
    """The paths that `principal` may call, sorted."""
    return sorted(path for path, rule in rules.items() if refusal(rule, principal) is None)


def named_dataset(request: Message) -> Message | None:
    """The part of a request that names a dataset (the request, or the header of an upload), or None.

    Such a message has a oneof `dataset` of `dataset_id` and `name`.
    """
    if "dataset" in request.DESCRIPTOR.oneofs_by_name:
        return request
    header = request.DESCRIPTOR.fields_by_name.get("header")
    if header is not None and request.HasField("header"):
        return named_dataset(request.header)  # type: ignore[attr-defined]
    return None
