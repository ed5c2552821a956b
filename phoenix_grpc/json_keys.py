"""Keys that occur twice in one JSON object: decoders silently keep the last one.

Looking at every key would cost as much as decoding. So colons are counted: if the decoded value has as many when it is
encoded again, no key was lost.
"""

import json
import re
from typing import Any, NamedTuple

_COLON = re.compile(rb"\\u003[aA]")


class Repeated(NamedTuple):
    """Keys that occur twice: in the outermost object, and the first one within."""

    outer: str | None
    inner: str | None


def all_kept(data: bytes, encoded: bytes, others: int = 0) -> bool:
    """Whether certainly no key was lost; if false, `find_repeated` decides.

    Arguments:
        data: a JSON document.
        encoded: the decoded value, encoded again.
        others: the number of keys that `encoded` does not contain.
    """
    return data.count(b":") == encoded.count(b":") + others and not (b"\\u003" in data and _COLON.search(data))


def find_repeated(data: bytes | str) -> Repeated:
    """The keys that occur twice in a valid JSON document."""
    finder = _Finder()
    json.loads(data, object_pairs_hook=finder, parse_int=len, parse_float=len)
    return Repeated(finder.last, finder.inner)


class _Finder:
    """Receives the members of one object after the other, the outermost last."""

    def __init__(self) -> None:
        self.inner: str | None = None
        self.last: str | None = None

    def __call__(self, members: list[tuple[str, Any]]) -> None:
        self.inner = self.last if self.inner is None else self.inner
        self.last = _repeated(members) if len(members) > len({key for key, _ in members}) else None


def _repeated(members: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(key for key, _ in members if key in seen or seen.add(key))  # type: ignore[func-returns-value]
