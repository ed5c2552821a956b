"""DatasetsService over a channel: splits."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from phoenix_grpc.ids import encode_id
from phoenix_grpc.v1 import datasets_pb2
from tests.services.caller import DatasetCaller, new_example, refusal

INVALID = ("INVALID_ARGUMENT", "INVALID_FIELD")


@pytest.fixture
async def abc(datasets: DatasetCaller) -> DatasetCaller:
    """A dataset with the examples a, b and c."""
    await datasets.CreateDataset(name="d")
    examples = [new_example(number, name) for number, name in enumerate("abc", 1)]
    await datasets.AppendExamples(name="d", examples=examples)
    return datasets


async def test_a_split_is_created_changed_and_deleted(abc: DatasetCaller) -> None:
    c_id = (await abc.GetExample(name="d", example_id="c")).example.example_id
    made = await abc.CreateSplit(name="d", split_name=" s ", description="about", example_ids=["a", c_id, "a"])
    assert (made.name, made.description, made.color, made.example_count) == ("s", "about", "#33c5e8", 2)
    assert await abc.GetSplit(name="d", split_id=made.split_id) == made
    changed = await abc.UpdateSplit(
        name="d",
        split_id=made.split_id,
        split=datasets_pb2.DatasetSplit(name="t", color=" Any text "),
        add_example_ids=["b", "c"],
        remove_example_ids=["c"],
    )
    assert (changed.name, changed.description, changed.color, changed.example_count) == ("t", "about", "Any text", 2)
    assert await abc.values(splits=["t"]) == await abc.values(splits=[made.split_id]) == [1, 2]
    await abc.DeleteSplit(name="d", split_id=made.split_id)
    assert (await refusal(abc.GetSplit(name="d", split_id=made.split_id)))[1] == "SPLIT_NOT_FOUND"
    assert await abc.values() == [1, 2, 3]


async def test_splits_are_listed_newest_first(abc: DatasetCaller) -> None:
    for name in "xyz":
        await abc.CreateSplit(name="d", split_name=name)
    page = await abc.ListSplits(name="d", page_size=2)
    rest = await abc.ListSplits(name="d", page_size=2, page_token=page.next_page_token)
    assert [split.name for split in [*page.splits, *rest.splits]] == ["z", "y", "x"]
    assert rest.next_page_token == ""


MISSING = {"split_id": encode_id("DatasetSplit", 99)}


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("CreateSplit", {"split_name": "s"}, ("ALREADY_EXISTS", "SPLIT_EXISTS", "")),
        ("CreateSplit", {"split_name": ""}, (*INVALID, "split_name")),
        ("CreateSplit", {"split_name": "x", "color": "x" * 101}, (*INVALID, "color")),
        ("CreateSplit", {"split_name": "x", "color": "a\nb"}, (*INVALID, "color")),
        ("CreateSplit", {"split_name": "x", "example_ids": ["z"]}, ("NOT_FOUND", "EXAMPLE_NOT_FOUND", "")),
        ("CreateSplit", {"split_name": "x", "example_ids": ["a"] * 1001}, (*INVALID, "example_ids")),
        ("UpdateSplit", MISSING, ("NOT_FOUND", "SPLIT_NOT_FOUND", "")),
        ("UpdateSplit", {"split_id": ""}, (*INVALID, "split_id")),
        ("UpdateSplit", {**MISSING, "remove_example_ids": ["z"]}, ("NOT_FOUND", "EXAMPLE_NOT_FOUND", "")),
        ("UpdateSplit", {**MISSING, "update_mask": FieldMask(paths=["name"])}, (*INVALID, "split.name")),
        ("UpdateSplit", {**MISSING, "update_mask": FieldMask(paths=["color"])}, (*INVALID, "split.color")),
        ("DeleteSplit", MISSING, ("NOT_FOUND", "SPLIT_NOT_FOUND", "")),
        ("GetSplit", {"split_id": encode_id("Dataset", 1)}, (*INVALID, "split_id")),
        ("ListSplits", {"page_size": -1}, (*INVALID, "page_size")),
    ],
)
async def test_what_is_wrong_is_named(
    abc: DatasetCaller, method: str, fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    await abc.CreateSplit(name="d", split_name="s")
    assert await refusal(getattr(abc, method)(name="d", **fields)) == expected
    assert (await refusal(getattr(abc, method)(name="z", **fields)))[0] in ("NOT_FOUND", "INVALID_ARGUMENT")
