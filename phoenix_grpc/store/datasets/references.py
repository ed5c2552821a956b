"""Datasets as requests refer to them, and how they are found."""

from dataclasses import dataclass

from phoenix_grpc.errors import Aborted, Reason, dataset_not_found
from phoenix_grpc.model import Dataset
from phoenix_grpc.store.engine import Transaction

COLUMNS = (
    "d.id, d.name, d.description, d.metadata, d.created_at, d.updated_at, d.change, d.latest_version_id,"
    " d.example_count"
)


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """How a request names a dataset: by id or by name; `shown` is what was asked for, for errors."""

    id: int | None
    name: str | None
    shown: str


def lookup_dataset(tx: Transaction, ref: DatasetRef) -> Dataset | None:
    """The dataset, or None."""
    which = "d.id = :id" if ref.id is not None else "d.name = :name"
    row = tx.row(
        f"SELECT {COLUMNS} FROM datasets d WHERE {which} AND d.deleted_at IS NULL",
        {"id": ref.id, "name": ref.name},
    )
    return Dataset(*row) if row else None


def find_dataset(tx: Transaction, ref: DatasetRef) -> Dataset:
    """The dataset.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    dataset = lookup_dataset(tx, ref)
    if dataset is None:
        raise dataset_not_found(ref.shown)
    return dataset


def get_dataset(tx: Transaction, dataset_id: int) -> Dataset:
    """A dataset that the caller has found before.

    Raises:
        Aborted: DATASET_DELETED, when it was deleted meanwhile.
    """
    dataset = lookup_dataset(tx, DatasetRef(dataset_id, None, ""))
    if dataset is None:
        raise deleted_meanwhile()
    return dataset


def deleted_meanwhile() -> Aborted:
    """The dataset was there when the call began."""
    return Aborted("the dataset was deleted meanwhile", Reason.DATASET_DELETED)
