"""Examples at a version: pages, names, history, small changes."""

import json
from typing import Any

import pytest

from phoenix_grpc.errors import Aborted, Invalid, NotFound
from phoenix_grpc.store.datasets import changes, examples, splits
from phoenix_grpc.store.datasets.changes import Change, ExampleUpdate
from phoenix_grpc.store.datasets.examples import ExampleRef, Page
from phoenix_grpc.store.engine import Engine
from tests.store.keeper import Keeper, named, numbered, record


def external(name: str) -> ExampleRef:
    """An example by its external id."""
    return ExampleRef(None, name, name)


async def deleted(engine: Engine, *names: str, **choices: Any) -> changes.Changed:
    """Deletes examples by their external ids."""
    return await engine.write(
        changes.delete_examples, Change(named("d"), **choices), [external(name) for name in names]
    )


async def updated(engine: Engine, name: str, **parts: Any) -> changes.Changed:
    """Changes one example."""
    return await engine.write(changes.update_examples, Change(named("d")), [ExampleUpdate(external(name), **parts)])


@pytest.fixture
async def abc(keeper: Keeper) -> Keeper:
    """A dataset with the examples a, b and c."""
    await keeper.upload([record(1, "a", splits=["s"]), record(2, "b"), record(3, "c", splits=["s", "t"])], "CREATE")
    return keeper


async def test_examples_are_found_by_id_and_external_id_in_order(abc: Keeper) -> None:
    dataset = await abc.dataset()
    first, second, third = (row[0] for row in await abc.rows(dataset.id, dataset.latest_version_id))
    names = [external("c"), ExampleRef(first, None, "x"), external("b"), external("c")]
    found = await abc.engine.read(examples.find_examples, dataset.id, names, dataset.latest_version_id)
    assert found == [third, first, second, third]


@pytest.mark.parametrize("name", [external("z"), ExampleRef(10**9, None, "z")])
async def test_an_example_that_no_version_has_is_not_found(abc: Keeper, name: ExampleRef) -> None:
    dataset = await abc.dataset()
    for version_id in (dataset.latest_version_id, None):
        with pytest.raises(NotFound, match="z") as refused:
            await abc.engine.read(examples.find_examples, dataset.id, [external("a"), name], version_id)
        assert refused.value.reason == "EXAMPLE_NOT_FOUND"


async def test_an_example_is_found_as_the_latest_version_has_it(abc: Keeper) -> None:
    dataset = await abc.dataset()
    rows = await abc.rows(dataset.id, dataset.latest_version_id)
    names = [ExampleRef(row[0], None, "x") for row in rows]
    for ref in (named("d"), numbered(dataset.id)):
        found = [await abc.engine.read(examples.find_latest, ref, name) for name in names]
        assert [latest.row for latest in found] == rows
        assert [(latest.dataset_id, latest.grouped) for latest in found] == [
            (dataset.id, True),
            (dataset.id, False),
            (dataset.id, True),
        ]
    await updated(abc.engine, "a", input='{"value":"new"}')
    await deleted(abc.engine, "b")
    latest = await abc.engine.read(examples.find_latest, named("d"), names[0])
    assert json.loads(latest.row[2]) == {"value": "new"}
    for missing in (names[1], ExampleRef(10**9, None, "x")):
        with pytest.raises(NotFound) as refused:
            await abc.engine.read(examples.find_latest, named("d"), missing)
        assert refused.value.reason == "EXAMPLE_NOT_FOUND"
    with pytest.raises(NotFound) as refused:
        await abc.engine.read(examples.find_latest, named("none"), names[0])
    assert refused.value.reason == "DATASET_NOT_FOUND"


async def test_a_deleted_example_is_found_only_at_the_versions_that_had_it(abc: Keeper) -> None:
    before = await abc.dataset()
    await deleted(abc.engine, "b")
    after = await abc.dataset()
    for version_id in (before.latest_version_id, None):
        assert await abc.engine.read(examples.find_examples, after.id, [external("b")], version_id)
    with pytest.raises(NotFound):
        await abc.engine.read(examples.find_examples, after.id, [external("b")], after.latest_version_id)


@pytest.mark.parametrize(("names", "expected"), [(["s"], [1, 3]), (["t"], [3]), (["t", "s"], [1, 3])])
@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_a_page_of_splits_has_the_members_of_any_once(
    abc: Keeper, names: list[str], expected: list[int], limit: int
) -> None:
    dataset = await abc.dataset()
    found = await abc.engine.read(splits.find_splits, dataset.id, names)
    rows = await abc.rows(dataset.id, dataset.latest_version_id, limit, [split.id for split in found])
    assert [row[1] for row in rows] == ["abc"[number - 1] for number in expected]


