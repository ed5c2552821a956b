"""The contract of the store about the chain of the audit log."""

import asyncio
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.model import AuditEvent
from phoenix_grpc.store import audit, audit_chain
from phoenix_grpc.store.audit_chain import GENESIS, Broken, link, verify, verify_lines
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.moving import move
from phoenix_grpc.store.opening import open_engine

RING = KeyRing("a-secret-of-more-than-32-characters")
OTHER = KeyRing("another-secret-of-over-32-characters")


def event(time: int, **fields: Any) -> AuditEvent:
    return AuditEvent("login", allowed=True, created_at=time, **fields)


async def record(engine: Engine, count: int, begin: int = 0) -> None:
    await engine.write(audit.record, [event(begin + number, actor_email=f"né{number}") for number in range(count)])


async def seal(engine: Engine, limit: int = 500) -> int:
    count = 0
    while sealed := await engine.stage(audit_chain.seal, RING.sign, limit):
        count += sealed
    return count


async def chain(engine: Engine, count: int = 7) -> None:
    """A log of so many sealed events."""
    await record(engine, count)
    await seal(engine)


async def as_lines(engine: Engine) -> list[str]:
    first, last = await engine.read(audit_chain.find_range, None, None)
    data = b"".join([part async for _, part in audit_chain.lines(engine, first, last)])
    return data.decode().splitlines()


async def test_events_are_sealed_in_their_order_in_batches_of_any_size(engine: Engine) -> None:
    assert not await engine.read(audit_chain.has_unsealed)
    await record(engine, 10)
    assert await engine.read(audit_chain.has_unsealed)
    assert (await verify(engine, RING.verifies)).unsealed == 10
    assert [await engine.stage(audit_chain.seal, RING.sign, 4) for _ in range(4)] == [4, 4, 2, 0]
    found = await verify(engine, RING.verifies)
    assert (found.first, found.last, found.unsealed, found.signed) == (1, 10, 0, True)
    events = await engine.read(audit_chain.read_sealed, 0)
    assert [(one.seq, one.event.created_at) for one in events] == [(number + 1, number) for number in range(10)]
    assert events[0].hash == link(GENESIS, events[0].facts())


async def test_all_fields_of_an_event_are_sealed(engine: Engine) -> None:
    sent = AuditEvent(
        "refusal", False, 5, 7, "e", "SESSION", "c", "t", "m", "r", "a", "i", 3, "n", 8, "d", 9, 10, 11, 12, 13
    )
    await engine.write(audit.record, [sent])
    await seal(engine)
    (line,) = await as_lines(engine)
    assert json.loads(line) == {
        "seq": 1,
        "time": "1970-01-01T00:00:00.000005+00:00",
        "action": "refusal",
        "allowed": False,
        "actor_user_id": 7,
        "actor_email": "e",
        "actor_kind": "SESSION",
        "credential_id": "c",
        "target_id": "t",
        "target_name": "n",
        "method": "m",
        "reason": "r",
        "address": "a",
        "request_id": "i",
        "count": 3,
        "dataset_id": 8,
        "dataset_name": "d",
        "version_id": 9,
        "id": 1,
        "created_count": 10,
        "updated_count": 11,
        "deleted_count": 12,
        "byte_count": 13,
        "before": GENESIS,
        "hash": json.loads(line)["hash"],
    }


async def test_processes_that_seal_at_once_take_turns(engine: Engine, new_url: Callable[[], str]) -> None:
    url = new_url()
    engines = [open_engine(url) for _ in range(3)]

    async def write(one: Engine) -> None:
        for number in range(40):
            await one.write(audit.record, [event(number)])

    async def sealing(one: Engine) -> None:
        for _ in range(60):
            await one.stage(audit_chain.seal, RING.sign, 5)

    await asyncio.gather(*(work(one) for one in engines for work in (write, sealing)))
    await seal(engines[0])
    assert (await verify(engines[1], RING.verifies)).last == 120
    for one in engines:
        await one.close()


