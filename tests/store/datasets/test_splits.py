"""Splits: members, counts, names."""

import pytest

from phoenix_grpc.errors import AlreadyExists, Invalid, NotFound
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Split
from phoenix_grpc.store.datasets import splits
from tests.store.keeper import Keeper, record


async def create(keeper: Keeper, name: str, *example_ids: int) -> Split:
    """A new split of the dataset."""
    dataset = await keeper.dataset()
    return await keeper.engine.write(splits.create_split, dataset.id, name, None, "#000000", "{}", example_ids)


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
    changed = await keeper.engine.write(
        splits.update_split, dataset.id, split.id, {"name": "t", "color": "#ffffff"}, [ids[0], ids[1], ids[2]], ids[1:2]
    )
    assert (changed.after.name, changed.after.color, changed.after.example_count) == ("t", "#ffffff", 2)
    assert (changed.before.name, changed.came, changed.went) == ("s", 2, 1)
    assert await keeper.splits() == {1: ("t",), 3: ("t",)}


async def test_names_are_unique_in_a_dataset(keeper: Keeper, ids: list[int]) -> None:
    await create(keeper, "s")
    other = await create(keeper, "t")
    with pytest.raises(AlreadyExists):
        await create(keeper, "s")
    dataset = await keeper.dataset()
    with pytest.raises(AlreadyExists):
        await keeper.engine.write(splits.update_split, dataset.id, other.id, {"name": "s"}, [], [])


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
    await keeper.engine.write(splits.delete_split, dataset.id, split.id)
    assert await keeper.splits() == {}
    assert await keeper.contents() == [1, 2, 3]
    with pytest.raises(NotFound):
        await keeper.engine.write(splits.delete_split, dataset.id, split.id)


async def test_splits_are_listed_newest_first_in_pages(keeper: Keeper, ids: list[int]) -> None:
    for name in "abc":
        await create(keeper, name)
    dataset = await keeper.dataset()
    found = await keeper.engine.read(splits.list_splits, dataset.id, None, 2)
    found += await keeper.engine.read(splits.list_splits, dataset.id, found[-1].id, 2)
    assert [split.name for split in found] == ["c", "b", "a"]


async def test_an_example_is_in_1000_splits_at_most(
    keeper: Keeper, ids: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "MAX_SPLITS", 3)
    made = [await create(keeper, name, ids[0]) for name in "abc"]
    dataset = await keeper.dataset()
    with pytest.raises(Invalid, match="example_ids: an example is in 3 splits at most"):
        await create(keeper, "d", ids[1], ids[0])
    other = await create(keeper, "d", ids[1])
    with pytest.raises(Invalid, match="add_example_ids: "):
        await keeper.engine.write(splits.update_split, dataset.id, other.id, {}, ids, [])
    await keeper.engine.write(splits.update_split, dataset.id, made[0].id, {}, [ids[0]], [ids[0]])
    await keeper.engine.write(splits.update_split, dataset.id, other.id, {}, ids, [])
    assert await keeper.splits() == {1: ("b", "c", "d"), 2: ("d",), 3: ("d",)}
