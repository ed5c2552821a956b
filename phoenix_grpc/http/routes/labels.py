"""Labels, which all datasets share, and the labels of one dataset."""

from typing import Any

from starlette.responses import Response

from phoenix_grpc.http import schemas
from phoenix_grpc.http.backend import Door
from phoenix_grpc.http.errors import Invalid
from phoenix_grpc.http.responses import json_answer, optional_text
from phoenix_grpc.http.routes.datasets import dataset_field
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import labels
from phoenix_grpc.v1 import datasets_pb2

router = Resource("labels")

_OF_DATASET = "/datasets/{dataset_identifier}/labels"


@router.rpc("GET", "/dataset_labels", "ListLabels", schemas.Page[labels.Label])
async def list_labels(door: Door, cursor: schemas.Cursor = None, limit: schemas.PageLimit = 100) -> Response:
    """Lists all labels, newest first."""
    found, next_cursor = await door.page("ListLabels", datasets_pb2.ListLabelsRequest(), "labels", limit, cursor)
    return json_answer({"data": [_label_json(label) for label in found], "next_cursor": next_cursor})


@router.rpc("POST", "/dataset_labels", "CreateLabel", schemas.Data[labels.Label], status=201)
async def create_label(door: Door, body: labels.NewLabel) -> Response:
    """Creates a label."""
    request = datasets_pb2.CreateLabelRequest(name=body.name, color=body.color, description=body.description)
    return json_answer({"data": _label_json(await door.call("CreateLabel", request))}, 201)


@router.rpc("GET", "/dataset_labels/{label_id}", "GetLabel", schemas.Data[labels.Label])
async def get_label(door: Door, label_id: str) -> Response:
    """Returns a label."""
    label = await door.call("GetLabel", datasets_pb2.GetLabelRequest(label_id=label_id))
    return json_answer({"data": _label_json(label)})


@router.rpc("PATCH", "/dataset_labels/{label_id}", "UpdateLabel", schemas.Data[labels.Label])
async def update_label(door: Door, label_id: str, body: labels.LabelChange) -> Response:
    """Changes a label."""
    paths = [field for field in ("name", "color") if getattr(body, field) is not None]
    paths += ["description"] if "description" in body.model_fields_set else []
    if not paths:
        raise Invalid("name, color or description is required")
    label = datasets_pb2.DatasetLabel(name=body.name or "", color=body.color or "", description=body.description)
    request = datasets_pb2.UpdateLabelRequest(label_id=label_id, label=label)
    request.update_mask.paths.extend(paths)
    return json_answer({"data": _label_json(await door.call("UpdateLabel", request))})


@router.rpc("DELETE", "/dataset_labels/{label_id}", "DeleteLabel", status=204)
async def delete_label(door: Door, label_id: str) -> Response:
    """Deletes a label and removes it from all datasets."""
    await door.call("DeleteLabel", datasets_pb2.DeleteLabelRequest(label_id=label_id))
    return Response(status_code=204)


@router.rpc("GET", _OF_DATASET, "ListDatasetLabels", schemas.Data[list[labels.Label]])
async def list_dataset_labels(door: Door, dataset_identifier: str) -> Response:
    """Lists the labels of a dataset."""
    request = datasets_pb2.ListDatasetLabelsRequest(**dataset_field(dataset_identifier))
    response = await door.call("ListDatasetLabels", request)
    return json_answer({"data": [_label_json(label) for label in response.labels]})


@router.rpc("PUT", _OF_DATASET, "SetDatasetLabels", schemas.Data[list[labels.Label]])
async def set_dataset_labels(door: Door, dataset_identifier: str, body: labels.LabelIds) -> Response:
    """Replaces the labels of a dataset."""
    request = datasets_pb2.SetDatasetLabelsRequest(
        **dataset_field(dataset_identifier), label_ids=body.dataset_label_ids
    )
    response = await door.call("SetDatasetLabels", request)
    return json_answer({"data": [_label_json(label) for label in response.labels]})


@router.rpc("PUT", _OF_DATASET + "/{label_id}", "AddDatasetLabel", schemas.Data[labels.Label])
async def add_dataset_label(door: Door, dataset_identifier: str, label_id: str) -> Response:
    """Adds a label to a dataset; does nothing if it is already there."""
    request = datasets_pb2.AddDatasetLabelRequest(**dataset_field(dataset_identifier), label_id=label_id)
    return json_answer({"data": _label_json(await door.call("AddDatasetLabel", request))})


@router.rpc("DELETE", _OF_DATASET + "/{label_id}", "RemoveDatasetLabel", status=204)
async def remove_dataset_label(door: Door, dataset_identifier: str, label_id: str) -> Response:
    """Removes a label from a dataset; does nothing if it is not there."""
    request = datasets_pb2.RemoveDatasetLabelRequest(**dataset_field(dataset_identifier), label_id=label_id)
    await door.call("RemoveDatasetLabel", request)
    return Response(status_code=204)


def _label_json(label: Any) -> dict[str, Any]:
    return {
        "id": label.label_id,
        "name": label.name,
        "description": optional_text(label, "description"),
        "color": label.color,
    }
