"""Struct and JSON: what a Struct carries comes back as it was, and what it cannot carry is refused."""

import json
import math
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct, Value
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import FailedPrecondition, Invalid
from phoenix_grpc.structs import (
    MAX_DEPTH,
    MAX_EXACT,
    json_to_struct,
    object_to_struct,
    struct_to_json,
    struct_to_object,
)

SCALARS = st.none() | st.booleans() | st.integers(-MAX_EXACT, MAX_EXACT) | st.floats(allow_nan=False) | st.text()
OBJECTS = st.dictionaries(
    st.text(),
    st.recursive(
        SCALARS.filter(lambda value: value not in (math.inf, -math.inf)),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
)


def depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, items), default=0) if isinstance(value, dict | list) else 0


@given(OBJECTS.filter(lambda value: depth(value) <= MAX_DEPTH))
def test_what_a_struct_carries_comes_back_equal(value: dict[str, Any]) -> None:
    struct = object_to_struct(value)
    assert struct_to_object(struct) == value
    assert json.loads(struct_to_json(struct, "")) == value
    again = Struct()
    json_to_struct(json.dumps(value), again, "")
    assert struct_to_object(again) == value


@pytest.mark.parametrize("number", [0, -1, MAX_EXACT, -MAX_EXACT])
def test_whole_numbers_are_integers(number: int) -> None:
    assert struct_to_json(object_to_struct({"n": number}), "") == f'{{"n":{number}}}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_number_is_refused_with_its_field(number: float) -> None:
    with pytest.raises(Invalid) as caught:
        struct_to_json(object_to_struct({"a": {"b": [number]}}), "input")
    assert caught.value.field == "input.a.b"


def test_a_value_without_a_kind_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        struct_to_object(Struct(fields={"a": Value()}), "input")
    assert caught.value.field == "input.a"


@pytest.mark.parametrize(
    "text",
    [
        '{"n":9007199254740993}',
        '{"n":0.1000000000000000000001}',
        '{"n":1e999}',
        f'{{"n":{"9" * 400}}}',
        f'{{"n":{"[" * MAX_DEPTH}0{"]" * MAX_DEPTH}}}',
    ],
)
def test_what_a_struct_cannot_carry_is_refused(text: str) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        json_to_struct(text, Struct(), "input")
    assert caught.value.reason == "VALUE_NOT_REPRESENTABLE"


def test_what_cannot_be_carried_is_named_by_its_place() -> None:
    with pytest.raises(FailedPrecondition, match=r"input\.a\.1\.b: a Struct cannot carry the number 9007199254740993"):
        json_to_struct('{"a":[null,{"b":9007199254740993}]}', Struct(), "input")
