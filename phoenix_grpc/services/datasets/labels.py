"""The methods of DatasetsService about labels."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc.ids import decode_id, encode_id
from phoenix_grpc.model import Label
from phoenix_grpc.services.datasets.messages import label_message
from phoenix_grpc.services.datasets.methods import DatasetMethods
from phoenix_grpc.services.datasets.references import dataset_ref, limited
from phoenix_grpc.services.fields import checked_color, checked_name, masked_fields, optional_text
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.services.trail import Target, Trail
from phoenix_grpc.store.datasets import labels
from phoenix_grpc.store.datasets.labels import LabelChange
from phoenix_grpc.store.datasets.references import DatasetRef
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import datasets_pb2

T = TypeVar("T")


class LabelMethods(DatasetMethods):
    """Methods about labels, and which datasets have them."""

    async def CreateLabel(self, request: datasets_pb2.CreateLabelRequest) -> datasets_pb2.DatasetLabel:
        name = checked_name(request.name, "name")
        description = optional_text(request, "description")
        color = checked_color(request.color, "color")

        def create(tx: Transaction, trail: Trail) -> Label:
            made = labels.create_label(tx, name, description, color)
            trail.add("label.create", _target(made))
            return made

        return label_message(await self.change(create))

    async def UpdateLabel(self, request: datasets_pb2.UpdateLabelRequest) -> datasets_pb2.DatasetLabel:
        label_id = _label_id(request.label_id)
        fields = masked_fields(request, "update_mask", "label", ("name", "description", "color"))
        changes: dict[str, str | None] = {}
        if "name" in fields:
            changes["name"] = checked_name(request.label.name, "label.name")
        if "description" in fields:
            changes["description"] = optional_text(request.label, "description")
        if "color" in fields:
            changes["color"] = checked_color(request.label.color, "label.color")

        def update(tx: Transaction, trail: Trail) -> Label:
            before = labels.get_label(tx, label_id)
            after = labels.update_label(tx, label_id, changes)
            if after != before:
                trail.add("label.update", _target(after))
            return after

        return label_message(await self.change(update))

    async def DeleteLabel(self, request: datasets_pb2.DeleteLabelRequest) -> Empty:
        label_id = _label_id(request.label_id)

        def delete(tx: Transaction, trail: Trail) -> None:
            trail.add("label.delete", _target(labels.delete_label(tx, label_id)))

        await self.change(delete)
        return Empty()

    async def GetLabel(self, request: datasets_pb2.GetLabelRequest) -> datasets_pb2.DatasetLabel:
        return label_message(await self.engine.read(labels.get_label, _label_id(request.label_id)))

    async def ListLabels(self, request: datasets_pb2.ListLabelsRequest) -> datasets_pb2.ListLabelsResponse:
        size = page_size(request)
        position = page_position(request, (int,))
        rows = await self.engine.read(labels.list_labels, position[0] if position else None, size + 1)
        found = page(rows, size, label_message)
        return datasets_pb2.ListLabelsResponse(
            labels=found.messages, next_page_token=page_token(request, found.last.id) if found.last else ""
        )

    async def ListDatasetLabels(
        self, request: datasets_pb2.ListDatasetLabelsRequest
    ) -> datasets_pb2.ListDatasetLabelsResponse:
        found = await self.engine.read(labels.dataset_labels, dataset_ref(request))
        return datasets_pb2.ListDatasetLabelsResponse(labels=map(label_message, found))

    async def SetDatasetLabels(
        self, request: datasets_pb2.SetDatasetLabelsRequest
    ) -> datasets_pb2.ListDatasetLabelsResponse:
        label_ids = [
            decode_id("DatasetLabel", text, f"label_ids[{index}]")
            for index, text in enumerate(limited(request, "label_ids"))
        ]
        found = await self._relabel(dataset_ref(request), labels.set_labels, label_ids)
        return datasets_pb2.ListDatasetLabelsResponse(labels=map(label_message, found))

    async def AddDatasetLabel(self, request: datasets_pb2.AddDatasetLabelRequest) -> datasets_pb2.DatasetLabel:
        label_id = _label_id(request.label_id)
        found = await self._relabel(dataset_ref(request), labels.add_label, label_id)
        return label_message(next(label for label in found if label.id == label_id))

    async def RemoveDatasetLabel(self, request: datasets_pb2.RemoveDatasetLabelRequest) -> Empty:
        label_id = _label_id(request.label_id)
        await self._relabel(dataset_ref(request), labels.remove_label, label_id)
        return Empty()

    async def _relabel(
        self, ref: DatasetRef, act: Callable[[Transaction, DatasetRef, T], LabelChange], which: T
    ) -> list[Label]:
        """Changes the labels of a dataset; returns those it has then, by name."""

        def relabel(tx: Transaction, trail: Trail) -> list[Label]:
            dataset, before, after = act(tx, ref, which)
            for action, had, has in (("label.add", before, after), ("label.remove", after, before)):
                known = {label.id for label in had}
                for label in has:
                    if label.id not in known:
                        trail.add(action, _target(label), dataset)
            return after

        return await self.change(relabel)


def _label_id(text: str) -> int:
    return decode_id("DatasetLabel", text, "label_id")


def _target(label: Label) -> Target:
    return Target(encode_id("DatasetLabel", label.id), label.name)
