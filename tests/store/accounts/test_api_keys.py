"""The contract of the store about API keys."""

from typing import Any

import pytest

from phoenix_grpc.errors import Invalid, NotFound
from phoenix_grpc.model import ApiKey, Role
from phoenix_grpc.store.accounts import api_keys, users
from phoenix_grpc.store.accounts.api_keys import Scope
from phoenix_grpc.store.engine import Engine
from tests.accounts import Clock, use_clock

PERSONAL, SYSTEM = Scope(system=False), Scope(system=True)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return use_clock(monkeypatch)


async def owner(engine: Engine, name: str = "ada", role: Role = Role.MEMBER) -> int:
    found = await engine.read(users.find_user, f"{name}@example.com")
    return (found or await engine.write(users.insert_user, f"{name}@example.com", name, role, None)).id


async def add(engine: Engine, user_id: int, digest: bytes = b"digest", **fields: Any) -> ApiKey:
    """A key of that user."""
    values: dict[str, Any] = {
        "id": 0,
        "user_id": user_id,
        "name": "key",
        "description": None,
        "hint": "phgrpc_abcd",
        "created_at": 0,
        "expires_at": None,
        "last_used_at": None,
        "read_only": False,
        "system": False,
    }
    return await engine.write(api_keys.insert_key, ApiKey(**values | fields), digest)


async def test_a_key_is_read_as_it_was_made(engine: Engine, clock: Clock) -> None:
    ada = await owner(engine)
    key = await add(engine, ada, description="d", read_only=True, expires_at=clock.time + 1)
    assert (key.id, key.created_at) == (1, clock.time)
    assert await engine.read(api_keys.get_key, PERSONAL, key.id) == key
    (owned,) = await engine.read(api_keys.list_keys, PERSONAL, 100, 10)
    assert (owned.key, owned.email, owned.username) == (key, "ada@example.com", "ada")
    found = await engine.read(api_keys.find_owner, b"digest")
    assert found is not None
    assert (found.key_id, found.user_id, found.role, found.read_only) == (key.id, ada, Role.MEMBER, True)
    assert await engine.read(api_keys.find_owner, b"other") is None


async def test_a_scope_holds_statements_to_its_keys(engine: Engine) -> None:
    ada, bob = await owner(engine, "ada"), await owner(engine, "bob")
    system = await owner(engine, "system", Role.SYSTEM)
    for number, user_id in enumerate((ada, bob, system)):
        await add(engine, user_id, b"%d" % number, system=user_id == system)
    cases = {PERSONAL: [2, 1], SYSTEM: [3], Scope(False, ada): [1], Scope(False, bob): [2], Scope(False, system): []}
    for scope, ids in cases.items():
        assert [owned.key.id for owned in await engine.read(api_keys.list_keys, scope, 100, 10)] == ids
        for key_id in {1, 2, 3} - set(ids):
            for statement in (
                lambda tx, scope=scope, key_id=key_id: api_keys.get_key(tx, scope, key_id),
                lambda tx, scope=scope, key_id=key_id: api_keys.revoke_key(tx, scope, key_id),
                lambda tx, scope=scope, key_id=key_id: api_keys.update_key(tx, scope, key_id, {"name": "x"}),
                lambda tx, scope=scope, key_id=key_id: api_keys.rotate_key(tx, scope, key_id, b"x", "x", 0),
            ):
                with pytest.raises(NotFound):
                    await engine.write(statement)


async def test_making_a_key_revokes_nothing_and_ending_one_does(engine: Engine) -> None:
    before = await engine.auth_revision()
    key = await add(engine, await owner(engine))
    assert (await engine.auth_revision()) == before
    await engine.write(api_keys.revoke_key, PERSONAL, key.id)
    assert (await engine.auth_revision()) > before


async def test_a_revoked_key_is_still_known_as_such(engine: Engine, clock: Clock) -> None:
    key = await add(engine, await owner(engine))
    await engine.write(api_keys.revoke_key, PERSONAL, key.id)
    found = await engine.read(api_keys.find_owner, b"digest")
    assert found is not None
    assert found.revoked_at == clock.time
    assert await engine.read(api_keys.list_keys, PERSONAL, 100, 10) == []


async def test_a_rotation_ends_older_secrets_after_the_overlap_at_the_latest(engine: Engine, clock: Clock) -> None:
    key = await add(engine, await owner(engine), b"1")
    await engine.write(api_keys.rotate_key, PERSONAL, key.id, b"2", "hint 2", 1000)
    rotated = await engine.write(api_keys.rotate_key, PERSONAL, key.id, b"3", "hint 3", 5000)
    assert rotated.hint == "hint 3"
    ends = [await engine.read(api_keys.find_owner, digest) for digest in (b"1", b"2", b"3")]
    assert [found and found.replaced_at for found in ends] == [clock.time + 1000, clock.time + 5000, None]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "n", "description": "d"}, None),
        ({"expires_at": 1}, None),
        ({"read_only": True}, None),
        ({"expires_at": 3}, "api_key.expire_time"),
        ({"expires_at": None}, "api_key.expire_time"),
    ],
)
async def test_a_key_is_only_narrowed(engine: Engine, changes: dict[str, Any], field: str | None) -> None:
    key = await add(engine, await owner(engine), expires_at=2)
    if field is None:
        changed = await engine.write(api_keys.update_key, PERSONAL, key.id, changes)
        assert {name: getattr(changed, name) for name in changes} == changes
    else:
        with pytest.raises(Invalid) as caught:
            await engine.write(api_keys.update_key, PERSONAL, key.id, changes)
        assert caught.value.field == field
        changed = key
    assert await engine.read(api_keys.get_key, PERSONAL, key.id) == changed


async def test_the_use_of_a_key_is_written_once_a_minute(engine: Engine) -> None:
    key = await add(engine, await owner(engine))
    for used_at, written in ((100, 100), (50, 100), (60_000_099, 100), (60_000_100, 60_000_100)):
        await engine.stage(api_keys.record_uses, [(key.id, used_at), (99, used_at)])
        assert (await engine.read(api_keys.get_key, PERSONAL, key.id)).last_used_at == written


async def test_what_ended_long_ago_is_swept_in_batches(engine: Engine, clock: Clock) -> None:
    ada = await owner(engine)
    for number in range(4):
        key = await add(engine, ada, b"%d" % number)
        await engine.write(api_keys.revoke_key, PERSONAL, key.id)
    kept = await add(engine, ada, b"old")
    await engine.write(api_keys.rotate_key, PERSONAL, kept.id, b"new", "hint", 0)
    assert await engine.write(api_keys.sweep_keys, clock.time - 1, 3) == 0
    swept = [await engine.write(api_keys.sweep_keys, clock.time, 3) for _ in range(3)]
    assert swept == [4, 1, 0]
    assert await engine.read(api_keys.find_owner, b"old") is None
    assert await engine.read(api_keys.find_owner, b"0") is None
    assert await engine.read(api_keys.find_owner, b"new")