# Each is made by somebody who may do anything to the database, but has no secret.
TAMPERINGS = {
    "a field": ("UPDATE audit_events SET actor_email = 'x' WHERE seq = 4", "event 4 was changed"),
    "a time": ("UPDATE audit_events SET created_at = created_at + 1 WHERE seq = 1", "event 1 was changed"),
    "a null": ("UPDATE audit_events SET dataset_id = 1 WHERE seq = 7", "event 7 was changed"),
    "a hash": (f"UPDATE audit_events SET hash = '{GENESIS}' WHERE seq = 3", "event 3 was changed"),
    "the first": ("DELETE FROM audit_events WHERE seq = 1", "event 1 is missing"),
    "the middle": ("DELETE FROM audit_events WHERE seq = 4", "event 4 is missing"),
    "the last": ("DELETE FROM audit_events WHERE seq = 7", "event 7 is missing"),
    "all": ("DELETE FROM audit_events", "event 1 is missing"),
    "the order": ("UPDATE audit_events SET seq = 11 - seq WHERE seq IN (4, 7)", "event 4 was changed"),
    "the head": ("UPDATE audit_chain SET head_seq = 6", "signature of the head"),
    "the head's time": ("UPDATE audit_chain SET head_time = head_time + 1", "signature of the head"),
    "the anchor": (
        "UPDATE audit_chain SET anchor_seq = 1, anchor_hash = (SELECT hash FROM audit_events WHERE seq = 1)",
        "signature of the anchor",
    ),
    "a new last one": ("UPDATE audit_events SET hash = NULL, seq = NULL WHERE seq = 7", "event 7 is missing"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_what_was_changed_afterwards_is_found(engine: Engine, name: str) -> None:
    await chain(engine)
    statement, told = TAMPERINGS[name]

    def tamper(tx: Transaction) -> None:
        audit_chain.end_append_only(tx)
        if name == "the order":  # the numbers are unique
            tx.run("UPDATE audit_events SET seq = 100 WHERE seq = 4")
            tx.run("UPDATE audit_events SET seq = 4 WHERE seq = 7")
            tx.run("UPDATE audit_events SET seq = 7 WHERE seq = 100")
        else:
            tx.run(statement)

    await engine.write(tamper)
    with pytest.raises(Broken, match=told):
        await verify(engine, RING.verifies)


async def test_a_chain_that_was_made_anew_without_the_secret_is_found(engine: Engine) -> None:
    await chain(engine)

    def forge(tx: Transaction) -> None:
        audit_chain.end_append_only(tx)
        tx.run("UPDATE audit_events SET actor_email = 'x', seq = NULL, hash = NULL")
        tx.run(f"UPDATE audit_chain SET head_seq = 0, head_hash = '{GENESIS}'")

    await engine.write(forge)
    await engine.stage(audit_chain.seal, OTHER.sign)
    assert not (await verify(engine, None)).signed
    with pytest.raises(Broken, match="signature of the head"):
        await verify(engine, RING.verifies)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET actor_email = 'x' WHERE seq = 2",
        "UPDATE audit_events SET hash = '' WHERE seq = 2",
        "UPDATE audit_events SET seq = NULL, hash = NULL WHERE seq = 2",
        "UPDATE audit_events SET seq = 9, hash = '', dataset_id = 3 WHERE seq IS NULL",
        "DELETE FROM audit_events WHERE seq IS NULL",
    ],
)
async def test_the_database_refuses_to_change_the_log(engine: Engine, statement: str) -> None:
    await chain(engine)
    await record(engine, 1, 100)
    with pytest.raises(Exception, match="append-only"):
        await engine.write(lambda tx: tx.run(statement))
    await seal(engine)
    assert (await verify(engine, RING.verifies)).last == 8


async def test_what_is_removed_for_its_age_leaves_an_anchor(engine: Engine) -> None:
    await chain(engine, 10)
    assert [await engine.stage(audit_chain.remove, 7, 4, RING.sign) for _ in range(3)] == [4, 3, 0]
    found = await verify(engine, RING.verifies)
    assert (found.first, found.last) == (8, 10)
    await record(engine, 2, 10)
    assert await engine.stage(audit_chain.remove, 100, 50, RING.sign) == 3  # those that are not sealed stay
    await seal(engine)
    found = await verify(engine, RING.verifies)
    assert (found.first, found.last) == (11, 12)
    assert await engine.stage(audit_chain.remove, 100, 50, RING.sign) == 2
    assert (await verify(engine, RING.verifies)).last == 12
    await chain(engine, 1)
    assert (await verify(engine, RING.verifies)).first == 13
    assert len(await as_lines(engine)) == 1


