"""How uploads become versions: matching, refusals, leases, sweeping."""

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from phoenix_grpc.errors import Aborted, AlreadyExists, Invalid, InvalidRecord, NotFound, Unavailable
from phoenix_grpc.formats.canonical import content_hash
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Record, now
from phoenix_grpc.store.datasets import datasets, examples, uploads
from phoenix_grpc.store.datasets.uploads import Publication
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from tests.store.keeper import Keeper, named, numbered, record

Counts = tuple[int, int, int]


def counts(published: uploads.Published) -> Counts:
    """Created, updated, deleted."""
    return published.created, published.updated, published.deleted


@pytest.mark.parametrize(
    ("first", "action", "second", "expected", "contents"),
    [
        ([1, 2], "APPEND", [3], (1, 0, 0), [1, 2, 3]),
        ([1, 2], "APPEND", [2, 3], (1, 0, 0), [1, 2, 3]),
        ([1, 2], "APPEND", [1, 1], (1, 0, 0), [1, 2, 1]),
        ([1, 1], "APPEND", [1], (0, 0, 0), [1, 1]),
        ([1, 2], "APPEND", [], (0, 0, 0), [1, 2]),
        ([1, 2, 3], "UPDATE", [3, 1], (0, 0, 1), [1, 3]),
        ([1, 1, 1], "UPDATE", [1, 1], (0, 0, 1), [1, 1]),
        ([1, 2], "UPDATE", [2, 3], (1, 0, 1), [2, 3]),
        ([1, 2], "UPDATE", [2, 1], (0, 0, 0), [1, 2]),
        ([("a", 1), ("b", 2)], "APPEND", [("a", 9)], (0, 1, 0), [9, 2]),
        ([("a", 1), ("b", 2)], "APPEND", [("c", 1)], (1, 0, 0), [1, 2, 1]),
        ([("a", 1), ("b", 2)], "UPDATE", [("b", 2), ("a", 1)], (0, 0, 0), [1, 2]),
        ([("a", 1), ("b", 2)], "UPDATE", [("b", 1)], (0, 1, 1), [1]),
        ([("a", 1), 1], "UPDATE", [1, ("a", 1)], (0, 0, 0), [1, 1]),
        ([1, ("a", 1)], "UPDATE", [1], (0, 0, 1), [1]),
        ([("a", 1), 2], "APPEND", [("a", 2), 2], (0, 1, 0), [2, 2]),
    ],
)
async def test_records_meet_examples_by_id_then_by_content(
    keeper: Keeper, first: Any, action: uploads.Action, second: Any, expected: Counts, contents: list[int]
) -> None:
    def records(items: Any) -> list[Record]:
        return [record(item) if isinstance(item, int) else record(item[1], item[0]) for item in items]

    before = await keeper.upload(records(first), "CREATE")
    after = await keeper.upload(records(second), action, allow_empty=True)
    assert counts(after) == expected
    assert await keeper.contents() == contents
    assert after.dataset.example_count == len(contents)
    assert (after.version == before.version) == (expected == (0, 0, 0))
    assert await keeper.contents(version_id=before.dataset.latest_version_id) == [
        item if isinstance(item, int) else item[1] for item in first
    ]


async def test_the_first_of_equal_examples_stays_when_one_record_is_left(keeper: Keeper) -> None:
    base = (await keeper.upload([record(1), record(1), record(1)], "CREATE")).base_id or 0
    published = await keeper.upload([record(1)], "UPDATE")
    rows = await keeper.rows(published.dataset.id, published.dataset.latest_version_id)
    assert [row[0] for row in rows] == [base + 1]


async def test_a_deleted_external_id_that_comes_back_is_the_same_example(keeper: Keeper) -> None:
    first = await keeper.upload([record(1, "a"), record(2, "b")], "CREATE")
    await keeper.upload([record(2, "b")], "UPDATE")
    back = await keeper.upload([record(1, "a")])
    assert counts(back) == (1, 0, 0)
    rows = await keeper.rows(back.dataset.id, back.dataset.latest_version_id)
    assert [row[1] for row in rows] == ["a", "b"]
    assert rows[0][0] == (first.base_id or 0) + 1


