"""DatasetsService: datasets and their versions; the methods of each other subject are in modules of their own."""

from typing import Any, get_args

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc.errors import Invalid, PermissionDenied, Reason
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.model import Dataset
from phoenix_grpc.services.datasets.examples import ExampleMethods
from phoenix_grpc.services.datasets.labels import LabelMethods
from phoenix_grpc.services.datasets.messages import dataset_message, version_message
from phoenix_grpc.services.datasets.methods import DatasetMethods
from phoenix_grpc.services.datasets.references import dataset_ref
from phoenix_grpc.services.datasets.splits import SplitMethods
from phoenix_grpc.services.datasets.transfer import TransferMethods
from phoenix_grpc.services.fields import (
    checked_name,
    masked_fields,
    metadata_json,
    optional_id,
    optional_text,
)
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.services.trail import Trail, dataset_target
from phoenix_grpc.store.datasets import datasets, versions
from phoenix_grpc.store.datasets.datasets import DatasetFilter, Order
from phoenix_grpc.store.datasets.heads import read_rows
from phoenix_grpc.store.datasets.references import find_dataset
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import datasets_pb2


class VersionMethods(DatasetMethods):
    """Methods that read versions."""

    async def ListVersions(self, request: datasets_pb2.ListVersionsRequest) -> datasets_pb2.ListVersionsResponse:
        size = page_size(request)
        position = page_position(request, (int,))
        before = position[0] if position else None
        ref = dataset_ref(request)
        rows = await read_rows(self.engine, ref, versions.list_versions, ref, before, size + 1)
        found = page(rows, size, version_message)
        return datasets_pb2.ListVersionsResponse(
            versions=found.messages, next_page_token=page_token(request, found.last.id) if found.last else ""
        )

    async def GetVersion(self, request: datasets_pb2.GetVersionRequest) -> datasets_pb2.DatasetVersion:
        version_id = optional_id("DatasetVersion", request.version_id, "version_id")
        return version_message(await self.engine.read(versions.find_version, dataset_ref(request), version_id))


class DatasetsServicer(
    ExampleMethods,
    SplitMethods,
    LabelMethods,
    TransferMethods,
    VersionMethods,
):
    """Every method of DatasetsService; datasets.proto documents each. The arguments are those of DatasetMethods."""

    async def ListDatasets(self, request: datasets_pb2.ListDatasetsRequest) -> datasets_pb2.ListDatasetsResponse:
        size = page_size(request)
        order = _order(request.order_by)
        position = page_position(request, (str if order.startswith("name") else int,))
        which = DatasetFilter(
            request.name_contains or None,
            request.name.strip() or None,
            optional_id("DatasetLabel", request.label_id, "label_id"),
            current_call.get().principal.dataset_ids,
        )
        after = position[0] if position else None
        rows = await self.engine.read(datasets.list_datasets, which, order, after, size + 1)
        found = page(rows, size, dataset_message)
        last = found.last
        token = page_token(request, last.name if order.startswith("name") else last.id) if last else ""
        return datasets_pb2.ListDatasetsResponse(datasets=found.messages, next_page_token=token)

    async def GetDataset(self, request: datasets_pb2.GetDatasetRequest) -> datasets_pb2.Dataset:
        return dataset_message(await self.engine.read(find_dataset, dataset_ref(request)))

    async def CreateDataset(self, request: datasets_pb2.CreateDatasetRequest) -> datasets_pb2.Dataset:
        name = checked_name(request.name, "name")
        description = optional_text(request, "description")
        metadata = metadata_json(request.metadata, "metadata")
        author = current_call.get().principal.user_id

        def create(tx: Transaction, trail: Trail) -> datasets_pb2.Dataset:
            made = datasets.create_dataset(tx, name, description, metadata, author)
            trail.add("dataset.create", dataset=made, version_id=made.latest_version_id)
            return dataset_message(made)

        return await self.write_once(request, datasets_pb2.Dataset, create)

    async def UpdateDataset(self, request: datasets_pb2.UpdateDatasetRequest) -> datasets_pb2.Dataset:
        ref = dataset_ref(request)
        fields = masked_fields(request, "update_mask", "update", ("name", "description", "metadata"))
        changes: dict[str, str | None] = {}
        if "name" in fields:
            _require_unlimited()
            changes["name"] = checked_name(request.update.name, "update.name")
        if "description" in fields:
            changes["description"] = optional_text(request.update, "description")
        if "metadata" in fields:
            changes["metadata"] = metadata_json(request.update.metadata, "update.metadata")

        def update(tx: Transaction, trail: Trail) -> Dataset:
            before, after = datasets.update_dataset(tx, ref, changes, request.etag)
            if any(getattr(before, field) != getattr(after, field) for field in fields):
                trail.add("dataset.update", dataset_target(after), before)
            return after

        return dataset_message(await self.change(update))

    async def DeleteDataset(self, request: datasets_pb2.DeleteDatasetRequest) -> Empty:
        ref = dataset_ref(request)

        def delete(tx: Transaction, trail: Trail) -> None:
            deleted = datasets.delete_dataset(tx, ref, request.etag)
            trail.add("dataset.delete", dataset=deleted, deleted_count=deleted.example_count)

        await self.change(delete)
        return Empty()


def _require_unlimited() -> None:
    """Refuses a key that is limited to datasets: it would learn by names which others exist."""
    if current_call.get().principal.dataset_ids is not None:
        raise PermissionDenied("a key limited to datasets may not rename them", Reason.KEY_NOT_FOR_DATASET)


def _order(text: str) -> Order:
    """The order that `order_by` asks for.

    Raises:
        Invalid: for an unknown one.
    """
    order: Any = " ".join(text.split()) or "create_time desc"
    if order not in get_args(Order):
        raise Invalid("order_by", f"unknown; known are {', '.join(map(repr, get_args(Order)))}")
    known: Order = order
    return known
