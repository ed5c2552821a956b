"""Labels: shared by all datasets of the server, put on any number of them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from phoenix_grpc.errors import AlreadyExists, NotFound, Reason
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Dataset, Label
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset
from phoenix_grpc.store.engine import Transaction, numbered

_COLUMNS = "l.id, l.name, l.description, l.color"


class LabelChange(NamedTuple):
    """The labels of a dataset before and after a change, by name."""

    dataset: Dataset
    before: list[Label]
    after: list[Label]


def create_label(tx: Transaction, name: str, description: str | None, color: str) -> Label:
    """Adds a label.

    Raises:
        AlreadyExists: LABEL_EXISTS.
    """
    tx.require_room()
    row = tx.row(
        "INSERT INTO labels (id, name, description, color) VALUES (:id, :name, :description, :color)"
        " ON CONFLICT DO NOTHING RETURNING id",
        {"id": tx.take_ids("DatasetLabel"), "name": name, "description": description, "color": color},
    )
    if row is None:
        raise AlreadyExists("DatasetLabel", name, Reason.LABEL_EXISTS)
    return Label(row[0], name, description, color)


def update_label(tx: Transaction, label_id: int, changes: Mapping[str, str | None]) -> Label:
    """Changes columns of a label.

    Arguments:
        changes: new values of name, description and color; what is absent stays.

    Raises:
        NotFound: LABEL_NOT_FOUND.
        AlreadyExists: LABEL_EXISTS.
    """
    tx.require_room()
    label = get_label(tx, label_id)
    name = changes.get("name")
    if name is not None and name != label.name and tx.row("SELECT 1 FROM labels WHERE name = :name", {"name": name}):
        raise AlreadyExists("DatasetLabel", name, Reason.LABEL_EXISTS)
    if changes:
        settings = ", ".join(f"{column} = :{column}" for column in changes)
        tx.run(f"UPDATE labels SET {settings} WHERE id = :id", {**changes, "id": label_id})
    return get_label(tx, label_id)


def delete_label(tx: Transaction, label_id: int) -> Label:
    """Deletes a label, and takes it off all datasets. Returns it as it was.

    Raises:
        NotFound: LABEL_NOT_FOUND.
    """
    label = get_label(tx, label_id)
    tx.run("DELETE FROM labels WHERE id = :id", {"id": label_id})
    return label


def get_label(tx: Transaction, label_id: int) -> Label:
    """A label.

    Raises:
        NotFound: LABEL_NOT_FOUND.
    """
    row = tx.row(f"SELECT {_COLUMNS} FROM labels l WHERE l.id = :id", {"id": label_id})
    if row is None:
        raise _not_found(label_id)
    return Label(*row)


def list_labels(tx: Transaction, before: int | None, limit: int) -> list[Label]:
    """Up to `limit` labels older than label `before` (None: all), newest first."""
    older = "" if before is None else " WHERE l.id < :before"
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM labels l{older} ORDER BY l.id DESC LIMIT :limit", {"before": before, "limit": limit}
    )
    return [Label(*row) for row in rows]


def dataset_labels(tx: Transaction, ref: DatasetRef) -> list[Label]:
    """The labels of a dataset, by name.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    return _labels_of(tx, find_dataset(tx, ref))


def set_labels(tx: Transaction, ref: DatasetRef, label_ids: Sequence[int]) -> LabelChange:
    """Replaces the labels of a dataset.

    Raises:
        NotFound: DATASET_NOT_FOUND, LABEL_NOT_FOUND.
    """
    dataset = find_dataset(tx, ref)
    before = _labels_of(tx, dataset)
    tx.run("DELETE FROM dataset_labels WHERE dataset_id = :dataset", {"dataset": dataset.id})
    _put_on(tx, dataset, label_ids)
    return LabelChange(dataset, before, _labels_of(tx, dataset))


def add_label(tx: Transaction, ref: DatasetRef, label_id: int) -> LabelChange:
    """Puts a label on a dataset, if it is not there.

    Raises:
        NotFound: DATASET_NOT_FOUND, LABEL_NOT_FOUND.
    """
    dataset = find_dataset(tx, ref)
    before = _labels_of(tx, dataset)
    _put_on(tx, dataset, [label_id])
    return LabelChange(dataset, before, _labels_of(tx, dataset))


def remove_label(tx: Transaction, ref: DatasetRef, label_id: int) -> LabelChange:
    """Takes a label off a dataset, if it is there.

    Raises:
        NotFound: DATASET_NOT_FOUND, LABEL_NOT_FOUND.
    """
    dataset = find_dataset(tx, ref)
    before = _labels_of(tx, dataset)
    get_label(tx, label_id)
    tx.run(
        "DELETE FROM dataset_labels WHERE dataset_id = :dataset AND label_id = :label",
        {"dataset": dataset.id, "label": label_id},
    )
    return LabelChange(dataset, before, _labels_of(tx, dataset))


def _labels_of(tx: Transaction, dataset: Dataset) -> list[Label]:
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM dataset_labels d CROSS JOIN labels l WHERE d.dataset_id = :dataset"
        " AND l.id = d.label_id ORDER BY l.name",
        {"dataset": dataset.id},
    )
    return [Label(*row) for row in rows]


def _put_on(tx: Transaction, dataset: Dataset, label_ids: Sequence[int]) -> None:
    if label_ids:
        tx.require_room()
    marks, params = numbered("label", set(label_ids))
    known = {label_id for (label_id,) in tx.rows(f"SELECT id FROM labels WHERE id IN ({marks})", params)}
    for label_id in label_ids:
        if label_id not in known:
            raise _not_found(label_id)
    tx.run(
        "INSERT INTO dataset_labels (dataset_id, label_id)"
        f" SELECT :dataset, id FROM labels WHERE id IN ({marks}) ON CONFLICT DO NOTHING",
        {**params, "dataset": dataset.id},
    )


def _not_found(label_id: int) -> NotFound:
    return NotFound("DatasetLabel", encode_id("DatasetLabel", label_id), Reason.LABEL_NOT_FOUND)
