"""The auth revision: what a change is about, how far the list reaches, and that a revocation outlasts the leases."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.model import Role
from phoenix_grpc.store import revision
from phoenix_grpc.store.accounts import api_keys, passwords, sessions, users
from phoenix_grpc.store.accounts.users import UserChange
from phoenix_grpc.store.engine import AuthRevision, Engine, Transaction
from phoenix_grpc.store.leases import RevisionLease, boottime
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.revision import (
    AuthChange,
    AuthChanges,
    Subject,
    changes_since,
    record_change,
    revoke,
)
from tests.store.accounts.test_api_keys import PERSONAL
from tests.store.accounts.test_api_keys import add as add_key
from tests.store.accounts.test_sessions import HOUR, begin
from tests.store.accounts.test_sessions import clock as clock  # the fixture
from tests.store.accounts.test_users import add as add_user


def recorded(tx: Transaction, subject: Subject, subject_id: str) -> None:
    record_change(tx, subject, subject_id)


async def test_the_list_tells_what_changed_since_a_revision(engine: Engine) -> None:
    start = (await engine.auth_revision()).number
    for number in range(3):
        await engine.write(recorded, Subject.SESSION, f"s{number}")
    await engine.write(revoke, Subject.USER, 7)
    changes = [AuthChange(Subject.SESSION, f"s{number}") for number in range(3)] + [AuthChange(Subject.USER, "7")]
    for seen in range(5):
        assert await engine.read(changes_since, start + seen) == AuthChanges(start + 4, changes[seen:])


async def test_a_list_that_no_longer_reaches_back_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "KEPT_CHANGES", 3)
    start = (await engine.auth_revision()).number
    for number in range(10):
        await engine.write(recorded, Subject.KEY, str(number))
    assert [await engine.stage(revision.sweep_changes, 5) for _ in range(3)] == [5, 2, 0]
    assert (await engine.read(changes_since, start + 6)).changes is None
    assert await engine.read(changes_since, start + 7) == AuthChanges(
        start + 10, [AuthChange(Subject.KEY, str(number)) for number in (7, 8, 9)]
    )


class Waits:
    """A lease that notes how often somebody waited for it."""

    def __init__(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        lease = engine._lease
        wait_out = lease.wait_out

        async def counted(committed: float) -> None:
            self.count += 1
            await wait_out(committed)

        monkeypatch.setattr(lease, "wait_out", counted)


async def subjects(engine: Engine, since: int) -> list[Subject]:
    return [change.subject for change in (await engine.read(changes_since, since)).changes or ()]


async def test_revoking_changes_wait_and_refreshes_do_not(
    engine: Engine, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await add_user(engine)
    key = await add_key(engine, ada.id)
    await begin(engine, clock)
    cases: list[tuple[Callable[..., Any], tuple[Any, ...], list[Subject], bool]] = [
        (sessions.rotate_refresh_token, ("s1", b"1", b"2", clock.time + HOUR), [Subject.SESSION], False),
        (users.update_user, (ada.id, UserChange(username="a"), None), [], False),
        (sessions.end_session, ("s1",), [Subject.SESSION], True),
        (sessions.end_sessions, (ada.id,), [Subject.USER], True),
        (passwords.set_password, (ada.id, "hash", False), [Subject.USER], True),
        (api_keys.update_key, (PERSONAL, key.id, {"read_only": True}), [Subject.KEY], True),
        (api_keys.rotate_key, (PERSONAL, key.id, b"another digest", "hint", 0), [Subject.KEY], True),
        (api_keys.revoke_key, (PERSONAL, key.id), [Subject.KEY], True),
        (users.update_user, (ada.id, UserChange(role=Role.VIEWER), None), [Subject.USER], True),
        (users.delete_user, (ada.id, None), [Subject.USER], True),
    ]
    for statement, args, expected, waits in cases:
        waited, before = Waits(engine, monkeypatch), (await engine.auth_revision()).number
        await engine.write(statement, *args)
        assert await subjects(engine, before) == expected, statement
        assert (waited.count == 1) is waits, statement


async def test_sweeps_revoke_nothing(engine: Engine, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await add_key(engine, (await add_user(engine)).id)
    await begin(engine, clock)
    await engine.write(api_keys.revoke_key, PERSONAL, key.id)
    waited, before = Waits(engine, monkeypatch), (await engine.auth_revision()).number
    clock.advance(365 * 86_400)
    assert await engine.stage(sessions.sweep_sessions, 10) == 1
    assert await engine.stage(api_keys.sweep_keys, clock.time, 10) == 1
    assert (waited.count, (await engine.auth_revision()).number) == (0, before)


async def test_other_writes_do_not_wait_with_a_revocation(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine._lease, "_seconds", 3600.0)
    revocation = asyncio.create_task(engine.write(revoke, Subject.USER, 1))
    async with asyncio.timeout(20):
        while not await engine.read(lambda tx: tx.row("SELECT 1 FROM auth_changes")):
            await asyncio.sleep(0.001)
        await engine.write(recorded, Subject.SESSION, "s")
    assert not revocation.done()
    revocation.cancel()


async def test_another_process_learns_of_a_change_within_the_lease(new_url: Callable[[], str]) -> None:
    url = new_url()
    one, other = open_engine(url), open_engine(url)
    try:
        before = (await other.auth_revision()).number
        await one.write(revoke, Subject.USER, 1)
        for engine in (one, other):
            assert (await engine.auth_revision()).number == before + 1
    finally:
        await one.close()
        await other.close()


async def test_a_lease_is_counted_from_before_the_read() -> None:
    reads: list[float] = []

    def read() -> AuthRevision:
        reads.append(boottime())
        while boottime() < reads[-1] + 0.05:
            pass
        return AuthRevision(0, len(reads))

    lease = RevisionLease(read, 0.04)
    assert [lease.revision().number, lease.revision().number] == [1, 2]  # the read took longer than the lease lasts


async def test_a_lease_holds_until_it_ends() -> None:
    reads = iter(range(10))
    lease = RevisionLease(lambda: AuthRevision(0, next(reads)), 3600)
    assert [lease.revision().number for _ in range(3)] == [0, 0, 0]
    lease.end()
    assert lease.revision().number == 1


async def test_a_lease_that_cannot_be_renewed_fails_closed() -> None:
    def away() -> AuthRevision:
        raise Unavailable("the store is away")

    lease = RevisionLease(away, 3600)
    for _ in range(2):
        with pytest.raises(Unavailable):
            lease.revision()


async def test_waiting_out_a_lease_takes_no_less_than_it() -> None:
    lease = RevisionLease(lambda: AuthRevision(0, 1), 0.02)
    committed = boottime()
    await lease.wait_out(committed)
    assert boottime() >= committed + 0.02