async def test_an_example_id_addresses_the_example(keeper: Keeper) -> None:
    base = (await keeper.upload([record(1), record(2, "b")], "CREATE")).base_id or 0
    published = await keeper.upload([record(2, example_id=base + 2), record(9, example_id=base + 1)], "UPDATE")
    assert counts(published) == (0, 1, 0)
    assert await keeper.contents() == [9, 2]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(3, "x"), record(4, "x")], "record 2: the id 'x' occurs twice"),
        ([record(3, example_id=1), record(4, example_id=1)], "occurs twice"),
        ([record(3, "a"), record(4, example_id=1)], "is addressed twice: by this id and by its external id"),
        ([record(3), record(4, example_id=77)], "is not in the dataset's latest version"),
        ([record(3, example_id=2)], "is not in the dataset's latest version"),
    ],
)
@pytest.mark.parametrize("validate_only", [False, True])
async def test_an_upload_whose_ids_are_wrong_is_refused_whole(
    keeper: Keeper, records: Sequence[Record], message: str, validate_only: bool
) -> None:
    await keeper.upload([record(1, "a"), record(2)], "CREATE")
    await keeper.upload([record(1, "a")], "UPDATE")
    with pytest.raises(Invalid, match=message) as refused:
        await keeper.upload(records, validate_only=validate_only)
    assert (refused.value.reason, refused.value.field) == ("INVALID_RECORD", "chunk")
    assert await keeper.contents() == [1]


async def test_an_example_id_of_another_dataset_is_refused(keeper: Keeper) -> None:
    base = (await keeper.upload([record(1)], "CREATE", "other")).base_id or 0
    for action in ("CREATE", "APPEND", "UPDATE"):
        with pytest.raises(Invalid, match=encode_id("DatasetExample", base + 1)):
            await keeper.upload([record(1, example_id=base + 1)], action, "d")  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ["APPEND", "UPDATE"])
async def test_a_named_dataset_that_is_missing_is_created(keeper: Keeper, action: uploads.Action) -> None:
    published = await keeper.upload([record(1)], action, description="new", version_description="first", author=None)
    assert published.dataset.description == "new"
    assert published.version
    assert published.version.description == "first"
    assert counts(published) == (1, 0, 0)


async def test_a_dataset_that_is_missing_by_id_is_not_created(keeper: Keeper) -> None:
    upload_id = await keeper.stage([record(1)])
    with pytest.raises(NotFound):
        await keeper.publish(upload_id, Publication(numbered(5), "APPEND"))


async def test_creating_a_dataset_that_exists_is_refused(keeper: Keeper) -> None:
    dataset = (await keeper.upload([record(1)], "CREATE")).dataset
    for name in (named("d"), numbered(dataset.id)):
        with pytest.raises(AlreadyExists):
            await keeper.engine.read(uploads.find_target, Publication(name, "CREATE"))
    with pytest.raises(AlreadyExists):
        await keeper.upload([record(1)], "CREATE")
    with pytest.raises(NotFound):
        await keeper.engine.read(uploads.find_target, Publication(numbered(dataset.id + 1), "CREATE"))


async def test_an_update_without_a_record_needs_to_be_allowed(keeper: Keeper) -> None:
    await keeper.upload([record(1), record(2)], "CREATE")
    with pytest.raises(Invalid, match="allow_empty"):
        await keeper.upload([], "UPDATE")
    assert counts(await keeper.upload([], "UPDATE", allow_empty=True)) == (0, 0, 2)
    assert await keeper.contents() == []


async def test_a_base_version_that_moved_is_refused(keeper: Keeper) -> None:
    first = await keeper.upload([record(1)], "CREATE")
    base = first.dataset.latest_version_id
    moved = await keeper.upload([record(2)], base_version_id=base)
    with pytest.raises(Aborted) as refused:
        await keeper.upload([record(3)], base_version_id=base)
    assert refused.value.reason == "VERSION_MOVED"
    latest = encode_id("DatasetVersion", moved.dataset.latest_version_id)
    assert refused.value.metadata == {"latest_version_id": latest}
    with pytest.raises(Aborted):
        await keeper.upload([record(3)], name="missing", base_version_id=base)


@pytest.mark.parametrize("name", ["d", "missing"])
async def test_validate_only_foresees_and_changes_nothing(keeper: Keeper, name: str) -> None:
    before = await keeper.upload([record(1), record(2)], "CREATE")
    foreseen = await keeper.upload([record(2), record(3)], "UPDATE", name, validate_only=True)
    assert counts(foreseen) == ((1, 0, 1) if name == "d" else (2, 0, 0))
    assert foreseen.dataset.id == (before.dataset.id if name == "d" else 0)
    assert foreseen.version == (before.version if name == "d" else None)
    assert await keeper.dataset() == before.dataset
    with pytest.raises(NotFound):
        await keeper.dataset("missing")


async def test_ids_of_versions_and_examples_grow_and_are_never_reused(keeper: Keeper) -> None:
    first = await keeper.upload([record(1), record(2)], "CREATE")
    await keeper.upload([], "UPDATE", allow_empty=True)
    third = await keeper.upload([record(1), record(2)])
    rows = await keeper.rows(third.dataset.id, third.dataset.latest_version_id)
    assert min(row[0] for row in rows) > (first.base_id or 0) + 2
    assert third.dataset.latest_version_id > first.dataset.latest_version_id + 1


