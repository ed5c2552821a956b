"""DatasetsService over a channel: labels."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from phoenix_grpc.ids import encode_id
from phoenix_grpc.v1 import datasets_pb2
from tests.services.caller import DatasetCaller, refusal

INVALID = ("INVALID_ARGUMENT", "INVALID_FIELD")
MISSING = encode_id("DatasetLabel", 99)


async def test_a_label_is_created_changed_and_deleted(datasets: DatasetCaller) -> None:
    made = await datasets.CreateLabel(name=" l ", color="#AABBCC")
    assert (made.name, made.color, made.HasField("description")) == ("l", "#aabbcc", False)
    changed = await datasets.UpdateLabel(label_id=made.label_id, label=datasets_pb2.DatasetLabel(description="about"))
    assert (changed.name, changed.description) == ("l", "about")
    assert await datasets.GetLabel(label_id=made.label_id) == changed
    await datasets.DeleteLabel(label_id=made.label_id)
    assert (await refusal(datasets.GetLabel(label_id=made.label_id)))[1] == "LABEL_NOT_FOUND"


async def test_labels_are_put_on_datasets_and_filter_them(datasets: DatasetCaller) -> None:
    await datasets.CreateDataset(name="d")
    await datasets.CreateDataset(name="e")
    b, a = [await datasets.CreateLabel(name=name, color="#000000") for name in "ba"]
    assert list((await datasets.ListLabels()).labels) == [a, b]
    found = await datasets.SetDatasetLabels(name="d", label_ids=[b.label_id, a.label_id])
    assert list(found.labels) == [a, b]
    assert await datasets.AddDatasetLabel(name="e", label_id=a.label_id) == a
    listed = await datasets.ListDatasets(label_id=b.label_id)
    assert [dataset.name for dataset in listed.datasets] == ["d"]
    await datasets.RemoveDatasetLabel(name="d", label_id=a.label_id)
    assert list((await datasets.ListDatasetLabels(name="d")).labels) == [b]
    page = await datasets.ListLabels(page_size=1)
    assert list((await datasets.ListLabels(page_size=1, page_token=page.next_page_token)).labels) == [b]


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("CreateLabel", {"name": "l", "color": "#000000"}, ("ALREADY_EXISTS", "LABEL_EXISTS", "")),
        ("CreateLabel", {"name": "m"}, (*INVALID, "color")),
        ("CreateLabel", {"color": "#000000"}, (*INVALID, "name")),
        ("UpdateLabel", {"label_id": MISSING}, ("NOT_FOUND", "LABEL_NOT_FOUND", "")),
        ("UpdateLabel", {"label_id": MISSING, "update_mask": FieldMask(paths=["x"])}, (*INVALID, "update_mask")),
        ("DeleteLabel", {"label_id": MISSING}, ("NOT_FOUND", "LABEL_NOT_FOUND", "")),
        ("GetLabel", {"label_id": "x"}, (*INVALID, "label_id")),
        ("ListDatasetLabels", {"name": "z"}, ("NOT_FOUND", "DATASET_NOT_FOUND", "")),
        ("SetDatasetLabels", {"name": "d", "label_ids": [MISSING]}, ("NOT_FOUND", "LABEL_NOT_FOUND", "")),
        ("SetDatasetLabels", {"name": "d", "label_ids": ["x"]}, (*INVALID, "label_ids[0]")),
        ("SetDatasetLabels", {"name": "d", "label_ids": [MISSING] * 1001}, (*INVALID, "label_ids")),
        ("AddDatasetLabel", {"name": "d", "label_id": MISSING}, ("NOT_FOUND", "LABEL_NOT_FOUND", "")),
        ("RemoveDatasetLabel", {"name": "d", "label_id": MISSING}, ("NOT_FOUND", "LABEL_NOT_FOUND", "")),
    ],
)
async def test_what_is_wrong_is_named(
    datasets: DatasetCaller, method: str, fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    await datasets.CreateDataset(name="d")
    await datasets.CreateLabel(name="l", color="#000000")
    assert await refusal(getattr(datasets, method)(**fields)) == expected
