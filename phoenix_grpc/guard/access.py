"""Who may call what: the one decision about the rules that the protos declare."""

from collections.abc import Mapping

from phoenix_grpc.contract import Method, Rule
from phoenix_grpc.errors import Error, FailedPrecondition, PermissionDenied, Reason
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.v1 import access_pb2

_READERS = frozenset(Role)
_WRITERS = frozenset({Role.ADMIN, Role.MEMBER, Role.SYSTEM})
_ADMINS = frozenset({Role.ADMIN})
_ROLES = {
    access_pb2.ACCESS_SELF: _READERS,
    access_pb2.ACCESS_READ: _READERS,
    access_pb2.ACCESS_WRITE: _WRITERS,
    access_pb2.ACCESS_ADMIN: _ADMINS,
}


def refusal(rule: Rule, principal: Principal) -> Error | None:
    """Why `principal` may not call a method with this rule, before its request is read; None if it may."""
    if rule.public:
        return None
    if principal.kind is PrincipalKind.ANONYMOUS:
        return None if rule.about_data or rule.identity else auth_disabled()
    if principal.role not in _ROLES.get(rule.access, frozenset()):
        return PermissionDenied(f"the role {principal.role.value} may not call this method")
    if rule.interactive and not principal.interactive:
        return PermissionDenied(
            f"{_whose(principal)}s may not call this method; log in and send an access token",
            Reason.CREDENTIAL_NOT_INTERACTIVE,
        )
    return _key_refusal(rule, principal)


def _key_refusal(rule: Rule, principal: Principal) -> Error | None:
    """Why a read-only or limited key may not call: such a key reads data, and of itself only its identity."""
    beyond_data = not rule.identity and not rule.about_data
    if principal.read_only and (beyond_data or rule.writes_data):
        return PermissionDenied(f"this {_whose(principal)} is read-only", Reason.KEY_READ_ONLY)
    if principal.dataset_ids is not None and (beyond_data or rule.unlimited):
        return PermissionDenied(
            f"this {_whose(principal)} is limited to datasets, and this method reaches beyond them",
            Reason.KEY_NOT_FOR_DATASET,
        )
    return None


def _whose(principal: Principal) -> str:
    known = {PrincipalKind.WORKLOAD: "workload", PrincipalKind.FOREIGN_TOKEN: "token"}
    return known.get(principal.kind, "API key")


def auth_disabled() -> FailedPrecondition:
    """Without authentication nobody manages users and keys: nobody may create an admin for later."""
    return FailedPrecondition(
        "authentication is switched off on this server (PHOENIX_ENABLE_AUTH)", Reason.AUTH_DISABLED
    )


def allowed_methods(methods: Mapping[str, Method], principal: Principal) -> list[str]:
    """The paths of those methods that `principal` may call, sorted."""
    return sorted(path for path, method in methods.items() if refusal(method.rule, principal) is None)
