"""Who calls, what it may do, what the server is; the audit log; and authentication off."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from phoenix_grpc import __version__
from phoenix_grpc.contract import METHODS
from phoenix_grpc.guard.access import allowed_methods
from phoenix_grpc.ids import encode_id
from phoenix_grpc.v1 import auth_pb2
from tests.accounts import SERVICE, Accounts, Clock, accounts_in
from tests.conftest import ADMIN_SECRET

AUTH, DATASETS = "/phoenix_grpc.v1.AuthService/", "/phoenix_grpc.v1.DatasetsService/"


async def test_the_configuration_is_told(accounts: Accounts) -> None:
    config = await accounts.call("GetServerConfig")
    assert config.authentication_enabled
    assert config.version == __version__
    assert list(config.login_methods) == ["password"]
    assert (config.access_token_lifetime.seconds, config.refresh_token_lifetime.seconds) == (600, 604_800)


async def test_the_admin_secret_is_the_system_user_with_an_admins_power(accounts: Accounts) -> None:
    me = await accounts.call("WhoAmI", ADMIN_SECRET)
    assert (me.kind, me.role) == (auth_pb2.PRINCIPAL_KIND_ADMIN_SECRET, auth_pb2.ROLE_ADMIN)
    assert (me.user.email, me.user.role) == ("system@localhost", auth_pb2.ROLE_SYSTEM)
    assert me.credential_id == ""
    assert not me.HasField("expire_time")


@pytest.mark.parametrize("role", ["ADMIN", "MEMBER", "VIEWER"])
async def test_what_one_may_call_is_what_access_allows(accounts: Accounts, role: str) -> None:
    session = await accounts.session(role)
    limited = (await accounts.key(session, read_only=True)).key
    for bearer in (session, limited, ADMIN_SECRET):
        principal = (await accounts.authenticator.identify(bearer)).principal
        me = await accounts.call("WhoAmI", bearer)
        assert list(me.allowed_methods) == allowed_methods(METHODS, principal)
        for path in METHODS:
            fields = {"method": path}
            if path in me.allowed_methods:
                await accounts.call("CheckAccess", bearer, **fields)
            else:
                assert await accounts.reason("CheckAccess", bearer, **fields) in (
                    "ROLE_INSUFFICIENT",
                    "KEY_READ_ONLY",
                    "CREDENTIAL_NOT_INTERACTIVE",
                )


@pytest.mark.parametrize("method", ["", "WhoAmI", AUTH + "whoami", AUTH, "/grpc.health.v1.Health/Nothing", "é"])
async def test_access_to_an_unknown_method_is_not_found(accounts: Accounts, method: str) -> None:
    assert await accounts.reason("CheckAccess", ADMIN_SECRET, method=method) == "METHOD_NOT_FOUND"


async def test_public_methods_are_open_to_all(accounts: Accounts) -> None:
    viewer = await accounts.session("VIEWER")
    await accounts.call("CheckAccess", viewer, method=AUTH + "Login")


async def test_events_are_listed_newest_first_page_by_page(accounts: Accounts, clock: Clock) -> None:
    for _ in range(5):
        clock.advance(1)
        await accounts.user()
    found: list[auth_pb2.AuditEvent] = []
    token = ""
    while True:
        page = await accounts.call("ListAuditEvents", ADMIN_SECRET, page_size=2, page_token=token)
        found += page.events
        if not (token := page.next_page_token):
            break
    ids = [event.event_id for event in found]
    assert len(ids) == 5
    assert ids == sorted(ids, reverse=True)


async def test_events_are_filtered(accounts: Accounts, clock: Clock) -> None:
    start = clock.time
    session = await accounts.session()
    me = (await accounts.call("WhoAmI", session)).user
    clock.advance(10)
    await accounts.key(session)

    def at(seconds: int) -> Timestamp:
        stamp = Timestamp()
        stamp.FromMicroseconds(start + seconds * 1_000_000)
        return stamp

    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({}, ["api_key.create", "login", "user.create"]),
        ({"actor_user_id": me.user_id}, ["api_key.create", "login"]),
        ({"actor_user_id": encode_id("User", 99)}, []),
        ({"action": "login"}, ["login"]),
        ({"start_time": at(10)}, ["api_key.create"]),
        ({"end_time": at(10)}, ["login", "user.create"]),
        ({"actor_email": me.email}, ["api_key.create", "login"]),
        ({"allowed": True}, ["api_key.create", "login", "user.create"]),
        ({"allowed": False}, []),
        ({"dataset_name": "d"}, []),
        ({"start_time": at(0), "end_time": at(11), "action": "api_key.create"}, ["api_key.create"]),
    ]
    for wanted, actions in cases:
        assert [event.action for event in await accounts.events(**wanted)] == actions


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"actor_user_id": "garbage"}, "actor_user_id"),
        ({"dataset_id": encode_id("User", 1)}, "dataset_id"),
        ({"start_time": Timestamp(seconds=-(10**12))}, "start_time"),
        ({"end_time": Timestamp(nanos=-1)}, "end_time"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
    ],
)
async def test_a_bad_filter_is_named(accounts: Accounts, fields: dict[str, Any], field: str) -> None:
    assert await accounts.violation("ListAuditEvents", ADMIN_SECRET, **fields) == field


OPEN = ("GetServerConfig", "CheckAccess", "WhoAmI")


@pytest.mark.parametrize("method", sorted({method.name for method in SERVICE.methods} - set(OPEN)))
async def test_with_authentication_off_nothing_is_managed(tmp_path: Path, method: str) -> None:
    async with accounts_in(tmp_path, enable_auth=False) as accounts:
        assert await accounts.reason(method) == "AUTH_DISABLED"


async def test_with_authentication_off_everybody_is_anonymous(tmp_path: Path) -> None:
    async with accounts_in(tmp_path, enable_auth=False) as accounts:
        me = await accounts.call("WhoAmI")
        assert me.kind == auth_pb2.PRINCIPAL_KIND_ANONYMOUS
        assert not me.HasField("user")
        assert not (await accounts.call("GetServerConfig")).authentication_enabled
        await accounts.call("CheckAccess", method=DATASETS + "UploadDataset")
        assert await accounts.reason("CheckAccess", method=AUTH + "CreateUser") == "AUTH_DISABLED"
        assert await accounts.engine.read(lambda tx: tx.row("SELECT count(*) FROM users")) == (0,)
