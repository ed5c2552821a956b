"""Small changes of examples: up to 1000 appended, updated or deleted in one new version, all or nothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from phoenix_grpc.formats.canonical import content_hash
from phoenix_grpc.model import Dataset, Record, Version
from phoenix_grpc.store.datasets import examples, matching, splits, uploads, versions
from phoenix_grpc.store.datasets.claims import hold
from phoenix_grpc.store.datasets.examples import ExampleRef
from phoenix_grpc.store.datasets.publishing import publish_at_once
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset, get_dataset
from phoenix_grpc.store.datasets.uploads import Publication
from phoenix_grpc.store.engine import Transaction, numbered

_BATCH_CHARS = 1 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """What every change of examples has; see uploads.Publication for the fields."""

    dataset: DatasetRef
    author: int | None = None
    version_description: str | None = None
    base_version_id: int | None = None
    validate_only: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change did, or with validate_only would do.

    Arguments:
        dataset: as it was before.
        version: the new version, or the latest one when nothing changed.
        example_ids: the examples of the request, in its order; None for those that validate_only would create.
    """

    dataset: Dataset
    version: Version
    created: int
    updated: int
    deleted: int
    example_ids: list[int | None]


@dataclass(frozen=True, slots=True)
class ExampleUpdate:
    """New content of one example, JSON objects as text; what is None stays. See uploads.Record for splits."""

    name: ExampleRef
    input: str | None = None
    output: str | None = None
    metadata: str | None = None
    splits: str | None = None


def append_examples(tx: Transaction, change: Change, records: Sequence[Record]) -> Changed:
    """Adds examples as an APPEND upload does.

    Raises:
        NotFound: DATASET_NOT_FOUND.
        Aborted: VERSION_MOVED.
        Invalid: when an example is addressed twice, or is none of the dataset's.
    """
    return _publish(tx, change, find_dataset(tx, change.dataset), records, "examples")


def update_examples(tx: Transaction, change: Change, updates: Sequence[ExampleUpdate]) -> Changed:
    """Changes live examples.

    Raises:
        NotFound: DATASET_NOT_FOUND, EXAMPLE_NOT_FOUND.
        Aborted: VERSION_MOVED.
        Invalid: when an example is addressed twice.
    """
    dataset = find_dataset(tx, change.dataset)
    versions.require_base(dataset, change.base_version_id)
    names = [update.name for update in updates]
    ids = examples.find_examples(tx, dataset.id, names, dataset.latest_version_id)
    return _publish(tx, change, dataset, _merged(tx, dataset, ids, updates), "updates")


def _merged(
    tx: Transaction, dataset: Dataset, ids: Sequence[int], updates: Sequence[ExampleUpdate]
) -> Iterator[Record]:
    """Records of the examples as they will be; read one by one, since contents may be big."""
    for example_id, update in zip(ids, updates, strict=True):
        row = examples.read_some(tx, dataset.id, dataset.latest_version_id, [example_id]).rows[0]
        parts = (update.input or row[2], update.output or row[3], update.metadata or row[4])
        yield Record(None, example_id, content_hash(*parts), *parts, update.splits)


def _publish(tx: Transaction, change: Change, dataset: Dataset, records: Iterable[Record], field: str) -> Changed:
    upload_id = uploads.begin_upload(tx)
    first = 1
    for batch in _batches(records):
        uploads.stage_records(tx, upload_id, first, batch)
        first += len(batch)
    published = publish_at_once(
        tx,
        upload_id,
        Publication(
            DatasetRef(dataset.id, None, change.dataset.shown),
            "APPEND",
            change.author,
            version_description=change.version_description,
            base_version_id=change.base_version_id,
            validate_only=change.validate_only,
            field=field,
        ),
    )
    assert published.version is not None  # noqa: S101 - the dataset exists, so it has one
    ids = matching.example_ids(tx, upload_id, published.base_id)
    uploads.drop_upload(tx, upload_id)
    return Changed(dataset, published.version, published.created, published.updated, published.deleted, ids)


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    batch: list[Record] = []
    chars = 0
    for record in records:
        batch.append(record)
        chars += len(record.input) + len(record.output) + len(record.metadata)
        if chars > _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    yield batch


def delete_examples(tx: Transaction, change: Change, names: Sequence[ExampleRef]) -> Changed:
    """Deletes live examples; naming one twice is naming it once.

    Raises:
        NotFound: DATASET_NOT_FOUND, EXAMPLE_NOT_FOUND.
        Aborted: VERSION_MOVED.
    """
    dataset = find_dataset(tx, change.dataset)
    hold(tx, dataset.id)
    versions.require_base(dataset, change.base_version_id)
    ids = examples.find_examples(tx, dataset.id, names, dataset.latest_version_id)
    counts = versions.Counts(deleted=len(set(ids)))
    if ids and not change.validate_only:
        version_id = tx.take_ids("DatasetVersion")
        marks, params = numbered("id", set(ids))
        values = {**params, "dataset": dataset.id, "version": version_id}
        splits.remove_members(tx, dataset.id, f"example_id IN ({marks})", values)
        tx.run(
            "UPDATE revisions SET died = :version WHERE dataset_id = :dataset AND died IS NULL"
            f" AND example_id IN ({marks})",
            values,
        )
        versions.add_version(tx, dataset, version_id, counts, change.author, change.version_description)
    latest = versions.get_version(tx, get_dataset(tx, dataset.id), None)
    return Changed(dataset, latest, 0, 0, counts.deleted, list(ids))
