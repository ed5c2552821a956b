"""Errors: their reasons are those of errors.proto, and what they quote is fit to be shown."""

import pytest

from phoenix_grpc.errors import Reason, shown
from phoenix_grpc.v1 import errors_pb2


def test_the_reasons_are_those_of_the_protos() -> None:
    declared = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert set(Reason) == declared - {"UNSPECIFIED"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("a\nb\x00c", "a b c"), ("x" * 301, "x" * 300 + "…"), ("é" * 200, "é" * 150 + "…")],
)
def test_what_is_shown_is_short_and_has_no_control_characters(text: str, expected: str) -> None:
    assert shown(text) == expected
