"""Datasets: listed in pages, created, changed, marked as deleted and swept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from phoenix_grpc.errors import Aborted, AlreadyExists, Reason
from phoenix_grpc.model import Dataset, now
from phoenix_grpc.store.datasets.claims import CLAIM_MICROS
from phoenix_grpc.store.datasets.references import COLUMNS, DatasetRef, find_dataset, get_dataset, lookup_dataset
from phoenix_grpc.store.datasets.versions import Counts, add_version
from phoenix_grpc.store.engine import Transaction, numbered
from phoenix_grpc.store.sweeping import remove_rows

# What is removed with a dataset: table, key among its rows, columns that may be long.
_PARTS = (
    ("split_members", ("split_id", "example_id"), ()),
    ("revisions", ("example_id", "born"), ("input", "output", "metadata")),
    ("examples", ("id",), ("external_id", "span_id")),
    ("versions", ("id",), ("description", "metadata")),
    ("splits", ("id",), ("description", "metadata")),
    ("dataset_labels", ("label_id",), ()),
)


@dataclass(frozen=True, slots=True)
class DatasetFilter:
    """Which datasets to list; what is None does not filter.

    Arguments:
        name_contains: without regard to case.
        name: exactly.
        ids: the datasets that a limited key may see.
    """

    name_contains: str | None = None
    name: str | None = None
    label_id: int | None = None
    ids: frozenset[int] | None = None


class DatasetChange(NamedTuple):
    """A dataset before and after a change."""

    before: Dataset
    after: Dataset


Order = Literal["create_time desc", "create_time", "name", "name desc"]


def list_datasets(
    tx: Transaction, which: DatasetFilter, order: Order, after: int | str | None, limit: int
) -> list[Dataset]:
    """Up to `limit` datasets that pass the filter.

    Arguments:
        after: the id (in an order by name: the name) of the last dataset of the page before; None: the first page.
    """
    key = "d.name" if order.startswith("name") else "d.id" if which.label_id is None else "l.dataset_id"
    way, beyond = ("DESC", "<") if order.endswith("desc") else ("ASC", ">")
    conditions, params = _conditions(which)
    if after is not None:
        conditions.append(f"{key} {beyond} :after")
    source = "datasets d" if which.label_id is None else "dataset_labels l CROSS JOIN datasets d"
    rows = tx.rows(
        f"SELECT {COLUMNS} FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {key} {way} LIMIT :limit",
        {**params, "after": after, "limit": limit},
    )
    return [Dataset(*row) for row in rows]


def _conditions(which: DatasetFilter) -> tuple[list[str], dict[str, object]]:
    conditions, params = ["d.deleted_at IS NULL"], dict[str, object]()
    if which.name_contains is not None:
        conditions.append("d.name_folded LIKE :pattern ESCAPE '!'")
        params["pattern"] = "%" + re.sub("([!%_])", r"!\1", which.name_contains.casefold()) + "%"
    if which.name is not None:
        conditions.append("d.name = :name")
        params["name"] = which.name
    if which.label_id is not None:
        conditions.append("l.label_id = :label AND d.id = l.dataset_id")
        params["label"] = which.label_id
    if which.ids is not None:
        marks, ids = numbered("id", sorted(which.ids))
        conditions.append(f"d.id IN ({marks})")
        params.update(ids)
    return conditions, params


def insert_dataset(tx: Transaction, name: str, description: str | None, metadata: str) -> Dataset:
    """Adds a dataset, without a version yet.

    Raises:
        AlreadyExists: DATASET_EXISTS.
    """
    tx.require_room()
    moment = now()
    row = tx.row(
        "INSERT INTO datasets (id, name, name_folded, description, metadata, created_at, updated_at, change,"
        " latest_version_id, example_count)"
        " VALUES (:id, :name, :folded, :description, :metadata, :now, :now, 1, 0, 0)"
        " ON CONFLICT DO NOTHING RETURNING id",
        {
            "id": tx.take_ids("Dataset"),
            "name": name,
            "folded": name.casefold(),
            "description": description,
            "metadata": metadata,
            "now": moment,
        },
    )
    if row is None:
        raise AlreadyExists("Dataset", name, Reason.DATASET_EXISTS)
    return Dataset(row[0], name, description, metadata, moment, moment, 1, 0, 0)


def insert_hidden(
    tx: Transaction, name: str, description: str | None, upload_id: int, micros: int = CLAIM_MICROS
) -> Dataset:
    """Adds a dataset that an upload is published into, which claims it, and which nobody sees or is in the way of.

    It is marked as deleted until it is published: should that never be, it is swept as those are.

    Arguments:
        micros: how long the claim lasts.
    """
    moment = now()
    dataset = Dataset(tx.take_ids("Dataset"), name, description, "{}", moment, moment, 1, 0, 0)
    tx.run(
        "INSERT INTO datasets (id, name, name_folded, description, metadata, created_at, updated_at, change,"
        " latest_version_id, example_count, deleted_at, publishing, publishing_until)"
        " VALUES (:id, :name, :folded, :description, '{}', :now, :now, 1, 0, 0, :now, :upload, :until)",
        {
            "id": dataset.id,
            "name": name,
            "folded": name.casefold(),
            "description": description,
            "now": moment,
            "upload": upload_id,
            "until": moment + micros,
        },
    )
    return dataset


def create_dataset(tx: Transaction, name: str, description: str | None, metadata: str, author: int | None) -> Dataset:
    """Adds a dataset with its first, empty version.

    Raises:
        AlreadyExists: DATASET_EXISTS.
    """
    dataset = insert_dataset(tx, name, description, metadata)
    add_version(tx, dataset, tx.take_ids("DatasetVersion"), Counts(), author, None)
    return get_dataset(tx, dataset.id)


def update_dataset(tx: Transaction, ref: DatasetRef, changes: Mapping[str, str | None], etag: str) -> DatasetChange:
    """Changes columns of a dataset.

    Arguments:
        changes: new values of name, description and metadata; what is absent stays.
        etag: refuses when the dataset has changed since; empty does not check.

    Raises:
        NotFound: DATASET_NOT_FOUND.
        AlreadyExists: DATASET_EXISTS.
        Aborted: ETAG_MISMATCH.
    """
    dataset = find_dataset(tx, ref)
    tx.require_room()
    _require_etag(dataset, etag)
    new_name = changes.get("name")
    if new_name is not None:
        other = lookup_dataset(tx, DatasetRef(None, new_name, new_name))
        if other is not None and other.id != dataset.id:
            raise AlreadyExists("Dataset", new_name, Reason.DATASET_EXISTS)
        changes = {**changes, "name_folded": new_name.casefold()}
    settings = "".join(f"{column} = :{column}, " for column in changes)
    tx.run(
        f"UPDATE datasets SET {settings}change = change + 1, updated_at = :now WHERE id = :id",
        {**changes, "id": dataset.id, "now": now()},
    )
    return DatasetChange(dataset, get_dataset(tx, dataset.id))


def delete_dataset(tx: Transaction, ref: DatasetRef, etag: str) -> Dataset:
    """Marks a dataset as deleted, which frees its name; its rows are swept later. Returns it as it was.

    Raises:
        NotFound: DATASET_NOT_FOUND.
        Aborted: ETAG_MISMATCH.
    """
    dataset = find_dataset(tx, ref)
    _require_etag(dataset, etag)
    tx.run("UPDATE datasets SET deleted_at = :now WHERE id = :id", {"id": dataset.id, "now": now()})
    return dataset


def etag_of(dataset: Dataset) -> str:
    """Changes with every change of the dataset."""
    return str(dataset.change)


def _require_etag(dataset: Dataset, etag: str) -> None:
    if etag and etag != etag_of(dataset):
        raise Aborted("the dataset has changed since; read it again", Reason.ETAG_MISMATCH, {"etag": etag_of(dataset)})


def touch(tx: Transaction, dataset_id: int) -> None:
    """Marks the dataset as changed now, which gives it another etag."""
    tx.run(
        "UPDATE datasets SET change = change + 1, updated_at = :now WHERE id = :id", {"id": dataset_id, "now": now()}
    )


def sweep_datasets(tx: Transaction, limit: int) -> int:
    """Removes up to `limit` rows of a deleted dataset, fewer of long ones; returns how many, 0 when none is left."""
    # A publisher that was thought dead finds its claim gone; or it was faster, and the dataset is there to stay.
    over = "deleted_at IS NOT NULL AND (publishing IS NULL OR publishing_until <= :now)"
    row = tx.row(
        f"UPDATE datasets SET publishing = NULL WHERE {over}"
        f" AND id = (SELECT id FROM datasets WHERE {over} ORDER BY deleted_at LIMIT 1) RETURNING id",
        {"now": now()},
    )
    if row is None:
        return 0
    for table, key, texts in _PARTS:
        removed = remove_rows(tx, table, "dataset_id = :id", {"id": row[0]}, key, limit, texts)
        if removed:
            return removed
    return tx.run("DELETE FROM datasets WHERE id = :id", {"id": row[0]})
