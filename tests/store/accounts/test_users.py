"""The contract of the store about users and their passwords."""

import pytest

from phoenix_grpc import model
from phoenix_grpc.errors import AlreadyExists, LimitExceeded, NotFound, PermissionDenied, Unauthenticated
from phoenix_grpc.model import Role, User
from phoenix_grpc.store.accounts import passwords, users
from phoenix_grpc.store.accounts.users import UserChange
from phoenix_grpc.store.engine import Engine
from tests.accounts import Clock, use_clock


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return use_clock(monkeypatch)


async def add(engine: Engine, name: str = "ada", role: Role = Role.MEMBER, password_hash: str | None = "hash") -> User:
    return await engine.write(users.insert_user, f"{name}@example.com", name, role, password_hash)


async def test_a_user_is_read_as_it_was_made(engine: Engine, clock: Clock) -> None:
    ada = await add(engine)
    assert ada == User(1, "ada@example.com", "ada", Role.MEMBER, clock.time, clock.time, password_needs_reset=True)
    assert await engine.read(users.get_user, 1) == ada
    assert await engine.read(users.find_user, "ada@example.com") == ada
    assert await engine.read(users.find_user, "bob@example.com") is None


async def test_an_unknown_user_is_not_found(engine: Engine) -> None:
    with pytest.raises(NotFound) as caught:
        await engine.read(users.get_user, 7)
    assert caught.value.reason == "USER_NOT_FOUND"


async def test_what_is_taken_is_refused_and_nothing_is_kept(engine: Engine) -> None:
    await add(engine)
    for email, username in (("ada@example.com", "x"), ("x@example.com", "ada")):
        with pytest.raises(AlreadyExists):
            await engine.write(users.insert_user, email, username, Role.MEMBER, None)
    assert len(await engine.read(users.list_users, model.now(), 10)) == 1


async def test_ids_are_never_given_again(engine: Engine) -> None:
    ada = await add(engine)
    await engine.write(users.delete_user, ada.id, None)
    assert (await add(engine)).id == ada.id + 1


async def test_users_are_listed_newest_first_below_an_id(engine: Engine) -> None:
    for name in "abcd":
        await add(engine, name)
    assert [user.id for user in await engine.read(users.list_users, 4, 2)] == [3, 2]
    assert [user.id for user in await engine.read(users.list_users, 100, 100)] == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("change", "raises"),
    [
        (UserChange(), False),
        (UserChange(username="new"), False),
        (UserChange(role=Role.MEMBER), False),
        (UserChange(role=Role.VIEWER), True),
        (UserChange(password_hash="new"), True),
    ],
)
async def test_a_change_that_revokes_raises_the_auth_revision(engine: Engine, change: UserChange, raises: bool) -> None:
    ada = await add(engine)
    before = await engine.auth_revision()
    changed = await engine.write(users.update_user, ada.id, change, None)
    assert ((await engine.auth_revision()) > before) is raises
    assert (changed.username, changed.role) == (change.username or "ada", change.role or Role.MEMBER)


async def test_a_deletion_raises_the_auth_revision(engine: Engine) -> None:
    ada = await add(engine)
    before = await engine.auth_revision()
    await engine.write(users.delete_user, ada.id, None)
    assert (await engine.auth_revision()) > before


async def test_a_refused_change_changes_nothing(engine: Engine) -> None:
    ada = await add(engine, role=Role.ADMIN)
    before = await engine.auth_revision()
    with pytest.raises(PermissionDenied):
        await engine.write(users.update_user, ada.id, UserChange("new", Role.VIEWER), ada.id)
    assert await engine.read(users.get_user, ada.id) == ada
    assert (await engine.auth_revision()) == before


async def test_the_first_users_are_made_once(engine: Engine) -> None:
    admins = (("ada", "ada@example.com"),)
    assert not await engine.read(users.has_first_users, admins)
    assert await engine.write(users.make_first_users, "hash", admins)
    assert not await engine.write(users.make_first_users, "other", admins)
    assert await engine.read(users.has_first_users, admins)
    found = await engine.read(users.list_users, 100, 100)
    assert [(user.username, user.role) for user in found] == [
        ("ada", Role.ADMIN),
        ("admin", Role.ADMIN),
        ("system", Role.SYSTEM),
    ]
    credentials = await engine.read(passwords.find_credentials, "admin@localhost", 5)
    assert credentials.password_hash == "hash"


async def test_failures_lock_an_email_and_are_forgotten(engine: Engine, clock: Clock) -> None:
    for _ in range(2):
        await engine.write(passwords.count_failure, "ada@example.com", 2)
    with pytest.raises(LimitExceeded) as caught:
        await engine.write(passwords.count_failure, "ada@example.com", 2)
    assert caught.value.retry_after == 300
    await engine.read(passwords.find_credentials, "bob@example.com", 2)
    await engine.write(passwords.forget_failures, "ada@example.com")
    await engine.read(passwords.find_credentials, "ada@example.com", 2)


async def test_old_failures_are_swept_in_batches(engine: Engine, clock: Clock) -> None:
    for number in range(5):
        await engine.write(passwords.count_failure, f"{number}@example.com", 5)
    assert await engine.write(passwords.sweep_login_failures, 3) == 0
    clock.advance(300)
    await engine.write(passwords.count_failure, "new@example.com", 5)
    assert [await engine.write(passwords.sweep_login_failures, 3) for _ in range(3)] == [3, 2, 0]


async def test_a_reset_token_works_once_until_it_expires(engine: Engine, clock: Clock) -> None:
    ada = await add(engine)
    assert await engine.write(passwords.put_reset, ada.id, b"digest", clock.time + 1)
    assert await engine.write(passwords.use_reset, b"digest", "new") == ada.id
    with pytest.raises(Unauthenticated):
        await engine.write(passwords.use_reset, b"digest", "newer")
    assert await engine.write(passwords.put_reset, ada.id, b"other", clock.time + 1)
    clock.advance(0.000001)
    with pytest.raises(Unauthenticated):
        await engine.read(passwords.reset_owner, b"other")
    assert (await engine.read(passwords.find_credentials, "ada@example.com", 5)).password_hash == "new"


async def test_reset_tokens_are_limited_and_swept_when_they_count_no_longer(engine: Engine, clock: Clock) -> None:
    ada = await add(engine)
    bob = await add(engine, "bob")
    for user in (ada, bob):
        for number in range(passwords.MAX_RESETS):
            assert await engine.write(passwords.put_reset, user.id, b"%d %d" % (user.id, number), clock.time + 1)
            clock.advance(60)
        assert not await engine.write(passwords.put_reset, user.id, b"too many", clock.time + 1)
    assert await engine.write(passwords.sweep_password_resets, 10) == 0
    clock.advance(900 - 5 * 60)
    assert await engine.write(passwords.put_reset, ada.id, b"last", clock.time + 900_000_000)
    with pytest.raises(Unauthenticated):
        await engine.read(passwords.reset_owner, b"1 2")
    clock.advance(899)
    assert [await engine.write(passwords.sweep_password_resets, 4) for _ in range(3)] == [4, 2, 0]
    assert await engine.read(passwords.reset_owner, b"last") == ada.id
