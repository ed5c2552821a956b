"""Converts a file of one JSON array to JSON Lines, element by element; every value keeps its text."""

import codecs
import json
from collections.abc import Iterable, Iterator

from phoenix_grpc.client.errors import UnfitFile

_CHUNK = 512 << 10
_LONGEST = 64 << 20
_SPACE = " \t\r\n"
# Nothing is computed: a number of any length keeps its text.
_scan = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str).raw_decode


def json_lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The elements of the array as lines, several in a chunk. Holds one element and one piece of the file at most.

    Raises:
        UnfitFile: naming the record, when this is no array of objects.
    """
    lines: list[str] = []
    size = 0
    for element in elements(pieces):
        line = element.replace("\n", " ").replace("\r", " ")  # outside of strings, where alone they may be
        lines.append(line)
        size += len(line)
        if size >= _CHUNK:
            yield ("\n".join(lines) + "\n").encode()
            lines, size = [], 0
    if lines:
        yield ("\n".join(lines) + "\n").encode()


def elements(pieces: Iterable[bytes]) -> Iterator[str]:
    """The text of each element of the array, which must be an object.

    Raises:
        UnfitFile: as json_lines.
    """
    text = _Text(pieces)
    text.skip("[")
    number = 0
    mark = text.skip("]")
    while not mark:
        number += 1
        yield text.object(number)
        mark = text.skip("]")
        if not mark and not text.skip(","):
            raise UnfitFile(f"record {number} must be followed by a comma or the end of the array")
    if text.peek():
        raise UnfitFile("something follows the end of the JSON array")


class _Text:
    """The text of a file, read as far as it is looked at."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._fill(1):
                return ""

    def skip(self, mark: str) -> bool:
        """Skips the next character if it is this one."""
        found = self.peek() == mark
        self._at += found
        return found

    def object(self, number: int) -> str:
        """The text of the next element, which must be an object."""
        if self.peek() != "{":
            raise UnfitFile(f"record {number} is no JSON object; every element of the array must be one")
        while True:
            try:
                _, end = _scan(self._text, self._at)
            except RecursionError:
                raise UnfitFile(f"record {number} is nested too deep") from None
            except ValueError:
                # Malformed, or incomplete: reading twice as much each time, all tries together cost twice the last one.
                if not self._fill(2 * (len(self._text) - self._at)):
                    raise UnfitFile(f"record {number} is not JSON, or the array has no end") from None
            else:
                element = self._text[self._at : end]
                self._at = end
                return element

    def _fill(self, wanted: int) -> bool:
        """Reads on until `wanted` characters are held; returns whether there were any more."""
        parts = [self._text[self._at :]]
        self._at, size, more = 0, len(parts[0]), False
        while size < wanted <= _LONGEST and (piece := next(self._pieces, None)) is not None:
            parts.append(self._decoded(piece))
            size, more = size + len(parts[-1]), True
        self._text = "".join(parts)
        return more

    def _decoded(self, piece: bytes) -> str:
        try:
            return self._decoder.decode(piece)
        except UnicodeDecodeError:
            raise UnfitFile("the file is not UTF-8") from None
