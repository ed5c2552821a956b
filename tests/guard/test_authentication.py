"""Who calls: exact reasons, the cache, revocations by others, uses of keys, and the first start."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from phoenix_grpc.credentials.api_keys import new_api_key
from phoenix_grpc.credentials.secrets import digest
from phoenix_grpc.errors import ConfigurationError, Unauthenticated, Unavailable
from phoenix_grpc.guard.authentication import Authenticator
from phoenix_grpc.model import PrincipalKind, Role
from phoenix_grpc.server.first_start import FirstStart
from phoenix_grpc.store.accounts.api_keys import find_owner
from phoenix_grpc.store.accounts.users import list_users
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.opening import open_engine
from tests.accounts import (
    PASSWORD,
    Accounts,
    Clock,
    accounts_in,
    first_days_key,
    use_cheap_passwords,
    use_clock,
)
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET, make_settings


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return use_clock(monkeypatch)


@pytest_asyncio.fixture
async def accounts(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Accounts]:
    use_cheap_passwords(monkeypatch)
    async with accounts_in(tmp_path) as accounts:
        yield accounts


async def reason(accounts: Accounts, bearer: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await accounts.authenticator.identify(bearer)
    assert not bearer or bearer not in caught.value.message
    return caught.value.reason


def count_reads(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the store's functions that are read by from now on."""
    reads: list[str] = []
    read = accounts.engine.read

    async def counted(fn: Any, *args: Any) -> Any:
        reads.append(fn.__name__)
        return await read(fn, *args)

    monkeypatch.setattr(accounts.engine, "read", counted)
    return reads


@pytest.mark.parametrize(
    ("bearer", "expected"),
    [
        ("", "ACCESS_TOKEN_INVALID"),
        ("garbage", "ACCESS_TOKEN_INVALID"),
        ("a.b.c", "ACCESS_TOKEN_INVALID"),
        ("\ud800", "ACCESS_TOKEN_INVALID"),
        ("x" * 100_000, "ACCESS_TOKEN_INVALID"),
        ("phgrpc_", "API_KEY_INVALID"),
        ("phgrpc_" + "0" * 49, "API_KEY_INVALID"),
        pytest.param(new_api_key(), "API_KEY_INVALID", id="a key that was never made"),
        (ADMIN_SECRET[:-1], "ACCESS_TOKEN_INVALID"),
        (ADMIN_SECRET + "1", "ACCESS_TOKEN_INVALID"),
    ],
)
async def test_what_stands_for_nobody_is_refused_with_its_reason(
    accounts: Accounts, bearer: str, expected: str
) -> None:
    assert await reason(accounts, bearer) == expected


async def test_without_an_admin_secret_nothing_equals_it(accounts: Accounts) -> None:
    settings = accounts.settings.model_copy(update={"admin_secret": None})
    accounts.authenticator = Authenticator(accounts.engine, settings, accounts.ring)
    for bearer in ("", "None", ADMIN_SECRET):
        assert await reason(accounts, bearer) == "ACCESS_TOKEN_INVALID"


async def test_the_principal_of_each_kind(accounts: Accounts) -> None:
    user = await accounts.user("VIEWER")
    session = (await accounts.login(user.email, PASSWORD)).access_token
    key = (await accounts.key(session)).key
    system = (await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="s")).key
    bearers = (session, key, system, ADMIN_SECRET)
    found = [(await accounts.authenticator.identify(bearer)).principal for bearer in bearers]
    assert [(principal.kind, principal.role, principal.email) for principal in found] == [
        (PrincipalKind.SESSION, Role.VIEWER, user.email),
        (PrincipalKind.USER_KEY, Role.VIEWER, user.email),
        (PrincipalKind.SYSTEM_KEY, Role.SYSTEM, "system@localhost"),
        (PrincipalKind.ADMIN_SECRET, Role.ADMIN, "system@localhost"),
    ]
    assert [principal.interactive for principal in found] == [True, False, False, True]


