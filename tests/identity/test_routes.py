"""Rules for calls of other services: what they match, and paths that could mean two things."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phoenix_grpc.identity.routes import Route, host_of, segments_of


@pytest.mark.parametrize(
    ("path", "asked", "matches"),
    [
        ("/", "/", True),
        ("/", "/anything/at/all", True),
        ("/admin", "/admin", True),
        ("/admin", "/admin/", True),
        ("/admin", "/admin/x?y=/../z", True),
        ("/admin", "/%61dmin/x", True),
        ("/admin", "/administrator", False),
        ("/admin", "/Admin", False),
        ("/admin", "/x/admin", False),
        ("/a/b", "/a", False),
    ],
)
def test_a_path_is_matched_by_whole_segments_as_the_service_reads_it(path: str, asked: str, matches: bool) -> None:
    segments = segments_of(asked)
    assert segments is not None
    assert Route(path=path, access="read").matches("x", segments, "GET") is matches


@pytest.mark.parametrize(
    "path",
    [
        *("", "admin", "//admin", "/a//b", "/a/./b", "/a/../b", "/..", "/a/..", "/.", "/a\\b", "/a%2fb", "/a%2Fb"),
        *("/a%5cb", "/a/%2e%2e/b", "/a/.%2e/b", "/a%252fb", "/a%00b", "/a;x=1/b", "/a#b", "/a b", "/a\x00b", "/é"),
        *("/a\nb", "/" + "a" * 9000, "/a%3bx", "/a%", "/a%2", "/a%zz", "https://x/a", "*"),
    ],
)
def test_a_path_that_could_mean_two_things_has_no_segments(path: str) -> None:
    assert segments_of(path) is None


def test_the_query_does_not_count() -> None:
    assert segments_of("/a?b=//../%2f") == ["a"]


def test_host_and_method_count_where_they_are_named() -> None:
    route = Route(host="A.example", path="/", methods=("GET",), access="read")
    assert route.matches(host_of("a.EXAMPLE:8080"), [], "GET")
    assert route.matches(host_of("a.example."), [], "GET")
    assert not route.matches("b.example", [], "GET")
    assert not route.matches("a.example", [], "POST")
    assert Route(path="/", access="read").matches("any", [], "PURGE")


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "a"},
        {"path": "/a/"},
        {"path": "/a/../b"},
        {"path": "/a//b"},
        {"path": "/a%2fb"},
        {"path": "/", "methods": ()},
        {"path": "/", "methods": ("get",)},
        {"path": "/", "access": "all"},
        {"path": "/", "host": ""},
        {"path": "/", "roles": "x"},
    ],
)
def test_a_rule_that_means_nothing_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Route.model_validate({"access": "read", **fields})


@given(st.text(alphabet="/.%2fFeE5cC\\;aA?#", max_size=24))
def test_no_segment_is_more_than_one(path: str) -> None:
    for segment in segments_of(path) or ():
        assert segment not in (".", "..")
        assert not set(segment) & set("/\\;%#")