SPLIT_CASES = [
    (["a"], ["a"], (0, 0, 0), {1: ("a",)}),
    (["a"], None, (0, 0, 0), {1: ("a",)}),
    (["a"], [], (0, 1, 0), {}),
    (["a"], ["b", "a"], (0, 1, 0), {1: ("a", "b")}),
    (["a", "b"], ["c"], (0, 1, 0), {1: ("c",)}),
    (None, ["a"], (0, 1, 0), {1: ("a",)}),
]


@pytest.mark.parametrize(("before", "after", "expected", "splits"), SPLIT_CASES)
@pytest.mark.parametrize("by_id", [False, True])
async def test_a_record_that_names_splits_sets_them_without_a_version(
    keeper: Keeper, before: Any, after: Any, expected: Counts, splits: Any, by_id: bool
) -> None:
    external_id = "x" if by_id else None
    first = await keeper.upload([record(1, external_id, splits=before), record(2)], "CREATE")
    second = await keeper.upload([record(1, external_id, splits=after)])
    assert counts(second) == expected
    assert second.version == first.version
    assert (second.dataset.change > first.dataset.change) == (expected != (0, 0, 0))
    assert await keeper.splits() == splits


async def test_an_example_that_is_changed_and_regrouped_counts_once(keeper: Keeper) -> None:
    await keeper.upload([record(1, "x", splits=["a"])], "CREATE")
    changed = await keeper.upload([record(2, "x", splits=["b"]), record(3, splits=["a", "b"])])
    assert counts(changed) == (1, 1, 0)
    assert await keeper.splits() == {2: ("b",), 3: ("a", "b")}


async def test_a_deleted_example_leaves_its_splits(keeper: Keeper) -> None:
    await keeper.upload([record(1, "x", splits=["a"]), record(2, splits=["a"])], "CREATE")
    await keeper.upload([record(2)], "UPDATE")
    await keeper.upload([record(1, "x")])
    assert await keeper.splits() == {2: ("a",)}


async def test_what_is_staged_is_invisible_and_discarded_with_its_upload(keeper: Keeper) -> None:
    upload_id = await keeper.stage([record(1)])
    with pytest.raises(NotFound):
        await keeper.dataset()
    await keeper.engine.stage(uploads.discard_upload, upload_id)
    with pytest.raises(Unavailable):
        await keeper.publish(upload_id, Publication(named("d"), "APPEND"))
    with pytest.raises(Unavailable):
        await keeper.engine.stage(uploads.stage_records, upload_id, 2, [record(2)])


