"""DatasetsService over a channel: reads and small changes of examples."""

import uuid
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct

from phoenix_grpc.ids import encode_id
from phoenix_grpc.services import paging
from phoenix_grpc.v1 import datasets_pb2
from tests.services.caller import DatasetCaller, new_example, refusal

INVALID = ("INVALID_ARGUMENT", "INVALID_FIELD")
Revision = datasets_pb2.ExampleRevision


def value(number: int) -> Struct:
    """{"value": number}."""
    struct = Struct()
    struct.update({"value": number})
    return struct


@pytest.fixture
async def abc(datasets: DatasetCaller) -> DatasetCaller:
    """A dataset with the examples a (in split s), b, and c (in s and t)."""
    await datasets.CreateDataset(name="d")
    examples = [new_example(1, "a", ["s"]), new_example(2, "b"), new_example(3, "c", ["t", "s"])]
    await datasets.AppendExamples(name="d", examples=examples)
    return datasets


async def test_an_example_comes_back_as_it_was_sent(datasets: DatasetCaller) -> None:
    await datasets.CreateDataset(name="d")
    sent = new_example(1, "a", ["t", "s", " s "])
    sent.output.update({"text": "é", "list": [1, -2.5, None, True, {"deep": 2**53}]})
    sent.metadata.update({"k": "v"})
    sent.source_span_id = "span"
    changed = await datasets.AppendExamples(name="d", examples=[sent])
    (found,) = (await datasets.ListExamples(name="d")).examples
    assert (found.example_id, found.external_id) == (changed.example_ids[0], "a")
    assert (found.input, found.output, found.metadata) == (sent.input, sent.output, sent.metadata)
    assert (list(found.splits), found.source_span_id) == (["s", "t"], "span")
    assert found.version_id == changed.version.version_id
    assert found.update_time.seconds > 0
    assert (await datasets.GetExample(name="d", example_id="a")).example == found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"splits": ["s"]}, [1, 3]),
        ({"splits": ["s", "t"]}, [1, 3]),
        ({"example_ids": ["c", "a", "a"]}, [1, 3]),
        ({"example_ids": ["c", "b"], "splits": ["s"]}, [3]),
        ({"example_ids": ["b"], "splits": ["t"]}, []),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_examples_are_filtered_and_paged(
    abc: DatasetCaller, fields: dict[str, Any], expected: list[int], size: int
) -> None:
    assert await abc.values(page_size=size, **fields) == expected


async def test_a_list_stays_with_its_version(abc: DatasetCaller) -> None:
    page = await abc.ListExamples(name="d", page_size=1)
    await abc.DeleteExamples(name="d", example_ids=["b", "c"])
    rest = await abc.ListExamples(name="d", page_size=5, page_token=page.next_page_token)
    assert [example.external_id for example in rest.examples] == ["b", "c"]
    assert rest.version_id == page.version_id
    assert await abc.values() == [1]
    assert await abc.values(version_id=page.version_id) == [1, 2, 3]


async def test_a_page_ends_before_three_megabytes(abc: DatasetCaller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "MAX_PAGE_BYTES", 200)
    page = await abc.ListExamples(name="d")
    assert 0 < len(page.examples) < 3
    assert await abc.values() == [1, 2, 3]


async def test_an_older_version_is_listed_across_what_died_before_it(datasets: DatasetCaller) -> None:
    await datasets.CreateDataset(name="d")
    for start in (0, 1000):
        made = await datasets.append(*range(start, start + 1000))
        await datasets.DeleteExamples(name="d", example_ids=made.example_ids)
    last = await datasets.append(7)
    await datasets.append(8)
    assert await datasets.values(version_id=last.version.version_id, page_size=3) == [7]


async def test_history_is_answered_also_when_nothing_else_is_left(abc: DatasetCaller) -> None:
    made = (await abc.GetExample(name="d", example_id="a", with_history=True)).history
    update = datasets_pb2.ExampleUpdate(example_id="a", output=value(9))
    changed = await abc.UpdateExamples(name="d", updates=[update])
    gone = await abc.DeleteExamples(name="d", example_ids=["a"])
    found = await abc.GetExample(name="d", example_id="a", with_history=True)
    assert not found.HasField("example")
    assert [revision.kind for revision in found.history] == [
        Revision.KIND_DELETED,
        Revision.KIND_UPDATED,
        Revision.KIND_CREATED,
    ]
    assert [revision.version_id for revision in found.history[:2]] == [
        gone.version.version_id,
        changed.version.version_id,
    ]
    assert not found.history[0].HasField("example")
    assert found.history[1].example.output == value(9)
    assert found.history[2] == made[0]