async def test_an_older_version_is_read_across_many_dead_examples(keeper: Keeper) -> None:
    first = await keeper.upload([record(-1, "a")], "CREATE")
    for turn in range(3):
        await keeper.upload([record(-1, "a"), *(record(turn * 1000 + number) for number in range(900))], "UPDATE")
    last = await keeper.upload([record(-1, "a"), record(-2)], "UPDATE")
    assert first.version
    assert last.version
    await keeper.upload([record(-3)])
    assert await keeper.contents(version_id=first.version.id, limit=5) == [-1]
    assert await keeper.contents(version_id=last.version.id, limit=5) == [-1, -2]


async def test_the_names_of_splits_come_sorted(abc: Keeper) -> None:
    assert await abc.splits() == {1: ("s",), 3: ("s", "t")}


async def test_history_tells_what_happened_newest_first(abc: Keeper) -> None:
    await updated(abc.engine, "a", output='{"n":1}')
    await deleted(abc.engine, "a")
    await abc.upload([record(1, "a")])
    dataset = await abc.dataset()
    (example_id,) = await abc.engine.read(examples.find_examples, dataset.id, [external("a")], None)
    history = await abc.engine.read(examples.read_history, dataset.id, example_id, dataset.latest_version_id)
    assert [revision.kind for revision in history] == ["CREATED", "DELETED", "UPDATED", "CREATED"]
    assert [revision.content and revision.content[1] for revision in history] == ["{}", None, '{"n":1}', "{}"]
    ids = [revision.version_id for revision in history]
    assert ids == sorted(ids, reverse=True)
    assert ids[0] == dataset.latest_version_id
    assert all(revision.created_at for revision in history)


async def test_history_ends_after_a_thousand_revisions(abc: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "MAX_HISTORY", 3)
    for number in range(4):
        await updated(abc.engine, "a", output=f'{{"n":{number}}}')
    dataset = await abc.dataset()
    (example_id,) = await abc.engine.read(examples.find_examples, dataset.id, [external("a")], None)
    assert len(await abc.engine.read(examples.read_history, dataset.id, example_id, dataset.latest_version_id)) == 3


async def test_appended_examples_are_answered_in_the_order_of_the_request(abc: Keeper) -> None:
    records = [record(9), record(2), record(8, "a"), record(9)]
    changed = await abc.engine.write(changes.append_examples, Change(named("d"), version_description="more"), records)
    assert (changed.created, changed.updated, changed.deleted) == (2, 1, 0)
    assert changed.version.description == "more"
    dataset = await abc.dataset()
    rows = await abc.rows(dataset.id, dataset.latest_version_id)
    by_id = {row[0]: row[2] for row in rows}
    assert [by_id[example_id or 0] for example_id in changed.example_ids] == [one.input for one in records]


async def test_what_an_append_staged_is_gone_with_it(abc: Keeper) -> None:
    await abc.engine.write(changes.append_examples, Change(named("d")), [record(9, splits=["s"])])
    for table in ("staged_examples", "staged_splits", "upload_matches"):
        assert await abc.engine.read(lambda tx, t=table: tx.row(f"SELECT COUNT(*) FROM {t} WHERE upload_id > 1")) == (
            0,
        )


async def test_an_update_changes_what_it_names_and_nothing_else(abc: Keeper) -> None:
    changed = await updated(abc.engine, "a", metadata='{"m":1}', splits='["t"]')
    assert (changed.created, changed.updated, changed.deleted) == (0, 1, 0)
    dataset = await abc.dataset()
    row = (await abc.rows(dataset.id, dataset.latest_version_id))[0]
    assert (row[1:5], row[7]) == (("a", '{"value": 1}', "{}", '{"m":1}'), changed.version.id)
    assert await abc.splits() == {1: ("t",), 3: ("s", "t")}


async def test_an_update_to_equal_content_makes_no_version(abc: Keeper) -> None:
    before = await abc.dataset()
    changed = await updated(abc.engine, "a", input='{"value":1.0}')
    assert (changed.updated, changed.version.id) == (0, before.latest_version_id)


