"""Uploads that write into a new dataset as their records come: nothing is seen, lost or left that should not be."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_grpc.errors import AlreadyExists, Error, Invalid, InvalidRecord, Unavailable
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Record, now
from phoenix_grpc.store.datasets import datasets, in_place, publishing, splits, uploads, writing
from phoenix_grpc.store.datasets.references import lookup_dataset
from phoenix_grpc.store.datasets.uploads import Publication
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from tests.store.datasets.test_publishing import Died, Steps, expire_claim
from tests.store.keeper import Keeper, named, record

TABLES = ("datasets", "revisions", "examples", "split_members", "splits", "versions")
MINE = [record(number, external_id=f"e{number}", splits=["a", "b"][: number % 3] or None) for number in range(9)]
THEIRS = [record("other", external_id="e3", splits=["b"]), record("more", external_id="x", splits=["c"])]


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows make many steps."""
    monkeypatch.setattr(writing, "WINDOW_ROWS", 2)
    monkeypatch.setattr(writing, "MAX_WINDOW_ROWS", 2)


async def everything(keeper: Keeper) -> Any:
    """All that can be seen of the dataset, without its numbers."""
    dataset = await keeper.dataset()
    found = await keeper.engine.read(splits.list_splits, named("d"), None, 100)
    return (
        dataset.example_count,
        await keeper.contents(limit=3),
        await keeper.splits(),
        sorted((split.name, split.example_count) for split in found),
    )


async def sweep(keeper: Keeper) -> dict[str, int]:
    """How many rows of each table are left when all that is over is swept."""
    for each in (datasets.sweep_datasets, uploads.sweep_uploads, splits.sweep_memberships):
        while await keeper.engine.stage(each, 100):
            pass
    left = {}
    for table in (*TABLES, "uploads", "staged_examples", "staged_splits"):
        row = await keeper.engine.read(lambda tx, table=table: tx.one(f"SELECT COUNT(*) FROM {table}"))
        left[table] = row[0]
    return {table: count for table, count in left.items() if count}


async def test_nothing_is_seen_before_it_is_published(keeper: Keeper) -> None:
    publication = Publication(named("d"), "CREATE", description="mine", version_description="first")
    upload_id, written = await keeper.write(MINE, publication, batch=5)
    assert written
    assert await keeper.engine.read(lookup_dataset, named("d")) is None
    assert await keeper.engine.read(datasets.list_datasets, datasets.DatasetFilter(), "name", None, 10) == []
    assert (await sweep(keeper))["revisions"] == 9  # it lives
    published = await keeper.publish(upload_id, publication, written)
    assert (published.is_new, published.created, published.dataset.description) == (True, 9, "mine")
    assert published.version
    assert (published.version.description, published.version.created_count) == ("first", 9)
    assert await everything(keeper) == (
        9,
        list(range(9)),
        {1: ("a",), 2: ("a", "b"), 4: ("a",), 5: ("a", "b"), 7: ("a",), 8: ("a", "b")},
        [("a", 6), ("b", 3)],
    )
    left = await sweep(keeper)
    assert left == {**left, "datasets": 1, "revisions": 9, "versions": 1}
    assert not {"uploads", "staged_examples", "staged_splits"} & left.keys()


@pytest.mark.parametrize(
    "publication",
    [
        Publication(named("d"), "APPEND", validate_only=True),
        Publication(named("d"), "APPEND", base_version_id=3),
        Publication(named("there"), "APPEND"),
    ],
)
async def test_what_has_to_be_matched_is_not_written_in_place(keeper: Keeper, publication: Publication) -> None:
    await keeper.upload([record(1)], name="there")
    _, written = await keeper.write(MINE, publication)
    assert written is None


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([record(1, external_id="x"), record(2, external_id="x")], "record 2: the id 'x' occurs twice"),
        ([*MINE, record("again", external_id="e0")], "record 10: the id 'e0' occurs twice"),
        ([*MINE, record("by id", example_id=1)], f"record 10: the example {encode_id('DatasetExample', 1)} is not in"),
    ],
)
async def test_records_that_no_new_dataset_can_have_are_refused_by_who_publishes(
    keeper: Keeper, records: Sequence[Record], problem: str
) -> None:
    publication = Publication(named("d"), "APPEND")
    upload_id, written = await keeper.write([*records, record("later")], publication, batch=3)
    with pytest.raises(Invalid) as caught:
        await keeper.publish(upload_id, publication, written)
    assert problem in str(caught.value)
    await keeper.engine.stage(uploads.discard_upload, upload_id)
    assert await sweep(keeper) == {}


async def test_a_record_with_a_flaw_is_refused(keeper: Keeper) -> None:
    flaw = json.dumps({"line": 7, "description": "is wrong", "part": "input"})
    publication = Publication(named("d"), "APPEND")
    upload_id, written = await keeper.write([*MINE, record(1)._replace(flaw=flaw)], publication)
    with pytest.raises(InvalidRecord, match="is wrong"):
        await keeper.publish(upload_id, publication, written)


@pytest.mark.parametrize("action", ["APPEND", "UPDATE"])
async def test_records_are_matched_with_a_dataset_that_came_into_being_meanwhile(
    new_engine: Callable[[], Engine], action: uploads.Action
) -> None:
    expected = Keeper(new_engine())
    await expected.upload(THEIRS, "CREATE")
    await expected.upload(MINE, action)
    keeper, publication = Keeper(new_engine()), Publication(named("d"), action)
    upload_id, written = await keeper.write(MINE, publication)
    await keeper.upload(THEIRS, "CREATE")
    published = await keeper.publish(upload_id, publication, written)
    assert (published.is_new, published.created, published.updated) == (False, 8, 1)
    assert await everything(keeper) == await everything(expected)
    await keeper.engine.stage(uploads.discard_upload, upload_id)
    assert (await sweep(keeper))["datasets"] == 1


