"""Uploads: records are staged in short transactions, where nobody sees them, and published at the end (publishing).

An upload holds a lease, which each staging extends. What is over (published, discarded, or its lease ended) is swept in
small transactions, off the calls' path; an upload whose process died is swept so too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from phoenix_grpc.errors import Aborted, AlreadyExists, Reason, Unavailable
from phoenix_grpc.model import Dataset, Record, Version, now
from phoenix_grpc.store.datasets import versions
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset, lookup_dataset
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.sweeping import remove_rows

LEASE_MICROS = 15 * 60 * 1_000_000
_MEMBERSHIP_WEIGHT = 500

Action = Literal["CREATE", "APPEND", "UPDATE"]

_COLUMNS = (
    "upload_id",
    "ordinal",
    "weight",
    "external_id",
    "example_id",
    "content_hash",
    "input",
    "output",
    "metadata",
    "splits",
    "span_id",
    "flaw",
)
# What is removed with an upload: table, key among its rows, columns that may be long.
_PARTS = (
    ("staged_splits", ("ordinal", "name"), ("name",)),
    ("upload_matches", ("ordinal",), ()),
    ("staged_examples", ("ordinal",), ("input", "output", "metadata", "external_id", "splits", "span_id")),
)


@dataclass(frozen=True, slots=True)
class Publication:
    """How the staged records of an upload become a version.

    Arguments:
        dataset: where to; a dataset that is named and missing is created, and CREATE takes no other.
        author: the user who uploads.
        base_version_id: refuses when this is not the latest version.
        validate_only: runs every check, and changes nothing.
        allow_empty: allows an UPDATE without any record, which deletes every example.
        all_new: takes every record as new, whatever the dataset has.
        field: the field of the request that the records came in, for errors.
    """

    dataset: DatasetRef
    action: Action
    author: int | None = None
    description: str | None = None
    version_description: str | None = None
    base_version_id: int | None = None
    validate_only: bool = False
    allow_empty: bool = False
    all_new: bool = False
    field: str = "chunk"


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication did, or with validate_only would do.

    Arguments:
        dataset: as it is now; its id is 0 when validate_only would create it.
        version: the new version, or the latest one when nothing changed; None when validate_only would create it.
        created: examples that came or came back.
        updated: examples whose content or splits changed.
        deleted: examples that went.
        base_id: the example made from record `ordinal` has the id base_id + ordinal; None when nothing was made.
        is_new: whether the dataset was created.
    """

    dataset: Dataset
    version: Version | None
    created: int
    updated: int
    deleted: int
    base_id: int | None = None
    is_new: bool = False


def begin_upload(tx: Transaction) -> int:
    """Begins an upload, with a lease of 15 minutes; returns its id.

    Raises:
        StoreFull: when there is no room for more.
    """
    tx.require_room()
    upload_id = tx.take_ids("Upload")
    tx.run(
        "INSERT INTO uploads (id, lease_expires_at) VALUES (:id, :until)",
        {"id": upload_id, "until": now() + LEASE_MICROS},
    )
    return upload_id


def stage_records(tx: Transaction, upload_id: int, first_ordinal: int, records: Sequence[Record]) -> None:
    """Stages records and extends the lease.

    Arguments:
        first_ordinal: how many records were staged before, plus 1.

    Raises:
        StoreFull: when there is no room for them, or would be none to publish all that is staged.
        Unavailable: when the lease is over.
    """
    used = tx.used_bytes()
    names: dict[str | None, frozenset[str]] = {
        record.splits: split_names(record.splits) for record in records if record.splits is not None
    }
    tx.append(
        "staged_examples",
        _COLUMNS,
        [
            (upload_id, ordinal, _weigh(record, len(names.get(record.splits, ()))), *record)
            for ordinal, record in enumerate(records, first_ordinal)
        ],
    )
    memberships = (
        (upload_id, ordinal, name)
        for ordinal, record in enumerate(records, first_ordinal)
        for name in names.get(record.splits, ())
    )
    if names:
        tx.append("staged_splits", ("upload_id", "ordinal", "name"), memberships)
    tx.require_room(_move_lease(tx, upload_id, now() + LEASE_MICROS, tx.used_bytes() - used, len(records)))


def weight(record: Record) -> int:
    """What it takes to write a record into a dataset, in characters of content."""
    return _weigh(record, len(split_names(record.splits)) if record.splits is not None else 0)


