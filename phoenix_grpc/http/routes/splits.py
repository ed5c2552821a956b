"""Splits: named subsets of a dataset's examples."""

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from phoenix_grpc.http import schemas
from phoenix_grpc.http.backend import Door
from phoenix_grpc.http.responses import json_answer, optional_text, time_text
from phoenix_grpc.http.routes.datasets import dataset_field
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import splits
from phoenix_grpc.structs import object_to_struct, struct_to_object
from phoenix_grpc.v1 import datasets_pb2

router = Resource("splits", "/v1/datasets/{dataset_identifier}/splits")


@router.rpc("GET", "", "ListSplits", schemas.Page[splits.Split])
async def list_splits(
    door: Door,
    dataset_identifier: str,
    cursor: schemas.Cursor = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.")] = 10,
) -> Response:
    """Lists the splits of a dataset, newest first."""
    request = datasets_pb2.ListSplitsRequest(**dataset_field(dataset_identifier))
    found, next_cursor = await door.page("ListSplits", request, "splits", limit, cursor)
    return json_answer({"data": [_split_json(split) for split in found], "next_cursor": next_cursor})


@router.rpc("POST", "", "CreateSplit", schemas.Data[splits.Split], status=201)
async def create_split(door: Door, dataset_identifier: str, body: splits.NewSplit) -> Response:
    """Creates a split, with the examples that are to be in it."""
    request = datasets_pb2.CreateSplitRequest(
        **dataset_field(dataset_identifier),
        split_name=body.name,
        description=body.description,
        color=body.color,
        metadata=object_to_struct(body.metadata),
        example_ids=body.example_ids,
    )
    return json_answer({"data": _split_json(await door.call("CreateSplit", request))}, 201)


@router.rpc("PATCH", "/{split_id}", "UpdateSplit", schemas.Data[splits.Split])
async def update_split(door: Door, dataset_identifier: str, split_id: str, body: splits.SplitChange) -> Response:
    """Changes a split; examples are added first, then removed."""
    request = datasets_pb2.UpdateSplitRequest(
        **dataset_field(dataset_identifier),
        split_id=split_id,
        add_example_ids=body.add_example_ids,
        remove_example_ids=body.remove_example_ids,
    )
    for field in ("name", "description", "color", "metadata"):
        value = getattr(body, field)
        if value is not None or (field == "description" and field in body.model_fields_set):
            request.update_mask.paths.append(field)
    request.split.CopyFrom(
        datasets_pb2.DatasetSplit(
            name=body.name or "",
            description=body.description,
            color=body.color or "",
            metadata=object_to_struct(body.metadata or {}),
        )
    )
    if not request.update_mask.paths:
        request.ClearField("split")
    return json_answer({"data": _split_json(await door.call("UpdateSplit", request))})


@router.rpc("DELETE", "/{split_id}", "DeleteSplit", status=204)
async def delete_split(door: Door, dataset_identifier: str, split_id: str) -> Response:
    """Deletes a split; its examples stay."""
    request = datasets_pb2.DeleteSplitRequest(**dataset_field(dataset_identifier), split_id=split_id)
    await door.call("DeleteSplit", request)
    return Response(status_code=204)


def _split_json(split: Any) -> dict[str, Any]:
    return {
        "id": split.split_id,
        "name": split.name,
        "description": optional_text(split, "description"),
        "color": split.color,
        "metadata": struct_to_object(split.metadata),
        "example_count": split.example_count,
        "created_at": time_text(split.create_time),
        "updated_at": time_text(split.update_time),
    }