async def test_sweeping_removes_what_is_over_and_nothing_else(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    open_one = await keeper.stage([record(1, splits=["a"])])
    await keeper.upload([record(number, splits=["a"]) for number in range(5)], "CREATE")
    removed = [await keeper.engine.stage(uploads.sweep_uploads, 2)]
    while removed[-1]:
        assert removed[-1] <= 2
        removed.append(await keeper.engine.stage(uploads.sweep_uploads, 2))
    assert await keeper.contents() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(uploads, "LEASE_MICROS", -1)
    abandoned = await keeper.stage([], 1)
    assert await keeper.engine.stage(uploads.sweep_uploads, 10) == 1
    with pytest.raises(Unavailable):
        await keeper.publish(abandoned, Publication(named("e"), "APPEND"))
    await keeper.publish(open_one, Publication(named("e"), "APPEND"))
    assert await keeper.contents("e") == [1]


async def test_an_upload_that_is_being_swept_is_over_for_clocks_that_are_behind(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = await keeper.stage([record(1, splits=["a"])])
    with monkeypatch.context() as ahead:
        ahead.setattr(uploads, "now", lambda: now() + uploads.LEASE_MICROS + 1)
        assert await keeper.engine.stage(uploads.sweep_uploads, 1) == 1
    with pytest.raises(Unavailable, match="send it again"):
        await keeper.publish(upload_id, Publication(named("d"), "APPEND"))


async def test_sweeping_removes_what_a_statement_wrote_after_the_end_of_its_upload(keeper: Keeper) -> None:
    gone = await keeper.stage([record("a", splits=["s"])])
    there = await keeper.stage([record("b", splits=["s"])])
    match = "INSERT INTO upload_matches (upload_id, ordinal, example_id, outcome) VALUES (:id, 1, 1, 0)"
    await keeper.engine.stage(lambda tx: [tx.run(match, {"id": each}) for each in (there, gone)])
    await keeper.engine.stage(lambda tx: tx.run("DELETE FROM uploads WHERE id = :id", {"id": gone}))
    assert [await keeper.engine.stage(uploads.sweep_uploads, 10) for _ in range(4)] == [1, 1, 1, 0]
    for table in ("staged_examples", "staged_splits", "upload_matches"):
        assert await keeper.engine.read(lambda tx, table=table: tx.rows(f"SELECT upload_id FROM {table}")) == [(there,)]


async def test_sweeping_takes_few_long_rows_at_a_time(keeper: Keeper) -> None:
    upload_id = await keeper.stage([record("x" * 1_000_000 + str(number)) for number in range(9)])
    await keeper.publish(upload_id, Publication(named("d"), "CREATE"))
    assert [await keeper.engine.stage(uploads.sweep_uploads, 100) for _ in range(4)] == [5, 4, 1, 0]
    await keeper.engine.write(datasets.delete_dataset, named("d"), "")
    assert [await keeper.engine.stage(datasets.sweep_datasets, 100) for _ in range(6)] == [5, 4, 9, 1, 1, 0]


async def test_names_of_splits_are_not_kept_in_memory(keeper: Keeper) -> None:
    await keeper.stage([record(0, splits=["a"])])
    tracemalloc.start()
    try:
        await keeper.stage([record(number, splits=[f"{number} {k}" for k in range(500)]) for number in range(40)])
        assert tracemalloc.get_traced_memory()[0] < 500_000
    finally:
        tracemalloc.stop()


async def test_uploads_to_one_dataset_at_once_are_all_kept(new_url: Callable[[], str]) -> None:
    url = new_url()
    engines: list[Engine] = [open_engine(url), open_engine(url)]
    keepers = [Keeper(engine) for engine in engines]
    staged = [await keeper.stage([record(number)]) for number, keeper in enumerate(keepers)]
    for upload_id, engine in zip(staged, engines, strict=True):
        await Keeper(engine).publish(upload_id, Publication(named("d"), "APPEND"))
    assert await keepers[0].contents() == [0, 1]
    for engine in engines:
        await engine.close()


async def test_a_thousand_pages_of_records_are_read_back_in_order(keeper: Keeper) -> None:
    await keeper.upload([record(number) for number in range(2500)], "CREATE")
    assert await keeper.contents(limit=700) == list(range(2500))
    assert counts(await keeper.upload([record(number) for number in range(2500)], "UPDATE")) == (0, 0, 0)


async def test_a_page_ends_early_when_contents_are_big(keeper: Keeper) -> None:
    big = "x" * (examples.PAGE_CHARS // 2)
    published = await keeper.upload([record(big + str(number)) for number in range(5)], "CREATE")
    assert published.version
    page = await keeper.engine.read(examples.read_page, published.dataset.id, published.version.id, 0, 100)
    assert (len(page.rows), page.after) == (2, page.rows[-1][0])
    assert len(await keeper.contents()) == 5


TWICE = '{"k":1,"k":2}'


def flawed(input: str = TWICE, example_id: int | None = None, external_id: str | None = None) -> Record:
    """A record of the third line, with a key that comes twice in its input."""
    flaw = '{"line":3,"description":"input: twice","part":"input"}'
    return Record(external_id, example_id, content_hash(input, "{}", "{}"), input, "{}", "{}", flaw=flaw)


async def test_a_record_with_a_flaw_is_refused_unless_the_dataset_has_it(keeper: Keeper) -> None:
    for choices in ({}, {"validate_only": True}, {"all_new": True}):
        with pytest.raises(InvalidRecord, match="line 3: input: twice") as refused:
            await keeper.upload([record(1), flawed()], name="new", **choices)
        assert (refused.value.line, refused.value.metadata["part"]) == (3, "input")
    # As it came before there was the rule.
    first = await keeper.upload([flawed()._replace(flaw=None), flawed(external_id="e")._replace(flaw=None)], "CREATE")
    one = (first.base_id or 0) + 1
    for again in ([flawed(example_id=one), flawed(external_id="e")], [flawed(), flawed()], [flawed('{"k":2}')]):
        assert (await keeper.upload(again)).version == first.version
    changed = '{"k":1,"k":3}'
    for other in (flawed(changed), flawed(changed, one), flawed(changed, external_id="e"), flawed(external_id="f")):
        with pytest.raises(InvalidRecord, match="line 3"):
            await keeper.upload([record(1), other])
    with pytest.raises(InvalidRecord, match="line 3"):
        await keeper.upload([flawed(), flawed(), flawed()])
    with pytest.raises(InvalidRecord, match="line 3"):
        await keeper.upload([flawed()], all_new=True)


async def test_what_is_not_decoded_is_compared_byte_by_byte(keeper: Keeper) -> None:
    first = await keeper.upload([record(1, "a"), record(2, "b")], "CREATE")
    heavy = [found._replace(content_hash=bytes(16), flaw=flawed().flaw) for found in (record(1, "a"), record(3, "b"))]
    assert (await keeper.upload(heavy[:1])).version == first.version
    with pytest.raises(InvalidRecord, match="line 3"):
        await keeper.upload(heavy[1:])
    with pytest.raises(InvalidRecord, match="line 3"):
        await keeper.upload([heavy[0]._replace(external_id=None)])