async def test_an_update_of_the_same_example_twice_is_refused(abc: Keeper) -> None:
    updates = [ExampleUpdate(external("a"), input="{}")] * 2
    with pytest.raises(Invalid) as refused:
        await abc.engine.write(changes.update_examples, Change(named("d")), updates)
    assert refused.value.field == "updates"


async def test_deleting_takes_examples_out_of_the_next_version_and_of_splits(abc: Keeper) -> None:
    before = await abc.dataset()
    changed = await deleted(abc.engine, "a", "c", "a", version_description="less", author=None)
    assert (changed.deleted, changed.version.deleted_count, changed.version.live_count) == (2, 2, 1)
    assert await abc.contents() == [2]
    assert await abc.contents(version_id=before.latest_version_id) == [1, 2, 3]
    assert await abc.splits() == {}
    found = await abc.engine.read(splits.list_splits, numbered(before.id), None, 10)
    assert [split.example_count for split in found] == [0, 0]


async def test_changes_are_all_or_nothing(abc: Keeper) -> None:
    with pytest.raises(NotFound):
        await deleted(abc.engine, "a", "z")
    assert await abc.contents() == [1, 2, 3]


@pytest.mark.parametrize("validate_only", [True, False])
async def test_changes_hold_to_their_base_version(abc: Keeper, validate_only: bool) -> None:
    base = (await abc.dataset()).latest_version_id
    await abc.upload([record(4)])
    change = Change(named("d"), base_version_id=base, validate_only=validate_only)
    for work, items in (
        (changes.append_examples, [record(5)]),
        (changes.update_examples, [ExampleUpdate(external("a"))]),
        (changes.delete_examples, [external("a")]),
    ):
        with pytest.raises(Aborted):
            await abc.engine.write(work, change, items)


async def test_validate_only_changes_nothing(abc: Keeper) -> None:
    before = await abc.dataset()
    change = Change(named("d"), validate_only=True)
    appended = await abc.engine.write(changes.append_examples, change, [record(9), record(1)])
    assert (appended.created, appended.example_ids[0], appended.version.id) == (1, None, before.latest_version_id)
    assert (await deleted(abc.engine, "a", validate_only=True)).deleted == 1
    assert await abc.dataset() == before
    assert await abc.contents() == [1, 2, 3]


@pytest.mark.parametrize("sparse", [False, True])
async def test_a_page_ends_where_its_examples_are_in_too_many_splits(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    monkeypatch.setattr(examples, "PAGE_MEMBERSHIPS", 5)
    names = {1: "abcd", 2: "abcd", 3: "", 4: "a", 5: "abcdefgh", 6: "b"}
    for content, found in names.items():
        await keeper.upload([record(content, splits=list(found))])
        if sparse:
            await keeper.upload([record(content)], name="other")
    dataset = await keeper.dataset()
    rows = await keeper.rows(dataset.id, dataset.latest_version_id)
    pages: list[list[str]] = []
    page = Page(rows, None)
    while page.rows:
        cut, splits_by_id = await keeper.engine.read(examples.read_splits, dataset.id, page)
        pages.append(["".join(splits_by_id.get(row[0], ())) for row in cut.rows])
        assert (cut.after is None) == (cut == page)
        page = Page([row for row in rows if cut.after and row[0] > cut.after], None)
    # The fifth is in more than a page takes; by no way that there is now.
    assert pages == [["abcd"], ["abcd", ""], ["a"], ["abcde"], ["b"]]


async def test_members_of_many_splits_come_in_pages_without_loss(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "PAGE_MEMBERSHIPS", 7)
    found = [record(number, splits=["abcdef"[number % 6], "x", "y"]) for number in range(20)]
    await keeper.upload([*found, record("alone", splits=["z"]), record("outside")])
    dataset = await keeper.dataset()
    known = await keeper.engine.read(splits.list_splits, numbered(dataset.id), None, 100)
    rows = await keeper.rows(dataset.id, dataset.latest_version_id, 10, [split.id for split in known])
    assert [json.loads(row[2])["value"] for row in rows] == [*range(20), "alone"]
    ids, after = [row[0] for row in rows], 0
    among: list[int] = []
    chosen = [split.id for split in known if split.name in "ab"]
    while after is not None:
        left = [example_id for example_id in ids if example_id > after]
        page = await keeper.engine.read(examples.read_members, dataset.id, dataset.latest_version_id, left, chosen, 10)
        among += [json.loads(row[2])["value"] for row in page.rows]
        after = page.after
    assert among == [number for number in range(20) if number % 6 < 2]