async def test_an_append_matches_as_an_upload_does(abc: DatasetCaller) -> None:
    known = (await abc.GetExample(name="d", example_id="b")).example.example_id
    examples = [new_example(1, "a"), new_example(9, known), new_example(3), new_example(4, splits=["u"])]
    changed = await abc.AppendExamples(name="d", examples=examples)
    assert (changed.created_count, changed.updated_count, changed.deleted_count) == (1, 1, 0)
    assert await abc.values() == [1, 9, 3, 4]
    assert changed.example_ids[1] == known
    assert await abc.values(splits=["u"]) == [4]


async def test_an_update_leaves_what_it_does_not_name(abc: DatasetCaller) -> None:
    update = datasets_pb2.ExampleUpdate(example_id="a", metadata=value(7), splits=datasets_pb2.SplitNames(names=["t"]))
    changed = await abc.UpdateExamples(name="d", updates=[update], version_description="seven")
    assert (changed.updated_count, changed.version.description) == (1, "seven")
    found = (await abc.GetExample(name="d", example_id="a")).example
    assert (found.input, found.metadata, list(found.splits)) == (value(1), value(7), ["t"])


async def test_a_change_of_splits_alone_makes_no_version(abc: DatasetCaller) -> None:
    before = await abc.GetVersion(name="d")
    update = datasets_pb2.ExampleUpdate(example_id="a", splits=datasets_pb2.SplitNames())
    changed = await abc.UpdateExamples(name="d", updates=[update])
    assert (changed.updated_count, changed.version) == (1, before)
    assert await abc.values(splits=["s"]) == [3]


async def test_validate_only_answers_and_changes_nothing(abc: DatasetCaller) -> None:
    before = await abc.GetDataset(name="d")
    known = (await abc.GetExample(name="d", example_id="a")).example.example_id
    appended = await abc.append(1, 5, validate_only=True)
    assert (appended.created_count, list(appended.example_ids)) == (1, [known, ""])
    deleted = await abc.DeleteExamples(name="d", example_ids=["a"], validate_only=True)
    assert (deleted.deleted_count, deleted.version.version_id) == (1, before.latest_version_id)
    assert await abc.GetDataset(name="d") == before


async def test_a_change_that_comes_again_is_answered_as_the_first_time(abc: DatasetCaller) -> None:
    request_id = str(uuid.uuid4())
    await abc.append(7, request_id=request_id, validate_only=True)
    first = await abc.append(7, request_id=request_id)
    assert await abc.append(7, request_id=request_id) == first
    assert await abc.values() == [1, 2, 3, 7]
    assert (await refusal(abc.append(8, request_id=request_id)))[1] == "REQUEST_ID_REUSED"


