"""Splits: members, counts, names."""

import pytest

from phoenix_grpc.errors import AlreadyExists, Invalid, NotFound
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Split
from phoenix_grpc.store.datasets import splits
from tests.store.keeper import Keeper, example, named, record


async def create(keeper: Keeper, name: str, *example_ids: int) -> Split:
    """A new split of the dataset."""
    members = [example(example_id) for example_id in example_ids]
    _, made = await keeper.engine.write(splits.create_split, named("d"), name, None, "#000000", "{}", members)
    return made


@pytest.fixture
async def ids(keeper: Keeper) -> list[int]:
    """The ids of the three examples of the dataset."""
    base = (await keeper.upload([record(1), record(2), record(3)], "CREATE")).base_id or 0
    return [base + 1, base + 2, base + 3]


async def test_a_split_has_its_members_once(keeper: Keeper, ids: list[int]) -> None:
    split = await create(keeper, "s", ids[0], ids[1], ids[0])
    assert split.example_count == 2
    assert await keeper.splits() == {1: ("s",), 2: ("s",)}


async def test_members_are_added_and_then_removed(keeper: Keeper, ids: list[int]) -> None:
    split = await create(keeper, "s", ids[0])
    dataset = await keeper.dataset()
    added, fields = [example(example_id) for example_id in ids], {"name": "t", "color": "#ffffff"}
    changed = await keeper.engine.write(splits.update_split, named("d"), split.id, fields, added, added[1:2])
    assert changed.dataset == dataset
    assert (changed.after.name, changed.after.color, changed.after.example_count) == ("t", "#ffffff", 2)
    assert (changed.before.name, changed.came, changed.went) == ("s", 2, 1)
    assert await keeper.splits() == {1: ("t",), 3: ("t",)}


async def test_names_are_unique_in_a_dataset(keeper: Keeper, ids: list[int]) -> None:
    await create(keeper, "s")
    other = await create(keeper, "t")
    with pytest.raises(AlreadyExists):
        await create(keeper, "s")
    with pytest.raises(AlreadyExists):
        await keeper.engine.write(splits.update_split, named("d"), other.id, {"name": "s"}, [], [])


async def test_splits_are_found_by_id_and_by_name(keeper: Keeper, ids: list[int]) -> None:
    first, second = await create(keeper, "s"), await create(keeper, "t")
    dataset = await keeper.dataset()
    names = ["t", encode_id("DatasetSplit", first.id), " t "]
    assert await keeper.engine.read(splits.find_splits, dataset.id, names) == [second, first, second]


@pytest.mark.parametrize("name", ["z", encode_id("DatasetSplit", 99), encode_id("Dataset", 1)])
async def test_an_unknown_split_is_not_found(keeper: Keeper, ids: list[int], name: str) -> None:
    dataset = await keeper.dataset()
    with pytest.raises(NotFound) as refused:
        await keeper.engine.read(splits.find_splits, dataset.id, [name])
    assert (refused.value.reason, refused.value.name) == ("SPLIT_NOT_FOUND", name)


async def test_a_deleted_split_leaves_its_examples(keeper: Keeper, ids: list[int]) -> None:
    split = await create(keeper, "s", *ids)
    dataset = await keeper.dataset()
    assert await keeper.engine.write(splits.delete_split, named("d"), split.id) == (dataset, split)
    assert await keeper.splits() == {}
    assert await keeper.contents() == [1, 2, 3]
    with pytest.raises(NotFound):
        await keeper.engine.write(splits.delete_split, named("d"), split.id)


async def test_splits_are_listed_newest_first_in_pages(keeper: Keeper, ids: list[int]) -> None:
    for name in "abc":
        await create(keeper, name)
    found = await keeper.engine.read(splits.list_splits, named("d"), None, 2)
    found += await keeper.engine.read(splits.list_splits, named("d"), found[-1].id, 2)
    assert [split.name for split in found] == ["c", "b", "a"]


async def test_an_example_is_in_1000_splits_at_most(
    keeper: Keeper, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "MAX_SPLITS", 3)
    made = [await create(keeper, name, ids[0]) for name in "abc"]
    members = [example(example_id) for example_id in ids]
    with pytest.raises(Invalid, match="example_ids: an example is in 3 splits at most"):
        await create(keeper, "d", ids[1], ids[0])
    other = await create(keeper, "d", ids[1])
    with pytest.raises(Invalid, match="add_example_ids: "):
        await keeper.engine.write(splits.update_split, named("d"), other.id, {}, members, [])
    await keeper.engine.write(splits.update_split, named("d"), made[0].id, {}, members[:1], members[:1])
    await keeper.engine.write(splits.update_split, named("d"), other.id, {}, members, [])
    assert await keeper.splits() == {1: ("b", "c", "d"), 2: ("d",), 3: ("d",)}
