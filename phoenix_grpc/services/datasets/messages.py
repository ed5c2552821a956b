"""The messages of DatasetsService, made from what the store keeps."""

from collections.abc import Sequence
from functools import lru_cache

from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Dataset, Label, Row, Split, Version
from phoenix_grpc.services.fields import set_time
from phoenix_grpc.store.datasets.changes import Changed
from phoenix_grpc.store.datasets.datasets import etag_of
from phoenix_grpc.store.datasets.examples import Revision
from phoenix_grpc.structs import json_to_struct
from phoenix_grpc.v1 import datasets_pb2

_KEPT_CHARS = 1000
"""Datasets with more metadata are not kept as messages, so that a thousand of them take little memory."""

_KINDS = {
    "CREATED": datasets_pb2.ExampleRevision.KIND_CREATED,
    "UPDATED": datasets_pb2.ExampleRevision.KIND_UPDATED,
    "DELETED": datasets_pb2.ExampleRevision.KIND_DELETED,
}


def dataset_message(dataset: Dataset) -> datasets_pb2.Dataset:
    """A dataset; one that is not made yet has no id. The message may be shared: it is not to be changed."""
    # A dataset looks the same until it changes, and pages show the same ones again and again.
    return _kept_message(dataset) if len(dataset.metadata) <= _KEPT_CHARS else _dataset_message(dataset)


@lru_cache(maxsize=1000)
def _kept_message(dataset: Dataset) -> datasets_pb2.Dataset:
    return _dataset_message(dataset)


def _dataset_message(dataset: Dataset) -> datasets_pb2.Dataset:
    message = datasets_pb2.Dataset(
        dataset_id=_id("Dataset", dataset.id),
        name=dataset.name,
        description=dataset.description,
        example_count=dataset.example_count,
        latest_version_id=_id("DatasetVersion", dataset.latest_version_id),
        etag=etag_of(dataset),
    )
    set_time(message.create_time, dataset.created_at)
    set_time(message.update_time, dataset.updated_at)
    if dataset.metadata != "{}":
        json_to_struct(dataset.metadata, message.metadata, "metadata")
    return message


def version_message(version: Version) -> datasets_pb2.DatasetVersion:
    """A version."""
    message = datasets_pb2.DatasetVersion(
        version_id=encode_id("DatasetVersion", version.id),
        description=version.description,
        created_by_user_id=_id("User", version.created_by),
        created_count=version.created_count,
        updated_count=version.updated_count,
        deleted_count=version.deleted_count,
        live_count=version.live_count,
    )
    set_time(message.create_time, version.created_at)
    if version.metadata != "{}":
        json_to_struct(version.metadata, message.metadata, "metadata")
    return message


def example_message(row: Row, splits: Sequence[str] = ()) -> datasets_pb2.Example:
    """An example.

    Arguments:
        row: as examples.Page has it.
        splits: the names of the splits it is in.

    Raises:
        FailedPrecondition: VALUE_NOT_REPRESENTABLE, for a value that a Struct cannot carry.
    """
    example_id, external_id, input, output, metadata, span_id, updated_at, born = row
    message = datasets_pb2.Example(
        example_id=encode_id("DatasetExample", example_id),
        external_id=external_id or "",
        splits=splits,
        source_span_id=span_id or "",
        version_id=encode_id("DatasetVersion", born),
    )
    set_time(message.update_time, updated_at)
    json_to_struct(input, message.input, "input")
    json_to_struct(output, message.output, "output")
    json_to_struct(metadata, message.metadata, "metadata")
    return message


def revision_message(example_id: int, external_id: str | None, revision: Revision) -> datasets_pb2.ExampleRevision:
    """A revision of an example.

    Raises:
        FailedPrecondition: VALUE_NOT_REPRESENTABLE, for a value that a Struct cannot carry.
    """
    message = datasets_pb2.ExampleRevision(
        kind=_KINDS[revision.kind], version_id=encode_id("DatasetVersion", revision.version_id)
    )
    set_time(message.create_time, revision.created_at)
    if revision.content is not None:
        row = (example_id, external_id, *revision.content, None, revision.created_at, revision.version_id)
        message.example.CopyFrom(example_message(row))
    return message


def changed_message(changed: Changed) -> datasets_pb2.ChangeExamplesResponse:
    """What a change of examples did."""
    return datasets_pb2.ChangeExamplesResponse(
        version=version_message(changed.version),
        created_count=changed.created,
        updated_count=changed.updated,
        deleted_count=changed.deleted,
        example_ids=[_id("DatasetExample", example_id) for example_id in changed.example_ids],
    )


def split_message(split: Split) -> datasets_pb2.DatasetSplit:
    """A split."""
    message = datasets_pb2.DatasetSplit(
        split_id=encode_id("DatasetSplit", split.id),
        name=split.name,
        description=split.description,
        color=split.color,
        example_count=split.example_count,
    )
    set_time(message.create_time, split.created_at)
    set_time(message.update_time, split.updated_at)
    if split.metadata != "{}":
        json_to_struct(split.metadata, message.metadata, "metadata")
    return message


def label_message(label: Label) -> datasets_pb2.DatasetLabel:
    """A label."""
    return datasets_pb2.DatasetLabel(
        label_id=encode_id("DatasetLabel", label.id), name=label.name, description=label.description, color=label.color
    )


def _id(kind: str, number: int | None) -> str:
    return encode_id(kind, number) if number else ""