NAN = Struct()
NAN.fields["x"].number_value = float("nan")
KINDLESS = Struct()
KINDLESS.fields["x"].SetInParent()


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("ListExamples", {"splits": ["z"]}, ("NOT_FOUND", "SPLIT_NOT_FOUND", "")),
        ("ListExamples", {"example_ids": ["z"]}, ("NOT_FOUND", "EXAMPLE_NOT_FOUND", "")),
        ("ListExamples", {"example_ids": ["a", ""]}, (*INVALID, "example_ids[1]")),
        ("ListExamples", {"example_ids": ["a"] * 1001}, (*INVALID, "example_ids")),
        ("ListExamples", {"splits": ["s"] * 1001}, (*INVALID, "splits")),
        ("ListExamples", {"page_size": -1}, (*INVALID, "page_size")),
        ("ListExamples", {"version_id": encode_id("DatasetVersion", 9)}, ("NOT_FOUND", "VERSION_NOT_FOUND", "")),
        ("GetExample", {}, (*INVALID, "example_id")),
        ("GetExample", {"example_id": "z"}, ("NOT_FOUND", "EXAMPLE_NOT_FOUND", "")),
        ("GetExample", {"example_id": "z\0"}, (*INVALID, "example_id")),
        (
            "GetExample",
            {"example_id": encode_id("DatasetExample", 9), "with_history": True},
            ("NOT_FOUND", "EXAMPLE_NOT_FOUND", ""),
        ),
        ("AppendExamples", {"examples": [datasets_pb2.NewExample()]}, (*INVALID, "examples[0].input")),
        ("AppendExamples", {"examples": [datasets_pb2.NewExample(input=NAN)]}, (*INVALID, "examples[0].input.x")),
        ("AppendExamples", {"examples": [datasets_pb2.NewExample(input=KINDLESS)]}, (*INVALID, "examples[0].input.x")),
        ("AppendExamples", {"examples": [new_example(1, "x\0")]}, (*INVALID, "examples[0].external_id")),
        ("AppendExamples", {"examples": [new_example(1, "x", [" "])]}, (*INVALID, "examples[0].splits")),
        (
            "AppendExamples",
            {"examples": [new_example(1, "x"), new_example(2, "x")]},
            ("INVALID_ARGUMENT", "INVALID_RECORD", "examples"),
        ),
        (
            "AppendExamples",
            {"examples": [new_example(1, encode_id("DatasetExample", 99))]},
            ("INVALID_ARGUMENT", "INVALID_RECORD", "examples"),
        ),
        ("AppendExamples", {"examples": [new_example(1)] * 1001}, (*INVALID, "examples")),
        ("AppendExamples", {"base_version_id": "x"}, (*INVALID, "base_version_id")),
        ("AppendExamples", {"base_version_id": encode_id("DatasetVersion", 1)}, ("ABORTED", "VERSION_MOVED", "")),
        (
            "UpdateExamples",
            {"updates": [datasets_pb2.ExampleUpdate(example_id="z")]},
            ("NOT_FOUND", "EXAMPLE_NOT_FOUND", ""),
        ),
        ("UpdateExamples", {"updates": [datasets_pb2.ExampleUpdate()]}, (*INVALID, "updates[0].example_id")),
        (
            "UpdateExamples",
            {"updates": [datasets_pb2.ExampleUpdate(example_id="a", input=NAN)]},
            (*INVALID, "updates[0].input.x"),
        ),
        (
            "UpdateExamples",
            {"updates": [datasets_pb2.ExampleUpdate(example_id="a")] * 2},
            ("INVALID_ARGUMENT", "INVALID_RECORD", "updates"),
        ),
        ("DeleteExamples", {"example_ids": ["a", "z"]}, ("NOT_FOUND", "EXAMPLE_NOT_FOUND", "")),
        (
            "DeleteExamples",
            {"example_ids": ["a"], "base_version_id": encode_id("DatasetVersion", 1)},
            ("ABORTED", "VERSION_MOVED", ""),
        ),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_changes(
    abc: DatasetCaller, method: str, fields: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    assert await refusal(getattr(abc, method)(name="d", **fields)) == expected
    assert await abc.values() == [1, 2, 3]


@pytest.mark.parametrize(
    "number", ["9007199254740993", "1" + "0" * 400, "-" + "1" * 4300, "0.1000000000000000000001"], ids=range(4)
)
async def test_a_number_that_no_double_holds_is_never_damaged(abc: DatasetCaller, number: str) -> None:
    header = datasets_pb2.UploadDatasetHeader(name="d", action=datasets_pb2.UPLOAD_ACTION_APPEND)
    await abc.api.upload(header, f'{{"id": "big", "input": {{"n": {number}}}}}'.encode(), abc.metadata)
    for call in (abc.ListExamples(name="d"), abc.GetExample(name="d", example_id="big")):
        assert (await refusal(call))[:2] == ("FAILED_PRECONDITION", "VALUE_NOT_REPRESENTABLE")
    assert await abc.values(example_ids=["a"]) == [1]


async def test_an_input_without_a_field_is_refused_with_its_index(abc: DatasetCaller) -> None:
    empty = datasets_pb2.NewExample()
    empty.input.SetInParent()
    appended = abc.AppendExamples(name="d", examples=[new_example(9), empty])
    assert await refusal(appended) == ("INVALID_ARGUMENT", "INVALID_FIELD", "examples[1].input")
    update = datasets_pb2.ExampleUpdate(example_id="a", input=Struct())
    updated = abc.UpdateExamples(name="d", updates=[update])
    assert await refusal(updated) == ("INVALID_ARGUMENT", "INVALID_FIELD", "updates[0].input")
    update = datasets_pb2.ExampleUpdate(example_id="a", output=Struct(), metadata=Struct())
    await abc.UpdateExamples(name="d", updates=[update])
    assert await abc.values() == [1, 2, 3]