async def test_an_old_event_behind_a_young_one_stays(engine: Engine) -> None:
    for time in (1, 9, 2):
        await engine.write(audit.record, [event(time)])
    await seal(engine)
    assert await engine.stage(audit_chain.remove, 5, 50, RING.sign) == 1
    assert (await verify(engine, RING.verifies)).first == 2


async def test_events_of_a_time_are_found_by_their_numbers(engine: Engine) -> None:
    await chain(engine, 10)
    for start, end, found in ((None, None, (1, 10)), (3, None, (4, 10)), (None, 3, (1, 3)), (3, 5, (4, 5))):
        assert await engine.read(audit_chain.find_range, start, end) == found
    assert await engine.read(audit_chain.find_range, 50, None) == (11, 10)
    assert await engine.read(audit_chain.find_range, None, 0) == (1, 0)


async def test_lines_begin_anywhere_but_where_the_log_does_not(engine: Engine) -> None:
    await chain(engine, 10)
    await engine.stage(audit_chain.remove, 4, 50, RING.sign)
    parts = [data async for _, data in audit_chain.lines(engine, 7, 9)]
    assert verify_lines(b"".join(parts).decode().splitlines()) == 3
    assert [seq async for seq, _ in audit_chain.lines(engine, 5, 9)] == [9]  # behind the anchor
    with pytest.raises(Broken, match="event 3 is missing"):
        await anext(audit_chain.lines(engine, 4, 9))


async def test_a_store_that_moves_takes_its_chain_along(new_engine: Callable[[], Engine]) -> None:
    source, target = new_engine(), new_engine()
    await chain(source)
    await record(source, 2, 50)
    await move(source, target, "source", "target", lambda *_: None)
    assert await seal(target) == 2
    assert (await verify(target, RING.verifies)).last == 9


FILE = [audit_chain.Sealed(1, "", event(1)), audit_chain.Sealed(2, "", event(2)), audit_chain.Sealed(3, "", event(3))]


def made_lines() -> list[str]:
    before, found = GENESIS, []
    for one in FILE:
        sealed = audit_chain.Sealed(one.seq, link(before, one.facts()), one.event)
        found.append(sealed.line(before).decode())
        before = sealed.hash
    return found


LINES = made_lines()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([LINES[0], LINES[2]], "line 2: event 3 does not follow event 1"),
        ([LINES[1], LINES[0]], "line 2: event 1 does not follow event 2"),
        ([LINES[0], LINES[0]], "line 2: event 1 does not follow event 1"),
        ([LINES[0].replace("login", "logout")], "line 1: event 1 was changed"),
        ([LINES[0], "{}"], "line 2 is no event"),
        (["[]"], "line 1 is no event"),
        (["nonsense"], "line 1 is no event"),
        (['{"before": 1, "hash": "x", "seq": 1}'], "line 1 is no event"),
    ],
)
def test_a_file_that_does_not_hold_is_told_by_its_line(lines: list[str], told: str) -> None:
    with pytest.raises(Broken, match=told):
        verify_lines(lines)


def test_a_file_that_holds_may_begin_and_end_anywhere() -> None:
    assert [verify_lines(LINES[begin:]) for begin in range(4)] == [3, 2, 1, 0]


@given(st.integers(0, 2), st.data())
def test_any_other_byte_is_found(number: int, data: st.DataObject) -> None:
    line = LINES[number]
    place = data.draw(st.integers(0, len(line) - 2))
    other = data.draw(st.characters(codec="utf-8").filter(lambda found: found != line[place]))
    changed = [*LINES]
    changed[number] = line[:place] + other + line[place + 1 :]
    with pytest.raises(Broken):
        verify_lines(changed)


def test_the_hash_is_what_its_documentation_says() -> None:
    facts = json.loads(LINES[1])
    before, found = facts.pop("before"), facts.pop("hash")
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert found == hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()
