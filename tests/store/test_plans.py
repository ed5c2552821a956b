"""No statement of a page, a point read or a small change may read more than it answers: SQLite's plans say so."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from phoenix_grpc.model import Row
from phoenix_grpc.store import audit
from phoenix_grpc.store.audit import EventFilter
from phoenix_grpc.store.datasets import changes, datasets, examples, in_place, splits, uploads, versions
from phoenix_grpc.store.datasets.changes import Change, ExampleUpdate
from phoenix_grpc.store.datasets.datasets import DatasetFilter
from phoenix_grpc.store.datasets.examples import ExampleRef, Page
from phoenix_grpc.store.datasets.publishing import publish_at_once
from phoenix_grpc.store.datasets.references import find_dataset
from phoenix_grpc.store.datasets.uploads import Publication
from phoenix_grpc.store.engine import NO_PARAMS, Engine, Params, Transaction
from tests.store.keeper import named, record

# What grows with the data: none of it may be read as a whole.
_BIG = re.compile(r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?INDEX (\w+) \((.*?)\))?")
_ALIASES = {
    "r": "revisions",
    "live": "revisions",
    "x": "revisions",
    "e": "examples",
    "c": "split_members",
    "d": "datasets",
}
_GROWING = {"revisions", "examples", "split_members", "versions", "datasets", "audit_events"}


@pytest.fixture
def kind() -> str:
    """These plans are SQLite's."""
    return "sqlite"


class Planner:
    """A transaction that notes the plan of each statement and runs it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.wide: list[str] = []
        self.details: list[str] = []

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        self._explain(sql, params)
        return self._tx.rows(sql, params)

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        self._explain(sql, params)
        return self._tx.row(sql, params)

    def scan(self, sql: str, params: Params = NO_PARAMS, chars: int = 1 << 20) -> Iterator[Row]:
        self._explain(sql, params)
        return self._tx.scan(sql, params, chars)

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        self._explain(sql, params)
        return self._tx.run(sql, params)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)

    def _explain(self, sql: str, params: Params) -> None:
        details = [row[3] for row in self._tx.rows(f"EXPLAIN QUERY PLAN {sql}", params)]
        self.details += details
        sorts = any("ORDER BY" in detail for detail in details) and "LIMIT :limit" in sql
        if sorts or any(_reads_much(detail, "LIMIT" in sql) for detail in details):
            self.wide.append(f"{sql}\n{details}")


def _reads_much(detail: str, limited: bool) -> bool:
    """Whether a step reads all of a growing table, or of a dataset's part of it, with no limit to end it."""
    step = _BIG.match(detail)
    if step is None or _ALIASES.get(step[2], step[2]) not in _GROWING:
        return False
    keys = (step[4] or "").count("?")
    return not limited and keys < 2 and "datasets" not in detail and "(id=?)" not in detail


async def plan(engine: Engine, work: Any, *args: Any) -> list[str]:
    """The statements of `work` that read much."""

    def planned(tx: Transaction) -> list[str]:
        planner = Planner(tx)
        work(planner, *args)
        return planner.wide

    return await engine.write(planned)


@pytest.fixture
async def dataset_id(engine: Engine) -> int:
    """A dataset with some versions."""
    return await make_versions(engine)


async def make_versions(engine: Engine) -> int:
    """Makes the dataset "d" of three versions and a split; returns its id."""
    for number in range(3):
        change = Publication(named("d"), "APPEND")
        upload_id = await engine.stage(uploads.begin_upload)
        records = [record(number, f"id{number}", splits=["s"])]
        await engine.stage(uploads.stage_records, upload_id, 1, records)
        published = await engine.write(publish_at_once, upload_id, change)
    return published.dataset.id


NAME = [ExampleRef(None, "id1", "id1")]


