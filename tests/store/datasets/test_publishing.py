"""Publishing in steps: nothing is seen before the last one, nothing is left of one that died, nobody is overtaken."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from phoenix_grpc.errors import Aborted, AlreadyExists, Unavailable
from phoenix_grpc.store.datasets import changes, claims, datasets, examples, publishing, splits, writing
from phoenix_grpc.store.datasets.changes import Change
from phoenix_grpc.store.datasets.claims import DatasetBusy
from phoenix_grpc.store.datasets.examples import ExampleRef
from phoenix_grpc.store.datasets.uploads import Publication, Published
from phoenix_grpc.store.engine import Engine, Transaction
from tests.store.keeper import Keeper, named, record

FIRST = [record(number, external_id=f"e{number}", splits=["a", "b"][: number % 3]) for number in range(9)]
# Some stay, some change, some go, some come; splits change and come.
SECOND = [
    record("same" if number % 2 else number, external_id=f"e{number}", splits=["b", "new"][: number % 3])
    for number in range(3, 15)
]


class Died(BaseException):
    """The process is gone."""


class Steps:
    """An engine that calls a hook before each step that writes.

    Arguments:
        hook: is told how many steps there were; what it raises ends the process.
    """

    def __init__(self, engine: Engine, hook: Callable[[int], Awaitable[None]]) -> None:
        self._engine = engine
        self._hook = hook
        self.count = 0
        self.dead = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)
        if name not in ("stage", "fill", "write"):
            return method

        async def stepped(*args: Any, **kwargs: Any) -> Any:
            if self.dead:
                raise Unavailable("this process is gone")
            self.count += 1
            try:
                await self._hook(self.count)
            except Died:
                self.dead = True
                raise
            return await method(*args, **kwargs)

        return stepped


def dying_at(step: int) -> Callable[[int], Awaitable[None]]:
    """A hook by which the process dies before a step."""

    async def die(count: int) -> None:
        if count == step:
            raise Died

    return die


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows make many steps."""
    monkeypatch.setattr(writing, "WINDOW_ROWS", 2)
    monkeypatch.setattr(writing, "MAX_WINDOW_ROWS", 2)
    monkeypatch.setattr(claims, "_WINDOW", 2)


async def publish_in_steps(
    keeper: Keeper, hook: Callable[[int], Awaitable[None]], records: Any = SECOND, **choices: Any
) -> Published:
    """Publishes records as a mirror, with a hook before each step."""
    upload_id = await keeper.stage(records)
    steps: Any = Steps(keeper.engine, hook)
    publication = Publication(named("d"), **{"action": "UPDATE", **choices})
    return await publishing.publish(steps, upload_id, publication, steps.write)


async def state(keeper: Keeper) -> Any:
    """All that can be seen of the dataset: every version, the splits and their counts, the history of examples."""
    dataset = await keeper.dataset()
    versions = await keeper.engine.read(lambda tx: tx.rows("SELECT id, live_count FROM versions ORDER BY id"))
    found = await keeper.engine.read(splits.list_splits, named("d"), None, 100)
    histories = [
        [
            (one.kind, one.version_id, one.content)
            for one in await keeper.engine.read(
                examples.read_history, dataset.id, example_id, dataset.latest_version_id
            )
        ]
        for example_id in range(1, 30)
    ]
    members = [
        [row[0] for row in await keeper.rows(dataset.id, dataset.latest_version_id, split_ids=[split.id])]
        for split in found
    ]
    return (
        dataset,
        [(version, await keeper.contents(version_id=version[0], limit=3)) for version in versions],
        [(split.name, split.example_count) for split in found],
        members,
        await keeper.splits(),
        histories,
    )


def shown(state: Any) -> Any:
    """What must be equal of two stores that differ in their numbers."""
    dataset, versions, split_counts, members, names, _ = state
    contents = [(count, content) for (_, count), content in versions]
    return dataset.example_count, contents, sorted(split_counts), [len(one) for one in members], names


async def expire_claim(engine: Engine) -> None:
    """The publisher seems to have died long ago."""
    await engine.write(lambda tx: tx.run("UPDATE datasets SET publishing_until = 0"))