def _weigh(record: Record, split_count: int) -> int:
    return len(record.input) + len(record.output) + len(record.metadata) + _MEMBERSHIP_WEIGHT * split_count


split_names = msgspec.json.Decoder(frozenset[str]).decode
"""The splits that a record names, each once."""


def keep_upload(tx: Transaction, upload_id: int, micros: int = LEASE_MICROS) -> int:
    """Extends the lease of an upload from now on, or ends it with 0; returns how many bytes are staged.

    Raises:
        Unavailable: when the lease is over.
    """
    return _move_lease(tx, upload_id, now() + micros if micros else 0)


def _move_lease(tx: Transaction, upload_id: int, until: int, staged: int = 0, count: int = 0) -> int:
    """Returns how many bytes are staged, with those that come."""
    row = tx.row(
        "UPDATE uploads SET lease_expires_at = :until, staged_bytes = staged_bytes + :staged,"
        " record_count = record_count + :count"
        " WHERE id = :id AND lease_expires_at > :now RETURNING staged_bytes",
        {"id": upload_id, "until": until, "staged": max(0, staged), "count": count, "now": now()},
    )
    if row is None:
        raise Unavailable("the upload was idle for so long that its records were dropped; send it again")
    return int(row[0])


def discard_upload(tx: Transaction, upload_id: int) -> None:
    """Gives up an upload; its records are swept later."""
    tx.run("UPDATE uploads SET lease_expires_at = 0 WHERE id = :id", {"id": upload_id})


def sweep_uploads(tx: Transaction, limit: int) -> int:
    """Removes up to `limit` rows of any upload that is over, fewer of long ones; returns how many, 0 for none left."""
    # Nobody extends the lease of an upload whose rows go, not even by a clock that is behind.
    row = tx.row(
        "UPDATE uploads SET lease_expires_at = 0 WHERE lease_expires_at <= :now AND id ="
        " (SELECT id FROM uploads WHERE lease_expires_at <= :now ORDER BY lease_expires_at LIMIT 1) RETURNING id",
        {"now": now()},
    )
    upload_id = row[0] if row else _orphaned(tx)
    return remove_upload(tx, upload_id, limit) if upload_id else 0


def _orphaned(tx: Transaction) -> int | None:
    """An upload that is gone, of which there are rows: a long statement may end after the upload that it was for."""
    for table, _, _ in _PARTS:
        after = 0
        # From one upload to the next, not from row to row.
        while row := tx.row(
            f"SELECT s.upload_id, u.id FROM {table} s LEFT JOIN uploads u ON u.id = s.upload_id"
            " WHERE s.upload_id > :after ORDER BY s.upload_id LIMIT 1",
            {"after": after},
        ):
            after, found = row
            if found is None:
                return int(after)
    return None


def remove_upload(tx: Transaction, upload_id: int, limit: int) -> int:
    """Removes up to `limit` rows of an upload that is over, fewer of long ones; returns how many, 0 for none left."""
    for table, key, texts in _PARTS:
        removed = remove_rows(tx, table, "upload_id = :id", {"id": upload_id}, key, limit, texts)
        if removed:
            return removed
    return tx.run("DELETE FROM uploads WHERE id = :id", {"id": upload_id})


def drop_upload(tx: Transaction, upload_id: int) -> None:
    """Removes a small upload at once, in the transaction that made it."""
    for table, _, _ in _PARTS:
        tx.run(f"DELETE FROM {table} WHERE upload_id = :id", {"id": upload_id})
    tx.run("DELETE FROM uploads WHERE id = :id", {"id": upload_id})


def find_target(tx: Transaction, publication: Publication) -> Dataset | None:
    """The dataset to publish into; None when it is to be created.

    Raises:
        NotFound: for a dataset named by id.
        AlreadyExists: when CREATE names a dataset that exists.
        Aborted: VERSION_MOVED, when the base version is not the latest.
    """
    name = publication.dataset
    dataset = lookup_dataset(tx, name) if name.id is None else find_dataset(tx, name)
    if dataset is None:
        if publication.base_version_id is not None:
            raise Aborted("the dataset does not exist, so it has no base version")
        return None
    if publication.action == "CREATE":
        raise AlreadyExists("Dataset", name.shown, Reason.DATASET_EXISTS)
    versions.require_base(dataset, publication.base_version_id)
    return dataset
