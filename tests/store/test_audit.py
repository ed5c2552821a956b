"""The contract of the store about the audit log."""

import itertools
from dataclasses import replace

import pytest

from phoenix_grpc.model import AuditEvent
from phoenix_grpc.store import audit
from phoenix_grpc.store.audit import EventFilter
from phoenix_grpc.store.engine import Engine

ALL = EventFilter()


def event(time: int, action: str = "login", actor: int | None = None) -> AuditEvent:
    return AuditEvent(action, allowed=True, created_at=time, actor_user_id=actor)


async def times(engine: Engine, wanted: EventFilter = ALL, before: tuple[int, int] | None = None) -> list[int]:
    return [found.created_at for found in await engine.read(audit.list_events, wanted, before, 100)]


async def test_an_event_is_read_as_it_was_recorded(engine: Engine) -> None:
    sent = AuditEvent(
        "refusal", False, 5, 7, "e", "SESSION", "c", "t", "m", "r", "a", "i", 3, "n", 8, "d", 9, 10, 11, 12, 13
    )
    await engine.write(audit.record, [sent])
    (found,) = await engine.read(audit.list_events, ALL, None, 10)
    assert found == replace(sent, id=1)


async def test_nothing_to_record_is_nothing(engine: Engine) -> None:
    await engine.write(audit.record, [])
    assert await times(engine) == []


async def test_events_are_listed_newest_first_whenever_they_were_written(engine: Engine) -> None:
    for time in (3, 1, 2):
        await engine.write(audit.record, [event(time)])
    assert await times(engine) == [3, 2, 1]


async def test_pages_join_without_gap_or_repetition(engine: Engine) -> None:
    await engine.write(audit.record, [event(time // 3) for time in range(20)])
    found: list[AuditEvent] = []
    for size in itertools.cycle((1, 2, 3)):
        before = (found[-1].created_at, found[-1].id) if found else None
        page = await engine.read(audit.list_events, ALL, before, size)
        if not page:
            break
        found += page
    assert [one.id for one in found] == list(range(20, 0, -1))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EventFilter(actor_user_id=1), [4, 1]),
        (EventFilter(action="b"), [4, 3]),
        (EventFilter(actor_user_id=1, action="b"), [4]),
        (EventFilter(start=2), [4, 3, 2]),
        (EventFilter(end=2), [1]),
        (EventFilter(start=2, end=4), [3, 2]),
        (EventFilter(action="nothing"), []),
        (EventFilter(actor_email="1@x"), [4, 1]),
        (EventFilter(dataset_id=1), [3]),
        (EventFilter(dataset_name="d"), [4, 3]),
        (EventFilter(dataset_name="d", actor_email="1@x"), [4]),
        (EventFilter(allowed=False), [2]),
        (EventFilter(allowed=True), [4, 3, 1]),
    ],
)
async def test_filters_narrow_the_list(engine: Engine, wanted: EventFilter, expected: list[int]) -> None:
    events = [
        event(1, "a", 1),
        replace(event(2, "a", 2), allowed=False),
        replace(event(3, "b", None), dataset_id=1, dataset_name="d"),
        replace(event(4, "b", 1), dataset_id=2, dataset_name="d"),
    ]
    await engine.write(audit.record, [replace(one, actor_email=f"{one.actor_user_id or ''}@x") for one in events])
    assert await times(engine, wanted) == expected
