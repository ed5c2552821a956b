"""Versions of a dataset: added, found, listed."""

from typing import NamedTuple

from phoenix_grpc.errors import Aborted, NotFound, Reason
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Dataset, Version, now
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset
from phoenix_grpc.store.engine import Transaction

_STORED = "id, description, metadata, created_at, created_by, created_count, updated_count, deleted_count, live_count"
# A user who is gone has made nothing.
_COLUMNS = _STORED.replace("created_by", "(SELECT u.id FROM users u WHERE u.id = versions.created_by) AS created_by")


class Counts(NamedTuple):
    """How many examples a version creates, updates and deletes."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


def require_base(dataset: Dataset, base_version_id: int | None) -> None:
    """Holds a change to the version it was based on; None does not check.

    Raises:
        Aborted: VERSION_MOVED, naming the latest version.
    """
    if base_version_id is not None and base_version_id != dataset.latest_version_id:
        latest = encode_id("DatasetVersion", dataset.latest_version_id)
        raise Aborted(
            f"the latest version is {latest}, not the base version", Reason.VERSION_MOVED, {"latest_version_id": latest}
        )


def add_version(
    tx: Transaction, dataset: Dataset, version_id: int, counts: Counts, author: int | None, description: str | None
) -> None:
    """Records a version as the dataset's latest.

    Arguments:
        version_id: taken in this transaction, so that it is above those of all earlier versions.
    """
    live = dataset.example_count + counts.created - counts.deleted
    values = {
        "dataset": dataset.id,
        "id": version_id,
        "description": description,
        "now": now(),
        "author": author,
        "created": counts.created,
        "updated": counts.updated,
        "deleted": counts.deleted,
        "live": live,
    }
    tx.run(
        f"INSERT INTO versions (dataset_id, {_STORED})"
        " VALUES (:dataset, :id, :description, '{}', :now, :author, :created, :updated, :deleted, :live)",
        values,
    )
    tx.run(
        "UPDATE datasets SET latest_version_id = :id, example_count = :live, change = change + 1, updated_at = :now"
        " WHERE id = :dataset",
        values,
    )


def find_version(tx: Transaction, ref: DatasetRef, version_id: int | None) -> Version:
    """A version of the dataset; None means the latest.

    Raises:
        NotFound: DATASET_NOT_FOUND, VERSION_NOT_FOUND.
    """
    return get_version(tx, find_dataset(tx, ref), version_id)


def get_version(tx: Transaction, dataset: Dataset, version_id: int | None) -> Version:
    """A version of a dataset that was found before; None means the latest.

    Raises:
        NotFound: VERSION_NOT_FOUND.
    """
    number = dataset.latest_version_id if version_id is None else version_id
    row = tx.row(
        f"SELECT {_COLUMNS} FROM versions WHERE dataset_id = :dataset AND id = :id",
        {"dataset": dataset.id, "id": number},
    )
    if row is None:
        raise NotFound("DatasetVersion", encode_id("DatasetVersion", number), Reason.VERSION_NOT_FOUND)
    return Version(*row)


def list_versions(tx: Transaction, ref: DatasetRef, before: int | None, limit: int) -> list[Version]:
    """Up to `limit` versions of the dataset older than version `before` (None: all), newest first.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    dataset = find_dataset(tx, ref)
    older = "" if before is None else " AND id < :before"
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM versions WHERE dataset_id = :dataset{older} ORDER BY id DESC LIMIT :limit",
        {"dataset": dataset.id, "before": before, "limit": limit},
    )
    return [Version(*row) for row in rows]
