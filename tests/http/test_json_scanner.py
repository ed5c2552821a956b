"""The scanner beside json.loads: the same members whatever the borders of the pieces, and what it refuses."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.http import json_scanner
from phoenix_grpc.http.json_scanner import Malformed, ObjectScanner, Value

LISTS = ("inputs", "splits")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALARS | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ALIKE = st.builds(
    lambda values: [{"question": value, "messages": [{"role": "user"}] * 3} for value in values],
    st.lists(JSON, max_size=20),
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "name": JSON,
        "inputs": ALIKE | st.lists(JSON, max_size=20),
        "other": JSON,
        "splits": st.lists(st.sampled_from(["a", None, ["a", "b"], []]), max_size=20) | st.none(),
    },
)
STYLES = st.sampled_from(
    [{}, {"indent": 2}, {"separators": (",", ":")}, {"separators": (" ,\t", "\r\n:  ")}, {"ensure_ascii": False}]
)


class Found:
    """What a scanner finds, decoded; lists that were sliced are told from others."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self.sliced: set[str] = set()

    def member(self, key: str, value: bytes) -> None:
        self.members[key] = json.loads(value)

    def begin_list(self, key: str) -> None:
        self.members[key] = []
        self.sliced.add(key)

    def elements(self, key: str, values: Sequence[Value]) -> None:
        assert values
        self.members[key] += [json.loads(bytes(value)) for value in values]


def scan(data: bytes, size: int = 1 << 20, longest: int = 1 << 20) -> Found:
    """What is found in pieces of `size` bytes."""
    found = Found()
    scanner = ObjectScanner(found, LISTS, longest)
    for start in range(0, len(data), size):
        scanner.feed(data[start : start + size])
    scanner.close()
    return found


@given(OBJECTS, STYLES, st.integers(1, 40), st.integers(1, 100))
def test_it_finds_what_json_finds(value: dict[str, Any], style: Any, size: int, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_scanner, "WINDOW", window)
        found = scan(json.dumps(value, **style).encode(), size)
    assert found.members == value
    assert found.sliced == {key for key in LISTS if isinstance(value.get(key), list)}


@given(st.binary(max_size=40) | st.text('{}[]",:\\ a1', max_size=40).map(str.encode))
def test_it_takes_nothing_that_json_refuses(data: bytes) -> None:
    data = b'{"inputs":' + data
    try:
        found = scan(data, 7)
    except (Malformed, UnicodeDecodeError):
        return
    assert found.members == json.loads(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b"{", "does not end"),
        (b"{} {}", "something follows"),
        (b'{"a": 1,}', "a key"),
        (b'{"a" 1}', "colon"),
        (b"{1: 1}", "a key must be a string"),
        (b'{"a": 1 "b": 2}', "a comma or }"),
        (b'{"a": 1', "a does not end"),
        (b'{"a": nul}', "a: JSON is malformed"),
        (b'{"inputs": [1, 2', r"inputs\[1\] does not end"),
        (b'{"inputs": [1, 2}', "] must follow"),
        (b'{"inputs": [1 2]}', "] must follow"),
        (b'{"inputs": [1, ]}', r"inputs\[1\]: JSON is malformed"),
        (b'{"inputs": [, 1]}', r"inputs\[0\]: JSON is malformed"),
        (b'{"inputs": ["\\ud800"]}', r"inputs\[0\] does not end, or has a surrogate"),
        (b'{"inputs": [%s]}' % (b"[" * 100_000), r"inputs\[0\] is nested too deep"),
        (b'{"a": 1, "inputs": [], "a": 2}', "the key 'a' comes twice"),
        (b'{"inputs": [], "\\u0069nputs": []}', "the key 'inputs' comes twice"),
        (b'{"%s": 1}' % (b"k" * 2000), "a key has more than 1,000 bytes"),
        (b'{"a": "%s"}' % (b"v" * 2000), "a has more than 1,500 bytes"),
        (b'{"inputs": [1, "%s' % (b"v" * 2000), r"inputs\[1\] has more than 1,500 bytes"),
        (json.dumps(dict.fromkeys(map(str, range(101)))).encode(), "more than 100 keys"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_refused_and_where(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        scan(data, longest=1500)


def test_lists_of_any_kind_are_sliced_without_loss() -> None:
    for element in (b"{}", b"[]", b"null", b'"a,b"', b'{"k":[{"k":1},{"k":2}]}', b'{"k": "},{"}', b"-1.5e3"):
        found = scan(b'{"inputs":[' + b",".join([element] * 20_000) + b"]}", 300_000)
        assert found.members["inputs"] == [json.loads(element)] * 20_000
