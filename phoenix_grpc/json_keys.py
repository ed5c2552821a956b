"""Keys that come twice in one JSON object: decoders keep the last of them in silence.

Looking at every key would cost as much as decoding does. So it is counted: as many colons as the decoded value has when
it is encoded again, and no key was lost.
"""

import json
import re
from typing import Any, NamedTuple

_COLON = re.compile(rb"\\u003[aA]")


class Repeated(NamedTuple):
    """Keys that come twice: of the outermost object, and the first one within."""

    outer: str | None
    inner: str | None


def all_kept(data: bytes, encoded: bytes, others: int = 0) -> bool:
    """Whether no key was lost; when it is false, one may be: `find_repeated` tells.

    Arguments:
        data: a JSON document.
        encoded: what was decoded of it, encoded again.
        others: keys that `encoded` has not.
    """
    return data.count(b":") == encoded.count(b":") + others and not (b"\\u003" in data and _COLON.search(data))


def find_repeated(data: bytes | str) -> Repeated:
    """The keys that come twice in a valid JSON document."""
    finder = _Finder()
    json.loads(data, object_pairs_hook=finder, parse_int=len, parse_float=len)
    return Repeated(finder.last, finder.inner)


class _Finder:
    """Sees the members of one object after the other, the outermost last."""

    def __init__(self) -> None:
        self.inner: str | None = None
        self.last: str | None = None

    def __call__(self, members: list[tuple[str, Any]]) -> None:
        self.inner = self.last if self.inner is None else self.inner
        self.last = _repeated(members) if len(members) > len({key for key, _ in members}) else None


def _repeated(members: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(key for key, _ in members if key in seen or seen.add(key))  # type: ignore[func-returns-value]
