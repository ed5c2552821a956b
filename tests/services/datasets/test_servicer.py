"""DatasetsService over a channel: datasets and versions."""

import uuid
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct

from phoenix_grpc.ids import encode_id
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import Api, refused
from tests.services.caller import DatasetCaller, refusal

METADATA = Struct()
METADATA.update({"a": 1, "b": [True, None, 0.5]})


async def test_a_dataset_is_created_read_changed_and_deleted(datasets: DatasetCaller) -> None:
    made = await datasets.CreateDataset(name=" d ", description="about", metadata=METADATA)
    assert (made.name, made.description, made.metadata, made.example_count) == ("d", "about", METADATA, 0)
    assert made.dataset_id == encode_id("Dataset", 1)
    assert made.create_time.seconds > 0
    assert await datasets.GetDataset(dataset_id=made.dataset_id) == made
    changed = await datasets.UpdateDataset(
        name="d", update=datasets_pb2.Dataset(name="e"), update_mask=FieldMask(paths=["name"]), etag=made.etag
    )
    assert (changed.name, changed.description, changed.metadata) == ("e", "about", METADATA)
    assert changed.etag != made.etag
    await datasets.DeleteDataset(name="e", etag=changed.etag)
    assert await refusal(datasets.GetDataset(name="e")) == ("NOT_FOUND", "DATASET_NOT_FOUND", "")


