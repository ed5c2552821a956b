"""Datasets: names, lists, changes, deletion."""

from typing import Any

import pytest

from phoenix_grpc.errors import Aborted, AlreadyExists, NotFound
from phoenix_grpc.model import Dataset
from phoenix_grpc.store.datasets import datasets, examples, labels, versions
from phoenix_grpc.store.datasets.datasets import DatasetFilter, Order, etag_of
from phoenix_grpc.store.datasets.references import find_dataset
from phoenix_grpc.store.engine import Engine
from tests.store.keeper import Keeper, named, numbered, record

NAMES = ["beta", "Alpha", "gamma_1", "Straße", "100%"]


async def create(engine: Engine, name: str, **columns: Any) -> Dataset:
    """A new, empty dataset."""
    columns = {"description": None, "metadata": "{}", "author": None, **columns}
    return await engine.write(datasets.create_dataset, name, **columns)


async def listed(engine: Engine, order: Order = "create_time desc", limit: int = 2, **which: Any) -> list[str]:
    """The names of all datasets, read in pages of `limit`."""
    names: list[str] = []
    after: int | str | None = None
    while True:
        found = await engine.read(datasets.list_datasets, DatasetFilter(**which), order, after, limit)
        names += [dataset.name for dataset in found]
        if len(found) < limit:
            return names
        after = found[-1].name if order.startswith("name") else found[-1].id


async def test_a_new_dataset_has_an_empty_version(engine: Engine) -> None:
    dataset = await create(engine, "d", description="about", metadata='{"a":1}')
    version = await engine.read(versions.find_version, named("d"), None)
    assert (dataset.description, dataset.metadata, dataset.example_count) == ("about", '{"a":1}', 0)
    assert (version.id, version.live_count, version.created_count) == (dataset.latest_version_id, 0, 0)
    assert await engine.read(find_dataset, named("d")) == dataset
    assert await engine.read(find_dataset, numbered(dataset.id)) == dataset


async def test_names_are_unique(engine: Engine) -> None:
    await create(engine, "d")
    with pytest.raises(AlreadyExists):
        await create(engine, "d")
    other = await create(engine, "e")
    with pytest.raises(AlreadyExists):
        await engine.write(datasets.update_dataset, named("e"), {"name": "d"}, "")
    assert await engine.read(find_dataset, named("e")) == other


@pytest.mark.parametrize(
    ("order", "which", "expected"),
    [
        ("create_time desc", {}, NAMES[::-1]),
        ("create_time", {}, NAMES),
        ("name", {}, sorted(NAMES)),
        ("name desc", {}, sorted(NAMES, reverse=True)),
        ("create_time", {"name_contains": "A"}, ["beta", "Alpha", "gamma_1", "Straße"]),
        ("create_time", {"name_contains": "STRASSE"}, ["Straße"]),
        ("create_time", {"name_contains": "_"}, ["gamma_1"]),
        ("create_time", {"name_contains": "%"}, ["100%"]),
        ("create_time", {"name_contains": "!"}, []),
        ("create_time", {"name": "beta"}, ["beta"]),
        ("create_time", {"name": "bet"}, []),
        ("create_time desc", {"ids": frozenset({1, 3})}, ["gamma_1", "beta"]),
        ("create_time", {"ids": frozenset()}, []),
        ("create_time", {"label_id": 1}, ["beta", "Alpha", "gamma_1"]),
        ("name desc", {"label_id": 1}, ["gamma_1", "beta", "Alpha"]),
        ("create_time desc", {"label_id": 1, "name_contains": "b"}, ["beta"]),
        ("create_time desc", {"label_id": 2}, []),
    ],
)
async def test_lists_are_filtered_ordered_and_paged(
    engine: Engine, order: Order, which: dict[str, Any], expected: list[str]
) -> None:
    made = [await create(engine, name) for name in NAMES]
    gone = await create(engine, "alpha gone")
    label = await engine.write(labels.create_label, "l", None, "#000000")
    for dataset in [*made[:3], gone]:
        await engine.write(labels.add_label, numbered(dataset.id), label.id)
    await engine.write(datasets.delete_dataset, named("alpha gone"), "")
    assert await listed(engine, order, **which) == expected


async def test_changes_raise_the_etag_and_a_stale_one_is_refused(engine: Engine) -> None:
    dataset = await create(engine, "d", description="old")
    etag = etag_of(dataset)
    before, changed = await engine.write(datasets.update_dataset, named("d"), {"name": "e", "description": None}, etag)
    assert before == dataset
    assert (changed.name, changed.description, changed.id) == ("e", None, dataset.id)
    assert etag_of(changed) != etag
    for work in (
        lambda tx: datasets.update_dataset(tx, named("e"), {"name": "f"}, etag),
        lambda tx: datasets.delete_dataset(tx, named("e"), etag),
    ):
        with pytest.raises(Aborted) as refused:
            await engine.write(work)
        assert refused.value.reason == "ETAG_MISMATCH"
    await engine.write(datasets.delete_dataset, named("e"), etag_of(changed))


async def test_a_deleted_dataset_is_gone_and_its_name_is_free(keeper: Keeper) -> None:
    old = (await keeper.upload([record(1)], "CREATE")).dataset
    await keeper.engine.write(datasets.delete_dataset, named("d"), "")
    for name in (named("d"), numbered(old.id)):
        with pytest.raises(NotFound):
            await keeper.engine.read(find_dataset, name)
    with pytest.raises(Aborted) as refused:
        await keeper.engine.read(examples.read_page, old.id, old.latest_version_id, 0, 10)
    assert refused.value.reason == "DATASET_DELETED"
    new = (await keeper.upload([record(2)], "CREATE")).dataset
    assert new.id > old.id


async def test_sweeping_removes_every_row_of_a_deleted_dataset_in_batches(keeper: Keeper) -> None:
    await keeper.upload([record(number, splits=["a"]) for number in range(7)], "CREATE")
    await keeper.upload([record(1)], "CREATE", "other")
    await keeper.engine.write(datasets.delete_dataset, named("d"), "")
    removed = [await keeper.engine.stage(datasets.sweep_datasets, 3)]
    while removed[-1]:
        assert removed[-1] <= 3
        removed.append(await keeper.engine.stage(datasets.sweep_datasets, 3))
    for table, left in (("revisions", 1), ("examples", 1), ("versions", 1), ("split_members", 0), ("datasets", 1)):
        assert await keeper.engine.read(lambda tx, t=table: tx.row(f"SELECT COUNT(*) FROM {t}")) == (left,)
    assert await keeper.contents("other") == [1]


async def test_versions_are_listed_newest_first_in_pages(keeper: Keeper) -> None:
    for number in range(5):
        await keeper.upload([record(number)], version_description=f"v{number}")
    found = await keeper.engine.read(versions.list_versions, named("d"), None, 2)
    while len(found) < 5:
        found += await keeper.engine.read(versions.list_versions, named("d"), found[-1].id, 2)
    assert [version.description for version in found] == ["v4", "v3", "v2", "v1", "v0"]
    assert [version.live_count for version in found] == [5, 4, 3, 2, 1]


async def test_a_version_of_another_dataset_is_not_found(keeper: Keeper) -> None:
    await keeper.upload([record(1)], "CREATE")
    other = (await keeper.upload([record(1)], "CREATE", "other")).dataset
    with pytest.raises(NotFound) as refused:
        await keeper.engine.read(versions.find_version, named("d"), other.latest_version_id)
    assert refused.value.reason == "VERSION_NOT_FOUND"
