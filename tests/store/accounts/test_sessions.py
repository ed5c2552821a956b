"""The contract of the store about sessions and refresh tokens."""

import pytest

from phoenix_grpc.errors import NotFound
from phoenix_grpc.model import Role, Session
from phoenix_grpc.store.accounts import sessions, users
from phoenix_grpc.store.accounts.sessions import LiveSession, Rotation
from phoenix_grpc.store.engine import Engine
from tests.accounts import Clock, use_clock

HOUR = 3_600_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return use_clock(monkeypatch)


async def begin(engine: Engine, clock: Clock, name: str = "s1", user_id: int = 0) -> Session:
    """A session that lasts an hour, with the refresh token b"1"."""
    if not user_id:
        user_id = (await engine.write(users.insert_user, f"{name}@example.com", name, Role.MEMBER, None)).id
    session = Session(name, user_id, clock.time, clock.time, clock.time + HOUR, "agent", "192.0.2.1")
    await engine.write(sessions.insert_session, session, b"1")
    return session


async def rotate(engine: Engine, clock: Clock, used: bytes, fresh: bytes, name: str = "s1") -> Rotation:
    outcome, _ = await engine.write(sessions.rotate_refresh_token, name, used, fresh, clock.time + HOUR)
    return outcome


async def test_a_session_lives_until_it_expires(engine: Engine, clock: Clock) -> None:
    session = await begin(engine, clock)
    live = LiveSession("s1", 1, session.expires_at, session.user_id, "s1@example.com", Role.MEMBER)
    assert await engine.read(sessions.live_session, "s1") == live
    clock.advance(3600)
    assert await engine.read(sessions.live_session, "s1") is None
    assert await rotate(engine, clock, b"1", b"2") is Rotation.ENDED


async def test_beginning_a_session_revokes_nothing(engine: Engine, clock: Clock) -> None:
    before = await engine.auth_revision()
    await begin(engine, clock)
    assert (await engine.auth_revision()) == before


async def test_a_rotation_prolongs_the_session_and_raises_generation_and_revision(engine: Engine, clock: Clock) -> None:
    await begin(engine, clock)
    before = await engine.auth_revision()
    clock.advance(60)
    outcome, live = await engine.write(sessions.rotate_refresh_token, "s1", b"1", b"2", clock.time + HOUR)
    assert outcome is Rotation.ROTATED
    assert live is not None
    assert (live.generation, live.expires_at) == (2, clock.time + HOUR)
    assert live == await engine.read(sessions.live_session, "s1")
    assert (await engine.auth_revision()) > before


@pytest.mark.parametrize(
    ("after", "outcome"),
    [(0, Rotation.REUSED), (9.999999, Rotation.REUSED), (10, Rotation.STOLEN), (999, Rotation.STOLEN)],
)
async def test_a_used_token_is_stolen_after_the_grace(
    engine: Engine, clock: Clock, after: float, outcome: Rotation
) -> None:
    await begin(engine, clock)
    await rotate(engine, clock, b"1", b"2")
    clock.advance(after)
    assert await rotate(engine, clock, b"1", b"3") is outcome
    alive = await engine.read(sessions.live_session, "s1")
    assert (alive is None) is (outcome is Rotation.STOLEN)


async def test_another_rotation_does_not_shorten_the_grace(engine: Engine, clock: Clock) -> None:
    await begin(engine, clock)
    await rotate(engine, clock, b"1", b"2")
    clock.advance(9)
    await rotate(engine, clock, b"2", b"3")
    assert await rotate(engine, clock, b"1", b"4") is Rotation.REUSED


async def test_a_token_of_another_session_is_of_no_use(engine: Engine, clock: Clock) -> None:
    await begin(engine, clock)
    await begin(engine, clock, "s2")
    await rotate(engine, clock, b"1", b"2")
    assert await rotate(engine, clock, b"1", b"2", "s2") is Rotation.ROTATED


async def test_a_session_is_ended_by_id_and_owner(engine: Engine, clock: Clock) -> None:
    session = await begin(engine, clock)
    before = await engine.auth_revision()
    for session_id, user_id in (("s1", session.user_id + 1), ("s2", None)):
        with pytest.raises(NotFound) as caught:
            await engine.write(sessions.end_session, session_id, user_id)
        assert caught.value.reason == "SESSION_NOT_FOUND"
    assert (await engine.auth_revision()) == before
    assert await engine.write(sessions.end_session, "s1", session.user_id) == session
    assert (await engine.auth_revision()) > before
    assert await engine.read(lambda tx: tx.rows("SELECT * FROM refresh_tokens")) == []


async def test_all_sessions_of_a_user_end_but_one(engine: Engine, clock: Clock) -> None:
    first = await begin(engine, clock, "s1")
    for name in ("s2", "s3"):
        await begin(engine, clock, name, first.user_id)
    await begin(engine, clock, "other")
    assert await engine.write(sessions.end_sessions, first.user_id, "s2") == 2
    alive = [name for name in ("s1", "s2", "s3", "other") if await engine.read(sessions.live_session, name)]
    assert alive == ["s2", "other"]
    assert await engine.write(sessions.end_sessions, first.user_id) == 1


async def test_sessions_are_listed_newest_first_after_a_position(engine: Engine, clock: Clock) -> None:
    first = await begin(engine, clock, "a")
    await begin(engine, clock, "b", first.user_id)
    clock.advance(1)
    await begin(engine, clock, "c", first.user_id)
    found = await engine.read(sessions.list_sessions, first.user_id, None, 10)
    assert [session.id for session in found] == ["c", "b", "a"]
    rest = await engine.read(sessions.list_sessions, first.user_id, (found[1].created_at, "b"), 10)
    assert rest == [first]
    clock.advance(3599)
    assert [session.id for session in await engine.read(sessions.list_sessions, first.user_id, None, 10)] == ["c"]


async def test_expired_sessions_are_swept_in_batches(engine: Engine, clock: Clock) -> None:
    first = await begin(engine, clock, "0")
    for number in range(1, 5):
        await begin(engine, clock, str(number), first.user_id)
    assert await engine.write(sessions.sweep_sessions, 3) == 0
    clock.advance(3600)
    await begin(engine, clock, "new", first.user_id)
    assert [await engine.write(sessions.sweep_sessions, 3) for _ in range(3)] == [3, 2, 0]
    assert await engine.read(sessions.live_session, "new")