async def test_a_name_that_was_taken_meanwhile_is_refused_for_create(keeper: Keeper) -> None:
    publication = Publication(named("d"), "CREATE")
    upload_id, written = await keeper.write(MINE, publication)
    await keeper.upload(THEIRS, "CREATE")
    with pytest.raises(AlreadyExists):
        await keeper.publish(upload_id, publication, written)
    assert await keeper.contents() == ["other", "more"]
    assert (await sweep(keeper))["revisions"] == 2


async def test_a_record_that_leaves_its_splits_is_not_matched_by_guess(keeper: Keeper) -> None:
    publication = Publication(named("d"), "APPEND")
    upload_id, written = await keeper.write([record(1, external_id="e3", splits=[])], publication)
    await keeper.upload(THEIRS, "CREATE")
    with pytest.raises(Unavailable, match="send this one again"):
        await keeper.publish(upload_id, publication, written)
    assert await keeper.splits() == {"other": ("b",), "more": ("c",)}


async def test_the_name_is_free_while_an_upload_lives_and_what_died_is_swept_after_its_lease(keeper: Keeper) -> None:
    _, written = await keeper.write(MINE, Publication(named("d"), "CREATE"))
    assert written
    until = await keeper.engine.read(lambda tx: tx.one("SELECT publishing_until FROM datasets"))
    assert until[0] > now() + uploads.LEASE_MICROS - 60_000_000
    await keeper.upload(THEIRS, "CREATE")
    assert (await sweep(keeper))["datasets"] == 2
    await expire_claim(keeper.engine)
    await keeper.engine.write(lambda tx: tx.run("UPDATE uploads SET lease_expires_at = 0"))
    left = await sweep(keeper)
    assert (left["datasets"], left["revisions"], "uploads" in left) == (1, 2, False)
    assert await keeper.contents() == ["other", "more"]


async def test_an_upload_that_was_swept_is_refused(keeper: Keeper) -> None:
    publication = Publication(named("d"), "CREATE")
    upload_id, written = await keeper.write(MINE, publication)
    assert written
    await expire_claim(keeper.engine)
    await sweep(keeper)
    with pytest.raises(Error, match=r"deleted meanwhile|interrupted"):
        await in_place.write(keeper.engine, written, [record("late")])
    with pytest.raises(Error, match=r"deleted meanwhile|interrupted"):
        await keeper.publish(upload_id, publication, written)
    assert (await sweep(keeper)).keys() == {"uploads"}  # its lease goes on


async def test_a_step_that_a_failover_undid_is_noticed(keeper: Keeper) -> None:
    publication = Publication(named("d"), "CREATE")
    upload_id, written = await keeper.write(MINE, publication)
    await keeper.engine.write(lambda tx: tx.run("UPDATE datasets SET publishing_step = publishing_step - 1"))
    with pytest.raises(Unavailable, match="send the upload again"):
        await keeper.publish(upload_id, publication, written)


async def test_whoever_dies_while_it_stages_again_leaves_nothing(keeper: Keeper) -> None:
    publication, died = Publication(named("d"), "APPEND"), 0
    await keeper.upload(THEIRS, "CREATE", name="elsewhere")
    while True:
        upload_id, written = await keeper.write(MINE, publication)
        await keeper.upload(THEIRS, "CREATE")
        died += 1

        async def die(count: int, died_at: int = died) -> None:
            if count == died_at:
                raise Died

        steps: Any = Steps(keeper.engine, die)
        try:
            await publishing.publish(steps, upload_id, publication, steps.write, written)
        except Died:
            assert await keeper.contents() == ["other", "more"]
        else:
            break
        await expire_claim(keeper.engine)
        await keeper.engine.write(lambda tx: tx.run("UPDATE uploads SET lease_expires_at = 0"))
        await keeper.engine.write(datasets.delete_dataset, named("d"), "")
        left = await sweep(keeper)
        assert (left["datasets"], left["revisions"], "staged_examples" in left) == (1, 2, False)
    assert died > 8
    assert len(await keeper.contents()) == 10


RECORDS = st.lists(
    st.builds(
        lambda content, external, names: record(
            content, external_id=f"e{external}" if external else None, splits=names
        ),
        st.integers(0, 3),
        st.integers(0, 12),
        st.none() | st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS, batch=st.integers(1, 5), appears=st.booleans(), theirs=RECORDS)
def test_it_makes_no_difference_how_an_upload_was_written(
    new_url: Callable[[], str], records: list[Record], batch: int, appears: bool, theirs: list[Record]
) -> None:
    async def outcome(written_in_place: bool) -> Any:
        engine = open_engine(new_url())
        try:
            return await ended(Keeper(engine), written_in_place)
        finally:
            await engine.close()

    async def ended(keeper: Keeper, written_in_place: bool) -> Any:
        publication, written = Publication(named("d"), "APPEND"), None
        if written_in_place:
            upload_id, written = await keeper.write(records, publication, batch)
        else:
            upload_id = await keeper.stage(records, batch)
        try:
            if appears:
                await keeper.upload(theirs, "CREATE")
            published = await keeper.publish(upload_id, publication, written)
        except Error as error:
            return type(error)
        return published.created, published.updated, published.is_new, await everything(keeper)

    assert asyncio.run(outcome(True)) == asyncio.run(outcome(False))
