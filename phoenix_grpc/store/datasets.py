"""Datasets: found by id or name, listed in pages, created, changed, marked as deleted and swept."""

from dataclasses import dataclass

from phoenix_grpc.errors import Aborted, AlreadyExists, dataset_not_found
from phoenix_grpc.model import Dataset, now
from phoenix_grpc.store.engine import Transaction

_COLUMNS = "d.id, d.name, d.description, d.metadata, d.created_at, d.updated_at, d.change, d.latest_version_id, d.example_count"

# What a dataset consists of, and the column by which it is swept.
_PARTS = (
    ("split_members", "example_id"),
    ("revisions", "example_id"),
    ("examples", "id"),
    ("versions", "id"),
    ("splits", "id"),
    ("dataset_labels", "label_id"),
)


@dataclass(frozen=True, slots=True)
class DatasetName:
    """How a request names a dataset: by id or by name; `shown` is what was asked for, for errors."""

    id: int | None
    name: str | None
    shown: str


def lookup_dataset(tx: Transaction, name: DatasetName) -> Dataset | None:
    """The dataset, or None."""
    which = "d.id = :id" if name.id is not None else "d.name = :name"
    row = tx.row(
        f"SELECT {_COLUMNS} FROM datasets d WHERE {which} AND d.deleted_at IS NULL",  # noqa: S608
        {"id": name.id, "name": name.name},
    )
    return Dataset(*row) if row else None


def find_dataset(tx: Transaction, name: DatasetName) -> Dataset:
    """The dataset.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    dataset = lookup_dataset(tx, name)
    if dataset is None:
        raise dataset_not_found(name.shown)
    return dataset


def get_dataset(tx: Transaction, dataset_id: int) -> Dataset:
    """A dataset that the caller has found before.

    Raises:
        Aborted: DATASET_DELETED, when it was deleted meanwhile.
    """
    dataset = lookup_dataset(tx, DatasetName(dataset_id, None, ""))
    if dataset is None:
        raise deleted_meanwhile()
    return dataset


def deleted_meanwhile() -> Aborted:
    """The dataset was there when the call began."""
    return Aborted("the dataset was deleted meanwhile", "DATASET_DELETED")


def insert_dataset(tx: Transaction, name: str, description: str | None, metadata: str) -> Dataset:
    """Adds a dataset, without a version yet.

    Raises:
        AlreadyExists: DATASET_EXISTS.
    """
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
        raise AlreadyExists("Dataset", name, "DATASET_EXISTS")
    return Dataset(row[0], name, description, metadata, moment, moment, 1, 0, 0)


def touch(tx: Transaction, dataset_id: int) -> None:
    """Marks the dataset as changed now, which gives it another etag."""
    tx.run(
        "UPDATE datasets SET change = change + 1, updated_at = :now WHERE id = :id", {"id": dataset_id, "now": now()}
    )


def sweep_datasets(tx: Transaction, limit: int) -> int:
    """Removes up to `limit` rows of a deleted dataset; answers how many went, 0 when none is left."""
    row = tx.row("SELECT id FROM datasets WHERE deleted_at IS NOT NULL ORDER BY deleted_at LIMIT 1")
    if row is None:
        return 0
    for table, key in _PARTS:
        removed = tx.run(
            f"DELETE FROM {table} WHERE dataset_id = :id AND {key} IN"  # noqa: S608 - names of ours
            f" (SELECT {key} FROM {table} WHERE dataset_id = :id ORDER BY {key} LIMIT :limit)",
            {"id": row[0], "limit": limit},
        )
        if removed:
            return removed
    return tx.run("DELETE FROM datasets WHERE id = :id", {"id": row[0]})