async def test_a_key_of_the_first_days_verifies_until_it_is_rotated(accounts: Accounts) -> None:
    session = await accounts.session()
    made, old = await accounts.key(session), first_days_key()
    swap = "UPDATE api_key_secrets SET digest = :old WHERE digest = :new"
    await accounts.engine.write(lambda tx: tx.run(swap, {"old": digest(old), "new": digest(made.key)}))
    assert (await accounts.authenticator.identify(old)).principal.credential_id == made.api_key.api_key_id
    assert await reason(accounts, made.key) == "API_KEY_INVALID"
    assert await reason(accounts, old[:-1]) == "API_KEY_INVALID"
    rotated = await accounts.call("RotateApiKey", session, api_key_id=made.api_key.api_key_id)
    assert rotated.key.startswith("phgrpc_")
    assert await reason(accounts, old) == "API_KEY_REVOKED"
    assert (await accounts.authenticator.identify(rotated.key)).principal.credential_id == made.api_key.api_key_id


async def test_a_fresh_check_of_a_key_is_one_read_and_the_next_none(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await accounts.session()
    key = (await accounts.key(session)).key
    reads = count_reads(accounts, monkeypatch)
    for _ in range(3):
        await accounts.authenticator.identify(key)
    assert reads == ["find_owner"]
    for _ in range(3):
        await accounts.authenticator.identify(session)
    assert reads == ["find_owner"]  # it was identified to make the key, which revoked nothing


@pytest.mark.sqlite
async def test_the_read_of_a_key_uses_an_index_only(accounts: Accounts) -> None:
    sql = (
        "EXPLAIN QUERY PLAN SELECT 1 FROM api_key_secrets s JOIN api_keys k ON k.id = s.api_key_id"
        " JOIN users u ON u.id = k.user_id WHERE s.digest = x'00'"
    )
    plan = [row[-1] for row in await accounts.engine.read(lambda tx: tx.rows(sql))]
    assert len(plan) == 3
    assert all(step.startswith("SEARCH") for step in plan)


async def test_a_login_forgets_nothing_that_was_verified(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await accounts.key(await accounts.session())).key
    await accounts.authenticator.identify(key)
    await accounts.login()
    reads = count_reads(accounts, monkeypatch)
    await accounts.authenticator.identify(key)
    assert reads == []


async def test_changes_to_others_forget_nothing_of_ones_own(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await accounts.session()
    await accounts.authenticator.identify(session)
    pair = await accounts.login()
    await accounts.call("RefreshToken", refresh_token=pair.refresh_token)
    reads = count_reads(accounts, monkeypatch)
    for _ in range(3):
        await accounts.authenticator.identify(session)
    assert reads == ["changes_since"]  # once, and then no more


async def test_a_standing_is_renewed_without_a_read_until_something_changes(
    accounts: Accounts, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await accounts.session()
    key = (await accounts.key(session)).key
    for bearer in (session, key, ADMIN_SECRET):
        standing = await accounts.authenticator.identify(bearer)
        reads = count_reads(accounts, monkeypatch)
        for _ in range(3):
            assert await accounts.authenticator.renew(standing, bearer) is standing
        assert reads == []
    # An access token may end while a stream goes on: the session counts, and is read once.
    standing = await accounts.authenticator.identify(session)
    clock.advance(700)
    reads = count_reads(accounts, monkeypatch)
    for _ in range(3):
        standing = await accounts.authenticator.renew(standing, session)
    assert reads == ["live_session"]
    await accounts.call("Logout", (await accounts.login()).access_token)
    await accounts.authenticator.renew(standing, session)
    assert reads.count("live_session") > 1
    clock.advance(8 * 86_400)
    with pytest.raises(Unauthenticated):
        await accounts.authenticator.renew(standing, session)


REVOCATIONS = {
    "key": "RevokeApiKey",
    "session": "RevokeSession",
    "role": "UpdateUser",
    "user": "DeleteUser",
}


@pytest.mark.parametrize("what", REVOCATIONS)
async def test_a_revocation_holds_for_the_next_call_of_every_process(
    accounts: Accounts, tmp_path: Path, what: str
) -> None:
    user = await accounts.user("MEMBER")
    session = (await accounts.login(user.email, PASSWORD)).access_token
    key = await accounts.key(session)
    async with accounts_in(tmp_path) as other:
        for process in (accounts, other):
            for bearer in (session, key.key):
                await process.authenticator.identify(bearer)
        fields = {
            "key": {"api_key_id": key.api_key.api_key_id},
            "session": {"session_id": (await accounts.authenticator.identify(session)).principal.credential_id},
            "role": {"user_id": user.user_id, "role": "ROLE_VIEWER"},
            "user": {"user_id": user.user_id},
        }[what]
        await accounts.call(REVOCATIONS[what], ADMIN_SECRET, **fields)
        for process in (accounts, other):
            if what == "key":
                assert await reason(process, key.key) == "API_KEY_REVOKED"
                await process.authenticator.identify(session)
                continue
            assert await reason(process, session) == "SESSION_REVOKED"
            if what == "user":
                assert await reason(process, key.key) == "API_KEY_INVALID"
            elif what == "role":
                assert (await process.authenticator.identify(key.key)).principal.role is Role.VIEWER


async def test_a_revocation_during_the_check_is_not_forgotten(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await accounts.session()
    made = await accounts.key(session)
    read = accounts.engine.read

    async def revoked_meanwhile(fn: Any, *args: Any) -> Any:
        found = await read(fn, *args)
        if fn is not find_owner:
            return found
        monkeypatch.setattr(accounts.engine, "read", read)
        await accounts.call("RevokeApiKey", session, api_key_id=made.api_key.api_key_id)
        return found

    monkeypatch.setattr(accounts.engine, "read", revoked_meanwhile)
    await accounts.authenticator.identify(made.key)
    assert await reason(accounts, made.key) == "API_KEY_REVOKED"


async def test_what_is_remembered_expires(accounts: Accounts, clock: Clock) -> None:
    session = await accounts.session()
    await accounts.authenticator.identify(session)
    clock.advance(600)
    assert await reason(accounts, session) == "ACCESS_TOKEN_EXPIRED"


async def test_no_more_is_remembered_than_there_is_room(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix_grpc.guard.remembered.CAPACITY", 2)
    session = await accounts.session()
    first, second, third = [(await accounts.key(session)).key for _ in range(3)]
    for key in (first, second, first, third):
        await accounts.authenticator.identify(key)
    reads = count_reads(accounts, monkeypatch)
    await accounts.authenticator.identify(first)
    assert reads == []
    await accounts.authenticator.identify(second)
    assert reads == ["find_owner"]


async def test_refusals_are_not_remembered(accounts: Accounts) -> None:
    for number in range(100):
        assert await reason(accounts, f"garbage {number}") == "ACCESS_TOKEN_INVALID"
    assert len(accounts.authenticator._remembered) == 0


async def last_use(accounts: Accounts) -> int | None:
    row = await accounts.engine.read(lambda tx: tx.row("SELECT last_used_at FROM api_keys"))
    assert row is not None
    used: int | None = row[0]
    return used


async def test_the_use_of_a_key_is_written_off_the_calls_path(accounts: Accounts, clock: Clock) -> None:
    key = (await accounts.key(await accounts.session())).key
    await accounts.authenticator.identify(key)
    assert await last_use(accounts) is None
    await accounts.authenticator.flush()
    assert await last_use(accounts) == clock.time


async def test_the_use_of_a_key_is_written_once_a_minute(accounts: Accounts, clock: Clock) -> None:
    key = (await accounts.key(await accounts.session())).key
    start = clock.time
    for seconds, written in ((0, 0), (59, 0), (60, 60), (119, 60), (120, 120)):
        clock.time = start + seconds * 1_000_000
        await accounts.authenticator.identify(key)
        await accounts.authenticator.flush()
        assert await last_use(accounts) == start + written * 1_000_000


async def test_a_use_that_cannot_be_written_is_kept(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await accounts.key(await accounts.session())).key
    await accounts.authenticator.identify(key)

    async def away(*_: Any) -> None:
        raise Unavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(accounts.engine, "stage", away)
        with pytest.raises(Unavailable):
            await accounts.authenticator.flush()
    await accounts.authenticator.flush()
    assert await last_use(accounts) is not None


async def test_a_remembered_credential_is_not_read_again(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    key = (await accounts.key(await accounts.session())).key
    found = await accounts.authenticator.identify(key)

    async def forbidden(*_: Any) -> None:
        raise AssertionError("the store was read")

    monkeypatch.setattr(accounts.engine, "read", forbidden)
    assert (await accounts.authenticator.identify(key)).principal is found.principal


# The first start


async def start(folder: Path, **changes: Any) -> tuple[str | None, list[tuple[str, str]]]:
    """The password that is shown, and the users that are there."""
    settings = make_settings(folder, **changes)
    engine = open_engine(settings.database_url)
    try:
        shown = await FirstStart(engine, settings).make()
        users = await engine.read(list_users, 2**62, 100)
        return shown, [(user.email, user.role.value) for user in reversed(users)]
    finally:
        await engine.close()


FIRST = [("system@localhost", "SYSTEM"), ("admin@localhost", "ADMIN")]


async def test_the_first_users_are_made_once(tmp_path: Path) -> None:
    for _ in range(2):
        assert await start(tmp_path) == (None, FIRST)


async def test_a_random_password_is_shown_once_and_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_cheap_passwords(monkeypatch)
    settings = make_settings(tmp_path).model_copy(update={"default_admin_initial_password": None})
    engine = open_engine(settings.database_url)
    shown = await FirstStart(engine, settings).make()
    assert shown is not None
    assert len(shown) == 16
    assert await FirstStart(engine, settings).make() is None
    await engine.close()
    async with accounts_in(tmp_path) as accounts:
        assert await accounts.reason("Login", email="admin@localhost", password=ADMIN_PASSWORD) == "LOGIN_FAILED"
        await accounts.login("admin@localhost", shown)


async def test_of_those_who_start_at_once_one_makes_the_users(tmp_path: Path) -> None:
    settings = make_settings(tmp_path).model_copy(update={"default_admin_initial_password": None})
    engines = [open_engine(settings.database_url) for _ in range(4)]
    shown = await asyncio.gather(*(FirstStart(engine, settings).make() for engine in engines))
    assert len([password for password in shown if password]) == 1
    assert len(await engines[0].read(list_users, 2**62, 100)) == 2
    for engine in engines:
        await engine.close()


async def test_configured_admins_are_made_at_any_start_and_never_changed(tmp_path: Path) -> None:
    await start(tmp_path)
    admins = "ada=Ada@example.com; bob = bob@example.com"
    made = [*FIRST, ("ada@example.com", "ADMIN"), ("bob@example.com", "ADMIN")]
    assert await start(tmp_path, admins=admins) == (None, made)

    def demote(tx: Transaction) -> None:
        tx.run("UPDATE users SET role = 'VIEWER', username = 'b' WHERE email = 'bob@example.com'")

    engine = open_engine(make_settings(tmp_path).database_url)
    await engine.write(demote)
    await engine.close()
    assert await start(tmp_path, admins=admins) == (None, [*made[:-1], ("bob@example.com", "VIEWER")])


@pytest.mark.parametrize("admins", ["ada=no e-mail", "admin=ada@example.com"])
async def test_admins_that_cannot_be_made_stop_the_start(tmp_path: Path, admins: str) -> None:
    with pytest.raises(ConfigurationError, match="PHOENIX_ADMINS"):
        await start(tmp_path, admins=admins)


async def test_while_authentication_is_off_nobody_is_made(tmp_path: Path) -> None:
    assert await start(tmp_path, enable_auth=False) == (None, [])