@pytest.mark.parametrize(
    ("update", "paths", "expected"),
    [
        ({"description": "new"}, [], ("d", "new", True)),
        ({"description": "new", "name": "e"}, ["description"], ("d", "new", True)),
        ({}, ["description"], ("d", None, True)),
        ({}, ["metadata"], ("d", "old", False)),
        ({"name": "e"}, ["*"], ("e", None, False)),
    ],
)
async def test_an_update_changes_the_fields_of_its_mask(
    datasets: DatasetCaller, update: dict[str, Any], paths: list[str], expected: tuple[Any, ...]
) -> None:
    await datasets.CreateDataset(name="d", description="old", metadata=METADATA)
    changed = await datasets.UpdateDataset(
        name="d", update=datasets_pb2.Dataset(**update), update_mask=FieldMask(paths=paths)
    )
    description = changed.description if changed.HasField("description") else None
    assert (changed.name, description, bool(changed.metadata.fields)) == expected


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("GetDataset", {}, ("INVALID_ARGUMENT", "INVALID_FIELD", "dataset")),
        ("GetDataset", {"dataset_id": "x"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "dataset_id")),
        ("GetDataset", {"dataset_id": ""}, ("INVALID_ARGUMENT", "INVALID_FIELD", "dataset_id")),
        ("GetDataset", {"dataset_id": encode_id("User", 1)}, ("INVALID_ARGUMENT", "INVALID_FIELD", "dataset_id")),
        ("GetDataset", {"dataset_id": encode_id("Dataset", 99)}, ("NOT_FOUND", "DATASET_NOT_FOUND", "")),
        ("GetDataset", {"name": " "}, ("INVALID_ARGUMENT", "INVALID_FIELD", "name")),
        ("CreateDataset", {"name": "d"}, ("ALREADY_EXISTS", "DATASET_EXISTS", "")),
        ("CreateDataset", {"name": ""}, ("INVALID_ARGUMENT", "INVALID_FIELD", "name")),
        ("CreateDataset", {"name": "a\nb"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "name")),
        ("CreateDataset", {"name": "x" * 1001}, ("INVALID_ARGUMENT", "INVALID_FIELD", "name")),
        ("CreateDataset", {"name": "e", "description": "\0"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "description")),
        ("CreateDataset", {"name": "e", "request_id": "x"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "request_id")),
        ("UpdateDataset", {"name": "d", "etag": "no"}, ("ABORTED", "ETAG_MISMATCH", "")),
        (
            "UpdateDataset",
            {"name": "d", "update_mask": FieldMask(paths=["etag"])},
            ("INVALID_ARGUMENT", "INVALID_FIELD", "update_mask"),
        ),
        (
            "UpdateDataset",
            {"name": "d", "update_mask": FieldMask(paths=["name"])},
            ("INVALID_ARGUMENT", "INVALID_FIELD", "update.name"),
        ),
        ("DeleteDataset", {"name": "d", "etag": "no"}, ("ABORTED", "ETAG_MISMATCH", "")),
        ("DeleteDataset", {"name": "z"}, ("NOT_FOUND", "DATASET_NOT_FOUND", "")),
        ("ListDatasets", {"page_size": -1}, ("INVALID_ARGUMENT", "INVALID_FIELD", "page_size")),
        ("ListDatasets", {"page_token": "x"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "page_token")),
        ("ListDatasets", {"order_by": "size"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "order_by")),
        ("ListDatasets", {"label_id": "x"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "label_id")),
        ("GetVersion", {"name": "d", "version_id": "x"}, ("INVALID_ARGUMENT", "INVALID_FIELD", "version_id")),
        (
            "GetVersion",
            {"name": "d", "version_id": encode_id("DatasetVersion", 99)},
            ("NOT_FOUND", "VERSION_NOT_FOUND", ""),
        ),
        ("ListVersions", {"name": "z"}, ("NOT_FOUND", "DATASET_NOT_FOUND", "")),
    ],
)
async def test_what_is_wrong_is_named(
    datasets: DatasetCaller, method: str, fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    await datasets.CreateDataset(name="d")
    assert await refusal(getattr(datasets, method)(**fields)) == expected


@pytest.mark.parametrize("order", ["", "create_time desc", "create_time", "name", "name  desc"])
async def test_a_list_is_read_page_by_page(datasets: DatasetCaller, order: str) -> None:
    names = ["b", "a", "d", "c", "e"]
    for name in names:
        await datasets.CreateDataset(name=name)
    found, token = [], ""
    while len(found) < 5:
        page = await datasets.ListDatasets(page_size=2, page_token=token, order_by=order)
        found += [dataset.name for dataset in page.datasets]
        token = page.next_page_token
    assert token == ""
    ordered = sorted(names) if "name" in order else names
    assert found == (ordered[::-1] if order.endswith("desc") or not order else ordered)


async def test_a_token_is_good_only_for_its_request(datasets: DatasetCaller) -> None:
    for name in "abc":
        await datasets.CreateDataset(name=name)
    token = (await datasets.ListDatasets(page_size=1)).next_page_token
    answer = await refusal(datasets.ListDatasets(page_token=token, name_contains="a"))
    assert answer == ("INVALID_ARGUMENT", "INVALID_FIELD", "page_token")


async def test_a_key_limited_to_datasets_sees_only_these(api: Api) -> None:
    admin = DatasetCaller(api, api.admin)
    made = [await admin.CreateDataset(name=name) for name in "abc"]
    limited = DatasetCaller(api, await api.key(dataset_ids=[made[0].dataset_id, made[2].dataset_id]))
    page = await limited.ListDatasets(page_size=1)
    rest = await limited.ListDatasets(page_size=1, page_token=page.next_page_token)
    assert [found.datasets[0].name for found in (page, rest)] == ["c", "a"]
    assert rest.next_page_token == ""


async def test_a_request_that_comes_again_is_answered_as_the_first_time(datasets: DatasetCaller) -> None:
    request_id = str(uuid.uuid4())
    made = await datasets.CreateDataset(name="d", request_id=request_id)
    assert await datasets.CreateDataset(name="d", request_id=request_id) == made
    answer = await refusal(datasets.CreateDataset(name="e", request_id=request_id))
    assert answer == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED", "request_id")


async def test_system_keys_do_not_share_request_ids(api: Api) -> None:
    one, other = [DatasetCaller(api, await api.system_key()) for _ in range(2)]
    request_id = str(uuid.uuid4())
    made = await one.CreateDataset(name="d", request_id=request_id)
    assert (await other.CreateDataset(name="e", request_id=request_id)).name == "e"
    assert await refusal(other.CreateDataset(name="d", request_id=str(uuid.uuid4()))) == (
        "ALREADY_EXISTS",
        "DATASET_EXISTS",
        "",
    )
    assert await one.CreateDataset(name="d", request_id=request_id) == made


async def test_versions_say_what_they_brought_and_by_whom(api: Api) -> None:
    datasets = DatasetCaller(api, await api.session())
    me = await api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=datasets.metadata)
    await datasets.CreateDataset(name="d")
    await datasets.append(1, 2, version_description="two")
    versions = (await datasets.ListVersions(name="d")).versions
    assert [version.live_count for version in versions] == [2, 0]
    assert (versions[0].description, versions[0].created_count) == ("two", 2)
    assert {version.created_by_user_id for version in versions} == {me.user.user_id}
    assert await datasets.GetVersion(name="d") == versions[0]
    assert await datasets.GetVersion(name="d", version_id=versions[1].version_id) == versions[1]
    page = await datasets.ListVersions(name="d", page_size=1)
    rest = await datasets.ListVersions(name="d", page_size=1, page_token=page.next_page_token)
    assert [*page.versions, *rest.versions] == list(versions)


@pytest.mark.parametrize(
    "metadata", [{"list": [1] * 5001}, {"lists": [[[], {}]] * 2000}, {str(n): n for n in range(5001)}]
)
async def test_metadata_of_more_than_5000_values_is_refused(api: Api, metadata: dict[str, Any]) -> None:
    request = datasets_pb2.CreateDatasetRequest(name="much metadata")
    request.metadata.update(metadata)
    error = await refused(api.datasets.CreateDataset(request, metadata=api.admin))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "5,000 values" in (error.details() or "")
