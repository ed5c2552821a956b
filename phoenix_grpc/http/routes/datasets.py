"""Datasets and their versions."""

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from phoenix_grpc.http import schemas
from phoenix_grpc.http.backend import Door
from phoenix_grpc.http.errors import Invalid
from phoenix_grpc.http.responses import json_answer, optional_text, time_text
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import datasets
from phoenix_grpc.ids import parse_id
from phoenix_grpc.structs import object_to_struct, struct_to_object
from phoenix_grpc.v1 import datasets_pb2

router = Resource("datasets")

_MASKED = ("name", "description", "metadata")
_WORDS = {"Dataset": "Dataset", "DatasetVersion": "Dataset version"}


@router.rpc("GET", "/datasets", "ListDatasets", schemas.Page[datasets.Dataset])
async def list_datasets(
    door: Door,
    cursor: schemas.Cursor = None,
    name: Annotated[str | None, Query(description="Only the dataset of exactly this name.")] = None,
    name_contains: Annotated[str, Query(description="Only datasets with this in their name.")] = "",
    limit: schemas.PageLimit = 10,
) -> Response:
    """Lists datasets, newest first."""
    if name == "":
        return json_answer({"data": [], "next_cursor": None})
    request = datasets_pb2.ListDatasetsRequest(name=name or "", name_contains=name_contains)
    found, next_cursor = await door.page("ListDatasets", request, "datasets", limit, cursor)
    return json_answer({"data": [dataset_json(dataset) for dataset in found], "next_cursor": next_cursor})


@router.rpc("POST", "/datasets", "CreateDataset", schemas.Data[datasets.Dataset], status=201)
async def create_dataset(door: Door, body: datasets.NewDataset) -> Response:
    """Creates an empty dataset."""
    request = datasets_pb2.CreateDatasetRequest(
        name=body.name, description=body.description, metadata=object_to_struct(body.metadata)
    )
    return json_answer({"data": dataset_json(await door.call("CreateDataset", request))}, 201)


@router.rpc("GET", "/datasets/{id}", "GetDataset", schemas.Data[datasets.Dataset])
async def get_dataset(door: Door, id: str) -> Response:
    """Returns a dataset."""
    refuse_other_types(id, "Dataset")
    return json_answer(
        {"data": dataset_json(await door.call("GetDataset", datasets_pb2.GetDatasetRequest(dataset_id=id)))}
    )


@router.rpc("PATCH", "/datasets/{id}", "UpdateDataset", schemas.Data[datasets.Dataset])
async def update_dataset(door: Door, id: str, body: datasets.DatasetChange) -> Response:
    """Changes name, description or metadata of a dataset."""
    paths = [field for field in _MASKED if field in body.model_fields_set]
    if not paths:
        raise Invalid("name, description or metadata is required")
    update = datasets_pb2.Dataset(name=body.name or "", description=body.description)
    update.metadata.CopyFrom(object_to_struct(body.metadata or {}))
    request = datasets_pb2.UpdateDatasetRequest(dataset_id=id, update=update)
    request.update_mask.paths.extend(paths)
    return json_answer({"data": dataset_json(await door.call("UpdateDataset", request))})


@router.rpc("DELETE", "/datasets/{id}", "DeleteDataset", status=204)
async def delete_dataset(door: Door, id: str) -> Response:
    """Deletes a dataset with its versions, examples and splits."""
    await door.call("DeleteDataset", datasets_pb2.DeleteDatasetRequest(dataset_id=id))
    return Response(status_code=204)


@router.rpc("GET", "/datasets/{id}/versions", "ListVersions", schemas.Page[datasets.DatasetVersion])
async def list_versions(door: Door, id: str, cursor: schemas.Cursor = None, limit: schemas.PageLimit = 10) -> Response:
    """Lists the versions of a dataset, newest first."""
    request = datasets_pb2.ListVersionsRequest(dataset_id=id)
    found, next_cursor = await door.page("ListVersions", request, "versions", limit, cursor)
    return json_answer({"data": [_version_json(version) for version in found], "next_cursor": next_cursor})


def refuse_other_types(id: str, kind: str) -> None:
    """Phoenix returns 404, not 422, for a well-formed id of another type on the routes that read.

    Raises:
        Invalid: 404.
    """
    parsed = parse_id(id)
    if parsed is not None and parsed[0] != kind:
        raise Invalid(f"{_WORDS[kind]} not found: {id[:100]}", 404)


def dataset_field(identifier: str) -> dict[str, Any]:
    """The dataset of a request, by what stands in the path: its id, or its name."""
    parsed = parse_id(identifier)
    return {"dataset_id" if parsed is not None and parsed[0] == "Dataset" else "name": identifier}


def dataset_json(dataset: Any) -> dict[str, Any]:
    """A dataset as Phoenix writes it."""
    return {
        "id": dataset.dataset_id,
        "name": dataset.name,
        "description": optional_text(dataset, "description"),
        "metadata": struct_to_object(dataset.metadata),
        "created_at": time_text(dataset.create_time),
        "updated_at": time_text(dataset.update_time),
        "example_count": dataset.example_count,
    }


def _version_json(version: Any) -> dict[str, Any]:
    return {
        "version_id": version.version_id,
        "description": optional_text(version, "description"),
        "metadata": struct_to_object(version.metadata),
        "created_at": time_text(version.create_time),
        "created_count": version.created_count,
        "updated_count": version.updated_count,
        "deleted_count": version.deleted_count,
        "example_count": version.live_count,
    }
