"""Every method times every kind of caller. A method that has no row here fails, so a new one needs a decision."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest

from phoenix_grpc.contract import FILES
from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.model import now
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import SECRET, Api, Metadata, api_of, bearer, make_settings, reason_of


class Row(NamedTuple):
    """What is expected of a method: its access, and what it refuses beyond roles."""

    access: str
    interactive: bool = False
    unlimited: bool = False
    identity: bool = False


PUBLIC, SELF, READ, WRITE, ADMIN = Row("PUBLIC"), Row("SELF"), Row("READ"), Row("WRITE"), Row("ADMIN")
WIDE_WRITE = Row("WRITE", unlimited=True)
WIDE_READ = Row("READ", unlimited=True)
IDENTITY = Row("SELF", identity=True)
ISSUES = Row("SELF", interactive=True)
ADMIN_ISSUES = Row("ADMIN", interactive=True)

METHODS = {
    "AuthService": {
        "GetServerConfig": PUBLIC,
        "Login": PUBLIC,
        "RefreshToken": PUBLIC,
        "RevokeToken": PUBLIC,
        "RequestPasswordReset": PUBLIC,
        "ResetPassword": PUBLIC,
        "CheckAccess": IDENTITY,
        "Logout": SELF,
        "WhoAmI": IDENTITY,
        "ChangePassword": ISSUES,
        "ListSessions": SELF,
        "RevokeSession": SELF,
        "CreateApiKey": ISSUES,
        "ListApiKeys": SELF,
        "UpdateApiKey": ISSUES,
        "RotateApiKey": ISSUES,
        "RevokeApiKey": SELF,
        "CreateSystemApiKey": ADMIN_ISSUES,
        "RotateSystemApiKey": ADMIN_ISSUES,
        "ListSystemApiKeys": ADMIN,
        "RevokeSystemApiKey": ADMIN,
        "CreateUser": ADMIN,
        "GetUser": ADMIN,
        "ListUsers": ADMIN,
        "UpdateUser": ADMIN,
        "DeleteUser": ADMIN,
        "ListAuditEvents": ADMIN,
    },
    "DatasetsService": {
        "ListDatasets": READ,
        "GetDataset": READ,
        "CreateDataset": WIDE_WRITE,
        "UpdateDataset": WRITE,
        "DeleteDataset": WRITE,
        "ListVersions": READ,
        "GetVersion": READ,
        "ListExamples": READ,
        "GetExample": READ,
        "AppendExamples": WRITE,
        "UpdateExamples": WRITE,
        "DeleteExamples": WRITE,
        "UploadDataset": WRITE,
        "DownloadDataset": READ,
        "CreateSplit": WRITE,
        "UpdateSplit": WRITE,
        "DeleteSplit": WRITE,
        "GetSplit": READ,
        "ListSplits": READ,
        "CreateLabel": WIDE_WRITE,
        "UpdateLabel": WIDE_WRITE,
        "DeleteLabel": WIDE_WRITE,
        "GetLabel": WIDE_READ,
        "ListLabels": WIDE_READ,
        "ListDatasetLabels": READ,
        "SetDatasetLabels": WIDE_WRITE,
        "AddDatasetLabel": WIDE_WRITE,
        "RemoveDatasetLabel": WIDE_WRITE,
    },
}

DECLARED = [method for file in FILES for service in file.services_by_name.values() for method in service.methods]


class Principal(NamedTuple):
    """A kind of caller: the reason for which it is not identified, or what is known of it."""

    unknown: str = ""
    role: str = ""
    key: bool = False
    read_only: bool = False
    limited: bool = False
    anonymous: bool = False


PRINCIPALS = {
    "none": Principal(unknown="CREDENTIALS_MISSING"),
    "expired key": Principal(unknown="API_KEY_EXPIRED"),
    "revoked key": Principal(unknown="API_KEY_REVOKED"),
    "expired token": Principal(unknown="ACCESS_TOKEN_EXPIRED"),
    "ended session": Principal(unknown="SESSION_REVOKED"),
    "viewer session": Principal(role="VIEWER"),
    "member session": Principal(role="MEMBER"),
    "admin session": Principal(role="ADMIN"),
    "viewer key": Principal(role="VIEWER", key=True),
    "member key": Principal(role="MEMBER", key=True),
    "admin key": Principal(role="ADMIN", key=True),
    "read-only key": Principal(role="MEMBER", key=True, read_only=True),
    "dataset-limited key": Principal(role="MEMBER", key=True, limited=True),
    "system key": Principal(role="SYSTEM", key=True),
    "admin secret": Principal(role="ADMIN"),
    "authentication off": Principal(role="MEMBER", anonymous=True),
}
ROLES = {
    "SELF": {"VIEWER", "MEMBER", "ADMIN", "SYSTEM"},
    "READ": {"VIEWER", "MEMBER", "ADMIN", "SYSTEM"},
    "WRITE": {"MEMBER", "ADMIN", "SYSTEM"},
    "ADMIN": {"ADMIN"},
}


def expected(principal: Principal, row: Row) -> str:
    """The reason for which the guard refuses the call; empty when it does not."""
    if row.access == "PUBLIC":
        return ""
    if principal.unknown:
        return principal.unknown
    data = row.access in ("READ", "WRITE")
    if principal.anonymous:
        return "" if data or row.identity else "AUTH_DISABLED"
    if principal.role not in ROLES[row.access]:
        return "ROLE_INSUFFICIENT"
    if row.interactive and principal.key:
        return "CREDENTIAL_NOT_INTERACTIVE"
    if principal.read_only and (row.access == "WRITE" or not (data or row.identity)):
        return "KEY_READ_ONLY"
    if principal.limited and (row.unlimited or not (data or row.identity)):
        return "KEY_NOT_FOR_DATASET"
    return ""


# Reasons that come from the guard; others (a bad request, an unknown id) mean that the call got through.
GUARDED = {
    "CREDENTIALS_MISSING",
    "API_KEY_EXPIRED",
    "API_KEY_REVOKED",
    "ACCESS_TOKEN_EXPIRED",
    "SESSION_REVOKED",
    "ROLE_INSUFFICIENT",
    "CREDENTIAL_NOT_INTERACTIVE",
    "KEY_READ_ONLY",
    "KEY_NOT_FOR_DATASET",
    "AUTH_DISABLED",
}
STATUSES = {
    **{principal.unknown: "UNAUTHENTICATED" for principal in PRINCIPALS.values()},
    "AUTH_DISABLED": "FAILED_PRECONDITION",
}


async def credentials(api: Api, name: str) -> Metadata:
    """Metadata of a new caller of this kind."""
    match name.split():
        case ["none"] | ["authentication", _]:
            return ()
        case ["expired", "token"]:
            return await _expired_token(api)
        case ["ended", "session"]:
            session = await api.session()
            await api.auth.Logout(auth_pb2.LogoutRequest(), metadata=session)
            return session
        case [role, "session"]:
            return await api.session(role.upper())
        case ["viewer" | "member" | "admin" as role, "key"]:
            return await api.key(role.upper())
        case ["read-only", _]:
            return await api.key("MEMBER", read_only=True)
        case ["dataset-limited", _]:
            made = await api.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="ours"), metadata=api.admin)
            return await api.key("MEMBER", dataset_ids=[made.dataset_id])
        case ["system", _]:
            return await api.system_key()
        case ["admin", "secret"]:
            return api.admin
        case ["expired", _]:
            return await _expired_key(api)
    return await _revoked_key(api)


async def _expired_token(api: Api) -> Metadata:
    """An access token as the server makes them, whose time is over."""
    claims = KeyRing(SECRET).read_access((await api.login()).access_token)
    return bearer(KeyRing(SECRET).issue_access(replace(claims, expires_at=now() - 1_000_000)))


async def _expired_key(api: Api) -> Metadata:
    session = await api.session()
    request = auth_pb2.CreateApiKeyRequest(name="short")
    request.expire_time.FromMilliseconds(int(time.time() * 1000) + 1500)
    made = await api.auth.CreateApiKey(request, metadata=session)
    await asyncio.sleep(1.55)
    return bearer(made.key)


async def _revoked_key(api: Api) -> Metadata:
    session = await api.session()
    made = await api.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="gone"), metadata=session)
    await api.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id), metadata=session)
    return bearer(made.key)


async def call(channel: grpc.aio.Channel, method: Any, metadata: Metadata) -> tuple[str, str]:
    """Calls a method with an empty request (or no message at all); answers status and reason."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    rpc = getattr(channel, kind)(path)(_nothing() if method.client_streaming else b"", metadata=metadata, timeout=10)
    try:
        if method.server_streaming:
            async for _ in rpc:
                pass
        else:
            await rpc
    except grpc.aio.AioRpcError as error:
        return error.code().name, reason_of(error)
    return "OK", ""


