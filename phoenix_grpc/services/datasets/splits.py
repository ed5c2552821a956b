"""The methods of DatasetsService about splits."""

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc.ids import decode_id, encode_id
from phoenix_grpc.model import Split
from phoenix_grpc.services.datasets.messages import split_message
from phoenix_grpc.services.datasets.methods import DatasetMethods
from phoenix_grpc.services.datasets.references import dataset_ref, example_refs
from phoenix_grpc.services.fields import checked_name, masked_fields, metadata_json, optional_text
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.services.trail import Target, Trail
from phoenix_grpc.store.datasets import splits
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import datasets_pb2

MAX_COLOR = 100
"""In Phoenix the colour of a split, unlike that of a label, is free text."""


class SplitMethods(DatasetMethods):
    """Methods about splits."""

    async def CreateSplit(self, request: datasets_pb2.CreateSplitRequest) -> datasets_pb2.DatasetSplit:
        ref = dataset_ref(request)
        name = checked_name(request.split_name, "split_name")
        description = optional_text(request, "description")
        color = checked_name(request.color or splits.DEFAULT_COLOR, "color", MAX_COLOR)
        metadata = metadata_json(request.metadata, "metadata")
        members = example_refs(request, "example_ids")

        def create(tx: Transaction, trail: Trail) -> Split:
            dataset, made = splits.create_split(tx, ref, name, description, color, metadata, members)
            trail.add("split.create", _target(made), dataset, created_count=made.example_count)
            return made

        return split_message(await self.change(create))

    async def UpdateSplit(self, request: datasets_pb2.UpdateSplitRequest) -> datasets_pb2.DatasetSplit:
        ref = dataset_ref(request)
        split_id = decode_id("DatasetSplit", request.split_id, "split_id")
        changes = _split_changes(request)
        add = example_refs(request, "add_example_ids")
        remove = example_refs(request, "remove_example_ids")

        def update(tx: Transaction, trail: Trail) -> Split:
            dataset, before, after, came, went = splits.update_split(tx, ref, split_id, changes, add, remove)
            if came or went or any(getattr(before, field) != getattr(after, field) for field in changes):
                trail.add("split.update", _target(after), dataset, created_count=came, deleted_count=went)
            return after

        return split_message(await self.change(update))

    async def DeleteSplit(self, request: datasets_pb2.DeleteSplitRequest) -> Empty:
        split_id = decode_id("DatasetSplit", request.split_id, "split_id")
        ref = dataset_ref(request)

        def delete(tx: Transaction, trail: Trail) -> None:
            dataset, deleted = splits.delete_split(tx, ref, split_id)
            trail.add("split.delete", _target(deleted), dataset, deleted_count=deleted.example_count)

        await self.change(delete)
        return Empty()

    async def GetSplit(self, request: datasets_pb2.GetSplitRequest) -> datasets_pb2.DatasetSplit:
        split_id = decode_id("DatasetSplit", request.split_id, "split_id")
        return split_message(await self.engine.read(splits.find_split, dataset_ref(request), split_id))

    async def ListSplits(self, request: datasets_pb2.ListSplitsRequest) -> datasets_pb2.ListSplitsResponse:
        size = page_size(request)
        position = page_position(request, (int,))
        before = position[0] if position else None
        rows = await self.engine.read(splits.list_splits, dataset_ref(request), before, size + 1)
        found = page(rows, size, split_message)
        return datasets_pb2.ListSplitsResponse(
            splits=found.messages, next_page_token=page_token(request, found.last.id) if found.last else ""
        )


def _target(split: Split) -> Target:
    return Target(encode_id("DatasetSplit", split.id), split.name)


def _split_changes(request: datasets_pb2.UpdateSplitRequest) -> dict[str, str | None]:
    fields = masked_fields(request, "update_mask", "split", ("name", "description", "color", "metadata"))
    changes: dict[str, str | None] = {}
    if "name" in fields:
        changes["name"] = checked_name(request.split.name, "split.name")
    if "description" in fields:
        changes["description"] = optional_text(request.split, "description")
    if "color" in fields:
        changes["color"] = checked_name(request.split.color, "split.color", MAX_COLOR)
    if "metadata" in fields:
        changes["metadata"] = metadata_json(request.split.metadata, "split.metadata")
    return changes
