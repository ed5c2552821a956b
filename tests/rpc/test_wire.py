"""What messages weigh before they are parsed."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from phoenix_grpc.errors import Invalid
from phoenix_grpc.rpc.wire import MAX_FIELDS, weigh
from phoenix_grpc.v1 import datasets_pb2

APPEND = datasets_pb2.AppendExamplesRequest


def appending(value: Value) -> bytes:
    """A request that appends an example with this value."""
    example = datasets_pb2.NewExample(input=Struct(fields={"a": value}))
    return APPEND(name="d", examples=[example]).SerializeToString()


def test_many_small_parts_weigh_what_they_take_when_parsed() -> None:
    raw = appending(Value(list_value=ListValue(values=[Value() for _ in range(10_000)])))
    assert 10_000 * 45 < weigh(raw, APPEND) < 10_000 * 90


def test_text_weighs_a_few_times_its_size_and_a_chunk_about_twice() -> None:
    text = "What is the capital of France, and why? " * 1000
    assert weigh(appending(Value(string_value=text)), APPEND) < 10 * len(text)
    chunk = datasets_pb2.UploadDatasetRequest(chunk=bytes(range(256)) * 1000).SerializeToString()
    assert weigh(chunk, datasets_pb2.UploadDatasetRequest) < 2.1 * len(chunk)


def test_more_fields_than_any_request_needs_are_refused_before_it_is_parsed() -> None:
    most = datasets_pb2.ListExamplesRequest(example_ids=[""] * MAX_FIELDS).SerializeToString()
    assert weigh(most, datasets_pb2.ListExamplesRequest) > 0
    with pytest.raises(Invalid, match="5,000 fields"):
        weigh(most + most, datasets_pb2.ListExamplesRequest)


def test_fields_of_every_type_are_stepped_over() -> None:
    raw = b"\x08\x96\x01" + b"\x11" + b"8bytesof" + b"\x1d" + b"four" + b"\xa2\x06\x03abc"
    assert weigh(raw, APPEND) > len(raw)


@pytest.mark.parametrize("raw", [b"\xff" * 20, b"\x0a\x05abc", b"\x0b", b"\x0c", b"\x09abc", b"\x0a", b"\x80"])
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        weigh(raw, APPEND)
    assert caught.value.reason == "INVALID_MESSAGE"


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_a_usual_request_is_weighed(count: int) -> None:
    examples: list[Any] = [datasets_pb2.NewExample(external_id=f"e{number}") for number in range(count)]
    assert weigh(APPEND(name="d", examples=examples).SerializeToString(), APPEND) >= count * 64
