"""Public ids: canonical base64 of `Type:<integer>`, and nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import Invalid
from phoenix_grpc.ids import MAX_ID, decode_id, encode_id, parse_id

KINDS = ["Dataset", "DatasetVersion", "DatasetExample", "DatasetSplit", "DatasetLabel", "User", "UserApiKey"]


def raw(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_ids_have_the_form_of_phoenix() -> None:
    assert encode_id("Dataset", 1) == "RGF0YXNldDox"
    assert encode_id("Dataset", 15) == "RGF0YXNldDoxNQ=="


@given(st.sampled_from(KINDS), st.integers(0, MAX_ID))
def test_an_id_decodes_to_what_it_was_made_of(kind: str, number: int) -> None:
    assert parse_id(encode_id(kind, number)) == (kind, number)


@given(st.text(max_size=30))
def test_no_text_but_the_canonical_one_is_an_id(text: str) -> None:
    parsed = parse_id(text)
    assert parsed is None or encode_id(*parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Dataset:1",
        "RGF0YXNldDoxNQ",  # padding is missing
        "RGF0YXNldDox\n",
        raw("Dataset:01"),
        raw("Dataset: 1 "),
        raw("Dataset:-1"),
        raw("Dataset:+1"),
        raw("Dataset:1.0"),
        raw("Dataset:²"),
        raw("Dataset:" + "9" * 19),
        raw("Dataset:" + "9" * 5000),
        raw("Dataset"),
        raw("Example:1"),
        "!!!!",
        "\x00",
        "ÄÖÜ=",
    ],
)
def test_what_is_no_dataset_id_is_refused_and_the_field_named(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode_id("Dataset", text, "dataset_id")
    assert caught.value.field == "dataset_id"