async def test_nothing_is_seen_before_the_last_step(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    before = await state(keeper)
    steps = []

    async def look(count: int) -> None:
        steps.append(count)
        assert await state(keeper) == before

    published = await publish_in_steps(keeper, look)
    assert len(steps) > 15
    assert (published.created, published.deleted) == (6, 3)
    after = await state(keeper)
    contents = ["same" if number % 2 else number for number in range(3, 15)]
    assert await keeper.contents() == contents
    assert dict(after[2]) == {"a": 0, "b": 8, "new": 4}
    assert await keeper.contents(version_id=before[0].latest_version_id) == list(range(9))


@pytest.mark.parametrize("mine", ["UPDATE", "APPEND"])
async def test_what_a_publisher_that_died_has_written_is_undone(new_engine: Any, mine: str) -> None:
    fresh = Keeper(new_engine())
    await fresh.upload(FIRST)
    await fresh.upload(SECOND, mine)
    expected = shown(await state(fresh))
    died_at = 0
    while True:
        died_at += 1
        keeper = Keeper(new_engine())
        await keeper.upload(FIRST)
        before = await state(keeper)

        async def die(count: int, died_at: int = died_at) -> None:
            if count == died_at:
                raise Died

        try:
            await publish_in_steps(keeper, die, action=mine)
        except Died:
            assert await state(keeper) == before
            await expire_claim(keeper.engine)
            for dataset_id in await keeper.engine.read(claims.abandoned) if died_at % 2 else []:
                await claims.undo(keeper.engine, dataset_id)
                assert await state(keeper) == before
                rows = await keeper.engine.read(lambda tx: tx.one("SELECT COUNT(*) FROM revisions"))
                assert rows == (9,)
            await keeper.upload(SECOND, mine)
            assert shown(await state(keeper)) == expected
        else:
            break
    assert died_at > 10
    assert shown(await state(keeper)) == expected


async def test_a_new_dataset_of_a_publisher_that_died_is_swept(keeper: Keeper) -> None:
    die = dying_at(6)
    with pytest.raises(Died):
        await publish_in_steps(keeper, die, action="CREATE")
    hidden = "SELECT COUNT(*) FROM datasets"
    assert await keeper.engine.read(lambda tx: tx.one(hidden)) == (1,)
    assert await keeper.engine.stage(datasets.sweep_datasets, 100) == 0  # its publisher may live
    await keeper.upload([record("other")], "CREATE")
    await expire_claim(keeper.engine)
    while await keeper.engine.stage(datasets.sweep_datasets, 100):
        pass
    assert await keeper.engine.read(lambda tx: tx.one(hidden)) == (1,)
    assert await keeper.contents() == ["other"]


async def test_a_publisher_that_was_only_thought_dead_ends_without_a_trace(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    overtaken = []

    async def overtake(count: int) -> None:
        if count == 9:
            await expire_claim(keeper.engine)
            overtaken.append(await keeper.upload([record("other", external_id="x")]))

    with pytest.raises(Unavailable, match="another upload took its turn"):
        await publish_in_steps(keeper, overtake)
    assert overtaken
    assert await keeper.contents() == [*range(9), "other"]
    published = await keeper.upload(SECOND, "UPDATE")
    assert (published.created, published.deleted) == (6, 4)


async def test_a_step_that_a_failover_undid_is_noticed(keeper: Keeper) -> None:
    """A standby that had not got the last step becomes the primary, and the publisher goes on there."""
    await keeper.upload(FIRST)
    before, noticed = await state(keeper), 0

    async def steps_taken() -> int:
        return await keeper.engine.read(lambda tx: int(tx.one("SELECT publishing_step FROM datasets")[0]))

    for lost in range(1, 60):
        taken = [0]

        async def undo_step(count: int, lost: int = lost, taken: list[int] = taken) -> None:
            now_taken = await steps_taken()
            if count == lost:
                undone = "UPDATE datasets SET publishing_step = :step WHERE publishing > 0 AND publishing_step > :step"
                if not await keeper.engine.write(lambda tx: tx.run(undone, {"step": taken[0]})):
                    raise Died  # the step before wrote nothing
            taken[0] = now_taken

        try:
            await publish_in_steps(keeper, undo_step)
        except Died:
            await expire_claim(keeper.engine)
            await claims.undo(keeper.engine, before[0].id)
        except Unavailable:
            noticed += 1
        else:
            break
        assert await state(keeper) == before
    assert noticed >= 3


async def test_a_dataset_that_is_deleted_meanwhile_stays_deleted(keeper: Keeper) -> None:
    await keeper.upload(FIRST)

    async def delete(count: int) -> None:
        if count == 9:
            await keeper.engine.write(datasets.delete_dataset, named("d"), "")

    with pytest.raises(Aborted, match="deleted meanwhile"):
        await publish_in_steps(keeper, delete)
    while await keeper.engine.stage(datasets.sweep_datasets, 100):
        pass
    for table in ("datasets", "revisions", "examples", "split_members", "splits"):
        assert await keeper.engine.read(lambda tx, table=table: tx.one(f"SELECT COUNT(*) FROM {table}")) == (0,), table


@pytest.mark.parametrize("action", ["APPEND", "UPDATE"])
async def test_an_upload_goes_into_a_dataset_that_another_one_made_meanwhile(keeper: Keeper, action: str) -> None:
    async def create(count: int) -> None:
        if count == 6:
            await keeper.upload([record("other", external_id="e3"), record("more", external_id="x")], "CREATE")

    published = await publish_in_steps(keeper, create, action=action)
    assert not published.is_new
    assert (published.created, published.updated, published.deleted) == (11, 1, int(action == "UPDATE"))
    assert len(await keeper.contents()) == 12 + (action == "APPEND")


async def test_a_name_that_was_taken_meanwhile_is_refused_for_create(keeper: Keeper) -> None:
    async def create(count: int) -> None:
        if count == 6:
            await keeper.upload([record("other")], "CREATE")

    with pytest.raises(AlreadyExists):
        await publish_in_steps(keeper, create, action="CREATE")
    assert await keeper.contents() == ["other"]


async def test_small_changes_wait_for_a_publication(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    dataset = await keeper.dataset()
    change, name = Change(named("d")), ExampleRef(None, "e5", "e5")
    waiting: list[Callable[[Transaction], object]] = [
        lambda tx: changes.append_examples(tx, change, [record("x")]),
        lambda tx: changes.delete_examples(tx, change, [ExampleRef(None, "e7", "e7")]),
        lambda tx: splits.create_split(tx, named("d"), "c", None, "#000000", "{}", [name]),
        lambda tx: splits.update_split(tx, named("d"), 1, {}, [name], []),
        lambda tx: splits.delete_split(tx, named("d"), 1),
        lambda tx: claims.claim(tx, dataset.id, 999),
    ]
    tried = 0

    async def change_all(count: int) -> None:
        nonlocal tried
        if count in (5, 12):
            for act in waiting:
                with pytest.raises(DatasetBusy) as caught:
                    await keeper.engine.write(act)
                assert (caught.value.dataset_id, caught.value.dead) == (dataset.id, False)
                tried += 1

    await publish_in_steps(keeper, change_all)
    assert tried == 12
    for act in waiting[:-1]:
        await publishing.unclaimed(keeper.engine, lambda act=act: keeper.engine.write(act))


async def test_records_that_are_lost_before_they_are_matched_are_missed(keeper: Keeper) -> None:
    upload_id = await keeper.stage(FIRST)
    await keeper.engine.stage(lambda tx: tx.run("DELETE FROM staged_examples WHERE ordinal = 4"))
    with pytest.raises(Unavailable, match="send it again"):
        await keeper.publish(upload_id, Publication(named("d"), "APPEND"))


async def test_records_that_are_lost_while_they_are_written_are_missed(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    before = await state(keeper)

    async def lose(count: int) -> None:
        if count == 12:
            for table in ("staged_examples", "staged_splits", "upload_matches"):
                await keeper.engine.stage(lambda tx, table=table: tx.run(f"DELETE FROM {table}"))

    with pytest.raises(Unavailable, match="send it again"):
        await publish_in_steps(keeper, lose)
    assert await state(keeper) == before


async def test_records_that_only_change_splits_are_missed_as_well(keeper: Keeper) -> None:
    await keeper.upload([record(number, external_id=f"e{number}", splits=["a"]) for number in range(9)])
    before = await state(keeper)

    async def lose(count: int) -> None:
        if count == 8:
            for table in ("staged_examples", "staged_splits", "upload_matches"):
                await keeper.engine.stage(lambda tx, table=table: tx.run(f"DELETE FROM {table}"))

    regrouped = [record(number, external_id=f"e{number}", splits=["b"]) for number in range(9)]
    with pytest.raises(Unavailable, match="send it again"):
        await publish_in_steps(keeper, lose, regrouped)
    assert await state(keeper) == before


async def test_records_that_are_lost_while_they_are_matched_are_missed(keeper: Keeper) -> None:
    await keeper.upload(FIRST)

    async def lose(count: int) -> None:
        if count == 2:
            await keeper.engine.stage(lambda tx: tx.run("DELETE FROM staged_examples"))

    with pytest.raises(Unavailable, match="send it again"):
        await publish_in_steps(keeper, lose, [record(number, example_id=number + 1) for number in range(3)])


async def test_who_undoes_a_publication_and_was_thought_dead_undoes_no_other(keeper: Keeper) -> None:
    await keeper.upload(FIRST)

    die = dying_at(12)
    with pytest.raises(Died):
        await publish_in_steps(keeper, die)
    await expire_claim(keeper.engine)
    dataset = await keeper.dataset()
    later = []

    async def sleep(count: int) -> None:
        if count == 3:  # it sleeps between two steps
            await expire_claim(keeper.engine)
            await keeper.upload(SECOND)
            later.append(await state(keeper))
            with pytest.raises(Died):
                await publish_in_steps(keeper, die)
            await expire_claim(keeper.engine)
            dying: Any = Steps(keeper.engine, dying_at(4))
            with pytest.raises(Died):
                await claims.undo(dying, dataset.id)

    sleeper: Any = Steps(keeper.engine, sleep)
    with pytest.raises(Unavailable, match="another upload took its turn"):
        await claims.undo(sleeper, dataset.id)
    assert await state(keeper) == later[0]


async def test_an_undoing_of_which_a_failover_took_a_step_back_is_begun_anew(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    before = await state(keeper)

    die = dying_at(12)
    with pytest.raises(Died):
        await publish_in_steps(keeper, die)
    await expire_claim(keeper.engine)

    async def take_back(count: int) -> None:
        if count == 4:
            taken = "UPDATE datasets SET publishing_step = publishing_step - 1"
            await keeper.engine.write(lambda tx: tx.run(taken))

    steps: Any = Steps(keeper.engine, take_back)
    with pytest.raises(Unavailable):
        await claims.undo(steps, before[0].id)
    assert await keeper.engine.read(lambda tx: tx.one("SELECT COUNT(*) FROM datasets WHERE publishing > 0")) == (1,)
    await expire_claim(keeper.engine)
    await claims.undo(keeper.engine, before[0].id)
    assert await state(keeper) == before
    assert await keeper.engine.read(lambda tx: tx.one("SELECT COUNT(*) FROM revisions")) == (9,)


async def test_who_undoes_loses_the_claim_to_another(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    dataset = await keeper.dataset()
    await keeper.engine.stage(claims.claim, dataset.id, 999)
    first = await keeper.engine.stage(claims._take_over, dataset.id, 999)
    await expire_claim(keeper.engine)
    second = await keeper.engine.stage(claims._take_over, dataset.id, None)
    assert first
    assert second
    with pytest.raises(Unavailable, match="another upload took its turn"):
        await keeper.engine.stage(claims.renew, dataset.id, first.claim_id)
    await keeper.engine.stage(claims.renew, dataset.id, second.claim_id)


@pytest.mark.parametrize("chars", [None, 10])
async def test_long_examples_are_undone_a_few_at_a_time(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, chars: int | None
) -> None:
    await keeper.upload(FIRST)

    die = dying_at(14)
    with pytest.raises(Died):
        await publish_in_steps(keeper, die)
    monkeypatch.setattr(claims, "_WINDOW", 1000)
    if chars:
        monkeypatch.setattr(claims, "MAX_CHARS", chars)
    await expire_claim(keeper.engine)

    async def go_on(count: int) -> None:
        pass

    steps: Any = Steps(keeper.engine, go_on)
    await claims.undo(steps, (await keeper.dataset()).id)
    assert steps.count > 4 if chars else steps.count == 3
    assert await keeper.contents() == list(range(9))


async def test_a_new_dataset_that_is_swept_already_is_not_published(keeper: Keeper) -> None:
    swept = []

    async def sweep(count: int) -> None:
        if count == 7:
            await expire_claim(keeper.engine)
            swept.append(await keeper.engine.stage(datasets.sweep_datasets, 1))

    with pytest.raises((Unavailable, Aborted)):
        await publish_in_steps(keeper, sweep, action="CREATE")
    assert swept == [1]
    while await keeper.engine.stage(datasets.sweep_datasets, 100):
        pass
    for table in ("datasets", "revisions", "examples", "split_members", "splits"):
        assert await keeper.engine.read(lambda tx, table=table: tx.one(f"SELECT COUNT(*) FROM {table}")) == (0,), table


async def test_a_new_dataset_that_is_published_in_time_is_not_swept(keeper: Keeper) -> None:
    # Its claim was over, and nobody had taken it yet.
    async def expire(count: int) -> None:
        await expire_claim(keeper.engine)

    await publish_in_steps(keeper, expire, action="CREATE")
    assert await keeper.engine.stage(datasets.sweep_datasets, 100) == 0
    assert len(await keeper.contents()) == 12


async def test_a_change_does_not_wait_for_the_row_of_a_claimed_dataset(keeper: Keeper) -> None:
    await keeper.upload(FIRST)
    dataset = await keeper.dataset()
    tried = []

    def claimed(tx: Transaction) -> object:
        with pytest.raises(DatasetBusy):
            claims.hold(tx, dataset.id)
        tried.append(tx.rows("SELECT change FROM datasets WHERE id = :id", {"id": dataset.id}))
        return None

    async def look(count: int) -> None:
        if count == 5:
            await keeper.engine.read(claimed)  # nothing is written, or this would fail

    await publish_in_steps(keeper, look)
    assert tried


async def test_memberships_that_a_publication_under_way_has_ended_are_not_swept(keeper: Keeper) -> None:
    await keeper.upload([record(number, external_id=f"e{number}", splits=["s"]) for number in range(9)], name="other")
    await keeper.upload([record(number, external_id=f"e{number}", splits=["s"]) for number in range(9)])
    swept = []

    async def sweep(count: int) -> None:
        swept.append(await keeper.engine.stage(splits.sweep_memberships, 100))

    await publish_in_steps(keeper, sweep, [record(number, external_id=f"e{number}", splits=[]) for number in range(9)])
    assert set(swept) == {0}
    assert await keeper.engine.stage(splits.sweep_memberships, 100) == 9
    assert await keeper.splits("other") == dict.fromkeys(range(9), ("s",))


async def test_memberships_that_ended_are_swept_and_may_begin_anew(keeper: Keeper) -> None:
    await keeper.upload([record(1, external_id="a", splits=["s"]), record(2, external_id="b", splits=["s"])])
    await keeper.upload([record(1, external_id="a", splits=[]), record(2, external_id="b", splits=[])])
    assert await keeper.splits() == {}
    await keeper.upload([record(1, external_id="a", splits=["s"])])
    assert await keeper.splits() == {1: ("s",)}
    assert await keeper.engine.stage(splits.sweep_memberships, 10) == 1
    assert await keeper.engine.stage(splits.sweep_memberships, 10) == 0
    assert await keeper.splits() == {1: ("s",)}
