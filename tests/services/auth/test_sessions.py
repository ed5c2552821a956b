"""Sessions: login and its throttle, refresh and reuse, logout, lists."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import argon2
import pytest

from phoenix_grpc.credentials import passwords
from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.ids import decode_id
from phoenix_grpc.services.auth.password_desk import MAX_WAITING, MAX_WAITING_OF_ONE, Owner
from phoenix_grpc.store.accounts.passwords import count_failure, find_credentials, set_password
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import auth_pb2
from tests.accounts import PASSWORD, Accounts, Clock, accounts_in
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET


async def test_a_login_answers_tokens_that_identify(accounts: Accounts, clock: Clock) -> None:
    pair = await accounts.login()
    assert pair.access_token_expire_time.ToMicroseconds() == clock.time + 600_000_000
    assert pair.refresh_token_expire_time.ToMicroseconds() == clock.time + 7 * 86_400_000_000
    me = await accounts.call("WhoAmI", pair.access_token)
    assert me.user.email == "admin@localhost"
    assert me.kind == auth_pb2.PRINCIPAL_KIND_SESSION
    assert me.role == auth_pb2.ROLE_ADMIN
    assert me.expire_time == pair.access_token_expire_time


@pytest.mark.parametrize("email", ["admin@localhost", " ADMIN@localhost ", "Admin@LocalHost"])
async def test_the_email_is_compared_without_case(accounts: Accounts, email: str) -> None:
    assert (await accounts.login(email)).access_token


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("admin@localhost", "wrong password"),
        ("nobody@example.com", ADMIN_PASSWORD),
        ("no e-mail", ADMIN_PASSWORD),
        ("system@localhost", ADMIN_PASSWORD),
        ("admin@localhost", ADMIN_PASSWORD + "\0"),
    ],
)
async def test_a_wrong_login_always_fails_the_same(accounts: Accounts, email: str, password: str) -> None:
    assert await accounts.reason("Login", email=email, password=password) == "LOGIN_FAILED"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"password": "x"}, "email"),
        ({"email": "  ", "password": "x"}, "email"),
        ({"email": "a" * 1001, "password": "x"}, "email"),
        ({"email": "admin@localhost"}, "password"),
        ({"email": "admin@localhost", "password": "x" * 1001}, "password"),
    ],
)
async def test_a_login_without_email_or_password_is_invalid(
    accounts: Accounts, fields: dict[str, str], field: str
) -> None:
    assert await accounts.violation("Login", **fields) == field


@pytest.mark.parametrize("email", ["admin@localhost", "nobody@example.com"])
async def test_too_many_failures_lock_an_email_for_five_minutes(accounts: Accounts, clock: Clock, email: str) -> None:
    for _ in range(5):
        assert await accounts.reason("Login", email=email, password="wrong") == "LOGIN_FAILED"
        clock.advance(1)
    with pytest.raises(LimitExceeded) as caught:
        await accounts.login(email)
    assert caught.value.reason == "LOGIN_THROTTLED"
    assert caught.value.retry_after == 299
    clock.advance(298.9)
    assert await accounts.reason("Login", email=email.upper(), password=ADMIN_PASSWORD) == "LOGIN_THROTTLED"
    clock.advance(0.1)
    assert await accounts.reason("Login", email=email, password="wrong") == "LOGIN_FAILED"


async def test_a_login_forgets_failures_before_it(accounts: Accounts) -> None:
    for _ in range(3):
        for _ in range(4):
            assert await accounts.reason("Login", email="admin@localhost", password="wrong") == "LOGIN_FAILED"
        await accounts.login()


async def test_failures_long_ago_do_not_count(accounts: Accounts, clock: Clock) -> None:
    for _ in range(20):
        assert await accounts.reason("Login", email="admin@localhost", password="wrong") == "LOGIN_FAILED"
        clock.advance(301)


async def test_guesses_sent_at_once_get_no_more_answers_than_others(accounts: Accounts) -> None:
    guesses = (
        accounts.reason("Login", email="admin@localhost", password=f"guess {n}") for n in range(MAX_WAITING_OF_ONE)
    )
    reasons = await asyncio.gather(*guesses)
    assert sorted(reasons) == ["LOGIN_FAILED"] * 5 + ["LOGIN_THROTTLED"] * (MAX_WAITING_OF_ONE - 5)


def meanwhile(accounts: Accounts, monkeypatch: pytest.MonkeyPatch, work: Callable[[Transaction], object]) -> None:
    """Lets another process do this while the next password is being checked."""
    verified = accounts.servicer.desk.verified

    async def interrupted(email: str, password: str) -> Owner:
        owner = await verified(email, password)
        await accounts.engine.write(work)
        return owner

    monkeypatch.setattr(accounts.servicer.desk, "verified", interrupted)


async def test_a_right_guess_does_not_count_once_the_email_is_locked(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tx: Transaction) -> None:
        for _ in range(5):
            count_failure(tx, "admin@localhost", 5)

    meanwhile(accounts, monkeypatch, fail)
    assert await accounts.reason("Login", email="admin@localhost", password=ADMIN_PASSWORD) == "LOGIN_THROTTLED"


@pytest.mark.parametrize("method", ["Login", "ChangePassword"])
async def test_a_password_that_is_changed_while_it_is_checked_is_wrong(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    number = decode_id("User", user.user_id, "user_id")
    meanwhile(accounts, monkeypatch, lambda tx: set_password(tx, number, "another hash", needs_reset=True))
    fields = {
        "Login": {"email": user.email, "password": PASSWORD},
        "ChangePassword": {"current_password": PASSWORD, "new_password": "a third password"},
    }[method]
    assert await accounts.reason(method, session, **fields) == "LOGIN_FAILED"
    found = await accounts.engine.read(find_credentials, user.email, 5)
    assert found.password_hash == "another hash"


async def test_failures_are_seen_by_other_processes(accounts: Accounts, tmp_path: Path) -> None:
    async with accounts_in(tmp_path) as other:
        for process in (accounts, other, accounts, other, accounts):
            assert await process.reason("Login", email="admin@localhost", password="wrong") == "LOGIN_FAILED"
        assert await other.reason("Login", email="admin@localhost", password=ADMIN_PASSWORD) == "LOGIN_THROTTLED"


async def test_the_throttle_can_be_switched_off(accounts: Accounts, tmp_path: Path) -> None:
    async with accounts_in(tmp_path, disable_brute_force_login_protection=True) as open_door:
        for _ in range(20):
            assert await open_door.reason("Login", email="admin@localhost", password="wrong") == "LOGIN_FAILED"
        await open_door.login()


async def test_a_flood_of_logins_from_one_place_leaves_room_for_others(accounts: Accounts) -> None:
    floods = (accounts.reason("Login", email=f"{n}@example.com", password="x") for n in range(200))
    reasons = await asyncio.gather(*floods)
    assert reasons.count("LOGIN_FAILED") == MAX_WAITING_OF_ONE
    assert reasons.count("LIMIT_EXCEEDED") == 200 - MAX_WAITING_OF_ONE
    assert MAX_WAITING_OF_ONE < MAX_WAITING


async def test_a_login_renews_an_outdated_hash(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "hasher", argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    await accounts.login()
    sql = "SELECT password_hash FROM users WHERE email = 'admin@localhost'"
    assert "t=2" in (await accounts.engine.read(lambda tx: tx.row(sql)))[0]
    await accounts.login()


async def test_password_login_can_be_switched_off(tmp_path: Path, accounts: Accounts) -> None:
    async with accounts_in(tmp_path, disable_basic_auth=True) as closed:
        assert await closed.reason("Login", email="a", password="b") == "PASSWORD_LOGIN_DISABLED"
        assert list((await closed.call("GetServerConfig")).login_methods) == []


async def test_logins_are_audited(accounts: Accounts) -> None:
    user = await accounts.user()
    await accounts.reason("Login", email=user.email, password="wrong")
    await accounts.reason("Login", email="nobody@example.com", password="wrong")
    await accounts.login(user.email, PASSWORD)
    allowed, failed = await accounts.events(action="login")
    assert (allowed.allowed, allowed.actor_user_id, allowed.actor_email) == (True, user.user_id, user.email)
    assert (allowed.address, allowed.actor_kind) == ("192.0.2.1", auth_pb2.PRINCIPAL_KIND_SESSION)
    assert (failed.allowed, failed.target_id, failed.reason) == (False, user.user_id, "LOGIN_FAILED")
    assert failed.actor_user_id == ""
    assert failed.method == "/phoenix_grpc.v1.AuthService/Login"
    assert failed.request_id


async def test_a_refresh_answers_a_new_pair_and_ends_the_old_one(accounts: Accounts, clock: Clock) -> None:
    old = await accounts.login()
    await accounts.call("WhoAmI", old.access_token)
    clock.advance(60)
    new = await accounts.call("RefreshToken", refresh_token=old.refresh_token)
    assert new.refresh_token_expire_time.seconds == old.refresh_token_expire_time.seconds + 60
    assert await accounts.reason("WhoAmI", old.access_token) == "SESSION_REVOKED"
    assert (await accounts.call("WhoAmI", new.access_token)).user.email == "admin@localhost"


async def test_of_any_number_of_refreshes_one_wins(accounts: Accounts, tmp_path: Path) -> None:
    pair = await accounts.login()
    async with accounts_in(tmp_path) as other:
        racers = [process.call("RefreshToken", refresh_token=pair.refresh_token) for process in (accounts, other) * 10]
        results = await asyncio.gather(*racers, return_exceptions=True)
    won = [result for result in results if isinstance(result, auth_pb2.TokenPair)]
    assert len(won) == 1
    assert {result.reason for result in results if isinstance(result, Exception)} == {"REFRESH_TOKEN_REUSED"}
    await accounts.call("WhoAmI", won[0].access_token)


async def test_a_used_token_that_comes_again_soon_is_only_refused(accounts: Accounts, clock: Clock) -> None:
    old = await accounts.login()
    new = await accounts.call("RefreshToken", refresh_token=old.refresh_token)
    clock.advance(9.9)
    assert await accounts.reason("RefreshToken", refresh_token=old.refresh_token) == "REFRESH_TOKEN_REUSED"
    await accounts.call("WhoAmI", new.access_token)
    assert await accounts.events(action="session.reuse") == []


@pytest.mark.parametrize("refreshes_after", [0, 1, 3])
async def test_a_used_token_that_comes_again_later_ends_the_session(
    accounts: Accounts, clock: Clock, refreshes_after: int
) -> None:
    old = newest = await accounts.login()
    newest = await accounts.call("RefreshToken", refresh_token=old.refresh_token)
    for _ in range(refreshes_after):
        clock.advance(30)
        newest = await accounts.call("RefreshToken", refresh_token=newest.refresh_token)
    clock.advance(10)
    assert await accounts.reason("RefreshToken", refresh_token=old.refresh_token) == "REFRESH_TOKEN_REUSED"
    assert await accounts.reason("WhoAmI", newest.access_token) == "SESSION_REVOKED"
    assert await accounts.reason("RefreshToken", refresh_token=newest.refresh_token) == "SESSION_REVOKED"
    (event,) = await accounts.events(action="session.reuse")
    assert not event.allowed
    assert event.reason == "REFRESH_TOKEN_REUSED"


async def test_used_tokens_are_not_kept_for_ever(accounts: Accounts, clock: Clock) -> None:
    pair = await accounts.login()
    for _ in range(50):
        clock.advance(60)
        pair = await accounts.call("RefreshToken", refresh_token=pair.refresh_token)
    assert await accounts.engine.read(lambda tx: tx.row("SELECT count(*) FROM refresh_tokens")) == (2,)


async def test_a_session_ends_with_its_refresh_token(accounts: Accounts, clock: Clock) -> None:
    pair = await accounts.login()
    clock.advance(600)
    assert await accounts.reason("WhoAmI", pair.access_token) == "ACCESS_TOKEN_EXPIRED"
    clock.advance(7 * 86_400 - 600)
    assert await accounts.reason("RefreshToken", refresh_token=pair.refresh_token) == "REFRESH_TOKEN_EXPIRED"


@pytest.mark.parametrize("token", ["", "garbage", ADMIN_SECRET])
async def test_anything_but_a_refresh_token_is_invalid(accounts: Accounts, token: str) -> None:
    assert await accounts.reason("RefreshToken", refresh_token=token) == "REFRESH_TOKEN_INVALID"
    await accounts.call("RevokeToken", refresh_token=token)


async def test_tokens_are_held_to_their_purpose(accounts: Accounts) -> None:
    pair = await accounts.login()
    assert await accounts.reason("RefreshToken", refresh_token=pair.access_token) == "REFRESH_TOKEN_INVALID"
    assert await accounts.reason("WhoAmI", pair.refresh_token) == "TOKEN_TYPE_UNSUPPORTED"


async def test_revoking_a_refresh_token_ends_its_session(accounts: Accounts) -> None:
    pair, other = await accounts.login(), await accounts.login()
    for _ in range(2):
        await accounts.call("RevokeToken", refresh_token=pair.refresh_token)
    assert await accounts.reason("WhoAmI", pair.access_token) == "SESSION_REVOKED"
    assert await accounts.reason("RefreshToken", refresh_token=pair.refresh_token) == "SESSION_REVOKED"
    await accounts.call("WhoAmI", other.access_token)


async def test_logout_ends_this_session_or_all(accounts: Accounts) -> None:
    first, second, third = [await accounts.login() for _ in range(3)]
    await accounts.call("Logout", first.access_token)
    assert await accounts.reason("WhoAmI", first.access_token) == "SESSION_REVOKED"
    await accounts.call("WhoAmI", second.access_token)
    await accounts.call("Logout", second.access_token, all=True)
    for ended in (second, third):
        assert await accounts.reason("WhoAmI", ended.access_token) == "SESSION_REVOKED"
        assert await accounts.reason("RefreshToken", refresh_token=ended.refresh_token) == "SESSION_REVOKED"


@pytest.mark.parametrize("everything", [False, True])
async def test_logout_with_a_key_ends_nothing(accounts: Accounts, everything: bool) -> None:
    session = await accounts.session()
    key = (await accounts.key(session)).key
    await accounts.call("Logout", key, all=everything)
    await accounts.call("Logout", ADMIN_SECRET, all=everything)
    await accounts.call("WhoAmI", key)
    await accounts.call("WhoAmI", session)


async def test_sessions_are_listed_newest_first_page_by_page(accounts: Accounts, clock: Clock) -> None:
    user = await accounts.user()
    tokens = []
    for _ in range(5):
        clock.advance(1)
        tokens.append((await accounts.login(user.email, PASSWORD)).access_token)
    await accounts.login()
    found, page_token = [], ""
    while True:
        page = await accounts.call("ListSessions", tokens[-1], page_size=2, page_token=page_token)
        found += page.sessions
        if not (page_token := page.next_page_token):
            break
    times = [session.create_time.ToMicroseconds() for session in found]
    assert len(found) == 5
    assert times == sorted(times, reverse=True)
    assert [session.current for session in found] == [True, False, False, False, False]
    assert {session.user_id for session in found} == {user.user_id}
    assert (found[0].address, found[0].user_agent) == ("192.0.2.1", "tests/1")


async def test_only_admins_see_the_sessions_of_others(accounts: Accounts) -> None:
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    other = await accounts.session()
    assert len((await accounts.call("ListSessions", session, user_id=user.user_id)).sessions) == 1
    assert len((await accounts.call("ListSessions", ADMIN_SECRET, user_id=user.user_id)).sessions) == 1
    assert len((await accounts.call("ListSessions", ADMIN_SECRET)).sessions) == 0
    assert await accounts.reason("ListSessions", other, user_id=user.user_id) == "ROLE_INSUFFICIENT"
    assert await accounts.reason("ListSessions", ADMIN_SECRET, user_id="VXNlcjo5OTk=") == "USER_NOT_FOUND"
    assert await accounts.violation("ListSessions", ADMIN_SECRET, user_id="RGF0YXNldDox") == "user_id"


async def test_a_session_is_revoked_by_its_owner_or_an_admin(accounts: Accounts) -> None:
    user = await accounts.user()
    mine, also_mine = [(await accounts.login(user.email, PASSWORD)).access_token for _ in range(2)]
    stranger = await accounts.session()
    ids = {token: (await accounts.call("WhoAmI", token)).credential_id for token in (mine, also_mine)}
    assert await accounts.reason("RevokeSession", stranger, session_id=ids[mine]) == "SESSION_NOT_FOUND"
    await accounts.call("RevokeSession", mine, session_id=ids[also_mine])
    assert await accounts.reason("WhoAmI", also_mine) == "SESSION_REVOKED"
    await accounts.call("RevokeSession", ADMIN_SECRET, session_id=ids[mine])
    assert await accounts.reason("WhoAmI", mine) == "SESSION_REVOKED"
    assert await accounts.reason("RevokeSession", ADMIN_SECRET, session_id=ids[mine]) == "SESSION_NOT_FOUND"
    assert await accounts.violation("RevokeSession", stranger) == "session_id"
    system = (await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="s")).key
    assert await accounts.reason("RevokeSession", system, session_id="x") == "NOT_A_USER"
