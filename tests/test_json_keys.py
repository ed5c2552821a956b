"""Keys that come twice: never missed by counting, found beside a walk through all members."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.json_keys import Repeated, all_kept, find_repeated

KEYS = st.sampled_from(["a", "b", "a:b", ":", "", 'q"', "ä"])
SCALARS = st.none() | st.integers(0, 9) | st.sampled_from(["x", ":", '":', "\\u003a", " : ", 'a":"b'])


def members(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects and lists of such JSON texts; an object may have a key twice, with any white space around colons."""
    spaces = st.sampled_from(["", " ", "\t", "  "])
    member = st.builds(lambda key, a, b, value: f"{key}{a}:{b}{value}", written(KEYS), spaces, spaces, values)
    objects = st.lists(member, max_size=4).map(lambda parts: "{" + ",".join(parts) + "}")
    return objects | st.lists(values, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]")


def written(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    """JSON of values; a colon may be an escape."""
    return st.builds(
        lambda value, escape: json.dumps(value, ensure_ascii=escape != "").replace(":", escape or ":"),
        values,
        st.sampled_from(["", ":", "\\u003a", "\\u003A"]),
    )


DOCUMENTS = members(st.recursive(written(SCALARS), members, max_leaves=8))


@given(DOCUMENTS)
def test_no_lost_key_is_missed_and_the_first_is_named(text: str) -> None:
    repeated: list[str | None] = []

    def see(found: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in found]
        repeated.append(next((key for index, key in enumerate(keys) if key in keys[:index]), None))
        return dict(found)

    outermost = isinstance(json.loads(text, object_pairs_hook=see), dict)
    found = find_repeated(text)
    assert set(found) - {None} <= set(repeated)
    assert (found == (None, None)) == (not any(key is not None for key in repeated))
    if outermost:
        assert found.outer == repeated[-1]
    if all_kept(text.encode(), msgspec.json.encode(msgspec.json.decode(text))):
        assert found == (None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a":1,"b":{"a":1}}', (None, None)),
        ('{"a":1,"a":1}', ("a", None)),
        ('{"a":1,"\\u0061":2}', ("a", None)),
        ('{"a":{"b":1,"c":2,"b":3}}', (None, "b")),
        ('{"a":[{"":1,"":2}],"a":1}', ("a", "")),
        ('[{"b":1,"b":3}]', ("b", None)),
        ('{"a":%s}' % ("9" * 5000), (None, None)),
    ],
)
def test_where_a_key_comes_twice(text: str, expected: tuple[str | None, str | None]) -> None:
    assert find_repeated(text) == Repeated(*expected)


@pytest.mark.parametrize("text", ['{"a":"x: y"}', '{ "a" : {"b:c":[1,2]} }', '{"a":"\\u003c\\u0031:"}', "{}"])
def test_colons_within_strings_cost_no_second_look(text: str) -> None:
    assert all_kept(text.encode(), msgspec.json.encode(msgspec.json.decode(text)))