async def _nothing() -> AsyncIterator[bytes]:
    for message in ():
        yield message


def test_every_method_has_a_row() -> None:
    declared = {service: set() for service in METHODS}
    for method in DECLARED:
        declared.setdefault(method.containing_service.name, set()).add(method.name)
    assert declared == {service: set(rows) for service, rows in METHODS.items()}


@pytest.mark.parametrize("name", PRINCIPALS)
async def test_each_method_admits_and_refuses(name: str, tmp_path: Path) -> None:
    principal = PRINCIPALS[name]
    wrong = []
    async with api_of(make_settings(tmp_path, enable_auth=not principal.anonymous)) as api:
        metadata = await credentials(api, name)
        for method in sorted(DECLARED, key=lambda method: method.name == "Logout"):  # Logout ends the session: last
            status, reason = await call(api.channel, method, metadata)
            want = expected(principal, METHODS[method.containing_service.name][method.name])
            code = STATUSES.get(want, "PERMISSION_DENIED")
            refused = reason if reason in GUARDED and not _by_the_service(principal, method.name, reason) else ""
            if refused != want or (want and status != code):
                wrong.append(f"{method.name}: {status} {reason}, expected {want or 'to get through'}")
    assert not wrong


def _by_the_service(principal: Principal, method: str, reason: str) -> bool:
    """While authentication is off, the public methods of logins answer for themselves."""
    row = METHODS["AuthService"].get(method)
    return principal.anonymous and row is PUBLIC and reason == "AUTH_DISABLED"
