"""Labels, and which datasets have them."""

import pytest

from phoenix_grpc.errors import AlreadyExists, NotFound
from phoenix_grpc.model import Dataset, Label
from phoenix_grpc.store.datasets import labels
from phoenix_grpc.store.engine import Engine
from tests.store.keeper import Keeper, numbered


async def create(engine: Engine, name: str) -> Label:
    """A new label."""
    return await engine.write(labels.create_label, name, None, "#000000")


@pytest.fixture
async def dataset(keeper: Keeper) -> Dataset:
    """An empty dataset."""
    return (await keeper.upload([], "CREATE")).dataset


async def test_labels_are_changed_and_listed_newest_first(engine: Engine) -> None:
    made = [await create(engine, name) for name in "abc"]
    changed = await engine.write(labels.update_label, made[0].id, {"name": "z", "description": "last"})
    assert changed == Label(made[0].id, "z", "last", "#000000")
    assert await engine.write(labels.update_label, made[0].id, {}) == changed
    found = await engine.read(labels.list_labels, None, 2)
    assert found + await engine.read(labels.list_labels, found[-1].id, 2) == [made[2], made[1], changed]


async def test_names_are_unique(engine: Engine) -> None:
    await create(engine, "a")
    other = await create(engine, "b")
    with pytest.raises(AlreadyExists):
        await create(engine, "a")
    with pytest.raises(AlreadyExists):
        await engine.write(labels.update_label, other.id, {"name": "a"})


async def test_labels_are_set_added_and_removed(engine: Engine, dataset: Dataset) -> None:
    a, b, c = [await create(engine, name) for name in "abc"]
    ref = numbered(dataset.id)
    assert await engine.write(labels.set_labels, ref, [c.id, a.id, c.id]) == (dataset, [], [a, c])
    assert await engine.read(labels.dataset_labels, ref) == [a, c]
    assert await engine.write(labels.add_label, ref, b.id) == (dataset, [a, c], [a, b, c])
    assert await engine.write(labels.add_label, ref, a.id) == (dataset, [a, b, c], [a, b, c])
    assert await engine.write(labels.remove_label, ref, a.id) == (dataset, [a, b, c], [b, c])
    assert await engine.write(labels.remove_label, ref, a.id) == (dataset, [b, c], [b, c])
    await engine.write(labels.delete_label, b.id)
    assert await engine.read(labels.dataset_labels, ref) == [c]


async def test_an_unknown_label_is_not_found_and_changes_nothing(engine: Engine, dataset: Dataset) -> None:
    known = await create(engine, "a")
    ref = numbered(dataset.id)
    await engine.write(labels.set_labels, ref, [known.id])
    for work in (
        lambda tx: labels.set_labels(tx, ref, [known.id, 99]),
        lambda tx: labels.add_label(tx, ref, 99),
        lambda tx: labels.remove_label(tx, ref, 99),
        lambda tx: labels.update_label(tx, 99, {"name": "x"}),
        lambda tx: labels.delete_label(tx, 99),
    ):
        with pytest.raises(NotFound):
            await engine.write(work)
    assert await engine.read(labels.dataset_labels, ref) == [known]