def write_in_place(tx: Transaction) -> None:
    """Begins an upload into a new dataset, writes records that name splits, and stages them again."""
    target = in_place.begin(tx, uploads.begin_upload(tx), Publication(named("new"), "APPEND"))
    assert target
    draft = target.draft
    draft.wrote += in_place.write_window(tx, target, 1, [record(1, "id0", splits=["s"]), record(2)])
    in_place.stage_window(tx, draft, 0, 1)


CALLS = [
    (examples.read_page, (1, 3, 0, 10)),
    (examples.read_page, (1, 2, 0, 10)),
    (examples.read_page, (1, 3, 0, 10, [1])),
    (examples.read_some, (1, 2, [1, 2])),
    (examples.find_examples, (1, NAME, 2)),
    (examples.find_latest, (named("d"), ExampleRef(1, None, ""))),
    (examples.read_splits, (1, Page([(1,), (2,)], None))),
    (examples.read_splits, (1, Page([(1,), (9,)], None))),
    (examples.split_names, (1, 1)),
    (examples.read_members, (1, 2, [1, 2], [1], 10)),
    (examples.read_history, (1, 1, 9)),
    (find_dataset, (named("d"),)),
    (datasets.list_datasets, (DatasetFilter(), "create_time desc", 5, 10)),
    (datasets.list_datasets, (DatasetFilter(), "name", "a", 10)),
    (datasets.list_datasets, (DatasetFilter(label_id=1), "create_time desc", None, 10)),
    (versions.list_versions, (named("d"), None, 10)),
    (splits.list_splits, (named("d"), None, 10)),
    (audit.list_events, (EventFilter(), None, 10)),
    (audit.list_events, (EventFilter(actor_user_id=1), (5, 1), 10)),
    (audit.list_events, (EventFilter(actor_email="e", start=1), (5, 1), 10)),
    (audit.list_events, (EventFilter(action="login", end=9), (5, 1), 10)),
    (audit.list_events, (EventFilter(dataset_id=1), (5, 1), 10)),
    (audit.list_events, (EventFilter(dataset_name="d"), (5, 1), 10)),
    (audit.list_events, (EventFilter(allowed=False, start=1, end=9), (5, 1), 10)),
    (changes.append_examples, (Change(named("d")), [record(1), record(7), record(8, "id0", splits=["t"])])),
    (changes.update_examples, (Change(named("d")), [ExampleUpdate(NAME[0], input="{}", splits='["t"]')])),
    (changes.delete_examples, (Change(named("d")), NAME)),
    (write_in_place, ()),
]
"""Pages, point reads and small changes of that dataset: the work of a transaction and its arguments."""


@pytest.mark.parametrize(("work", "args"), CALLS)
async def test_nothing_reads_more_than_it_answers(engine: Engine, dataset_id: int, work: Any, args: Any) -> None:
    assert await plan(engine, work, *args) == []


async def test_the_watch_sees_a_scan(engine: Engine, dataset_id: int) -> None:
    assert await plan(engine, lambda tx: tx.rows("SELECT * FROM revisions r WHERE r.died IS NULL"))
    assert await plan(engine, lambda tx: tx.rows("SELECT * FROM examples e WHERE e.dataset_id = 1"))


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (EventFilter(), "audit_events_created"),
        (EventFilter(start=1, end=9), "audit_events_created"),
        (EventFilter(actor_user_id=1, start=1), "audit_events_actor"),
        (EventFilter(actor_email="e", end=9), "audit_events_email"),
        (EventFilter(action="a", start=1, end=9), "audit_events_action"),
        (EventFilter(dataset_id=1), "audit_events_dataset"),
        (EventFilter(dataset_name="d"), "audit_events_dataset_name"),
        (EventFilter(allowed=False), "audit_events_allowed"),
    ],
)
async def test_each_filter_of_the_audit_log_has_its_index(engine: Engine, wanted: EventFilter, index: str) -> None:
    def used(tx: Transaction) -> set[str]:
        planner = Planner(tx)
        audit.list_events(planner, wanted, (5, 1), 10)
        return {name for detail in planner.details for name in re.findall(r"USING INDEX (\w+)", detail)}

    assert await engine.write(used) == {index}
