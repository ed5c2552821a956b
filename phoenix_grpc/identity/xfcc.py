"""Envoy's x-forwarded-client-cert: elements by commas, each with pairs key=value by semicolons, values may be quoted.

Each proxy adds an element for its own caller, so the last one is what the nearest proxy says.
"""

import re
from collections.abc import Sequence

from phoenix_grpc.identity.peers import Name, names_of

MAX_CHARS = 16_384
_PAIR = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^",;]*)\s*(;|,|$)')
_ESCAPED = re.compile(r"\\(.)")
_COMMON_NAME = re.compile(r'(?:^|[,+/])\s*CN=((?:\\.|[^,+"\\/])+)')


def forwarded_names(values: Sequence[str]) -> tuple[Name, ...] | None:
    """The names of the certificate that the last element is about; None when it is not well-formed.

    Arguments:
        values: those of the header, in their order; several are one with commas.
    """
    text = ",".join(values)
    if not text or len(text) > MAX_CHARS:
        return None
    element: list[tuple[str, str]] = []
    place = 0
    ended = ""
    while place < len(text) or ended:
        found = _PAIR.match(text, place)
        if found is None:
            return None
        if ended == ",":
            element = []
        element.append((found[1].lower(), _unquoted(found[2])))
        place, ended = found.end(), found[3]
    return names_of(_all(element, "uri"), _all(element, "dns"), _common_name(element))


def _all(element: list[tuple[str, str]], key: str) -> list[str]:
    return [value for name, value in element if name == key]


def _common_name(element: list[tuple[str, str]]) -> str:
    subjects = _all(element, "subject")
    names = _COMMON_NAME.findall(subjects[0]) if len(subjects) == 1 else []
    return _ESCAPED.sub(r"\1", names[0]).strip() if len(names) == 1 else ""


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
