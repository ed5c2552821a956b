"""A JSON object read as its bytes arrive: its lists in slices of elements, whose bytes are not changed.

Nothing is decoded here but the borders of values, so numbers stay exact, and what a value would take in memory does not
count. msgspec finds them: it skips a value at a gigabyte a second, and says where the next one begins.
"""

import re
from collections.abc import Collection, Generator, Sequence
from typing import Protocol

import msgspec

WINDOW = 256 << 10
"""Bytes that are looked at in one go, when no value is longer: they take a few milliseconds."""
_MAX_KEY_BYTES = 1000
_MAX_MEMBERS = 100
_GUESSES = 3
_SPACE = b" \t\r\n"

# The border between two elements with the beginning of the next, up to its first key: lists hold much of a kind, so the
# last place that looks like it is most likely a border, too.
_BORDER = re.compile(rb'[^,\s]\s*,\s*(?:\{\s*"[^"\\]{0,100}"|\S)')
_PLACE = re.compile(r"(.*) \(byte (\d+)\)$")
_FILLED = re.compile(rb"[^ \t\r\n]")

_skip = msgspec.json.Decoder(msgspec.Raw).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode

Value = bytes | msgspec.Raw
Steps = Generator[None, None, None]


class Malformed(Exception):
    """The bytes are not such an object; the message says what is wrong and where."""


class Sink(Protocol):
    """Receives what a scanner finds."""

    def member(self, key: str, value: bytes) -> None:
        """The bytes of a member that is not a list to slice."""
        ...

    def begin_list(self, key: str) -> None:
        """A list to be sliced begins."""
        ...

    def elements(self, key: str, values: Sequence[Value]) -> None:
        """The next elements of the list."""
        ...


class ObjectScanner:
    """Pieces of a JSON object in, its members out, in their order.

    Arguments:
        lists: the keys whose lists are sliced.
        longest: the bytes that any other value, and any element, may have.
    """

    def __init__(self, sink: Sink, lists: Collection[str], longest: int) -> None:
        self._sink = sink
        self._lists = lists
        self._longest = longest
        self._buffer = b""
        self._at = 0
        self._wanted = WINDOW
        self._complete = False
        self._steps = self._object()
        next(self._steps)

    @property
    def wanted(self) -> int:
        """The number of bytes that it needs to make progress; feeding it fewer costs more."""
        return max(1, self._wanted - self.held)

    @property
    def held(self) -> int:
        """The number of bytes that it holds of an incomplete value."""
        return len(self._buffer) - self._at

    def feed(self, data: bytes) -> None:
        """Reads on.

        Raises:
            Malformed: as soon as it shows.
        """
        self._buffer = self._buffer[self._at :] + data
        self._at = 0
        if len(self._buffer) >= self._wanted:
            next(self._steps, None)

    def close(self) -> None:
        """Reads the rest, at the end of the bytes.

        Raises:
            Malformed: also when there is no end.
        """
        self._complete = True
        for _ in self._steps:
            """The rest is read without a stop."""

    def release(self) -> None:
        """Lets go of what it holds, for which its memory would wait until the collector runs: it refers to itself."""
        self._steps.close()
        self._buffer = b""

    def _object(self) -> Steps:
        seen: set[str] = set()
        yield from self._expect(b"{", "the body must be a JSON object")
        if (yield from self._next()) == b"}":
            self._at += 1
        else:
            while True:
                yield from self._member(seen)
                if (yield from self._delimiter("the object", b"}")):
                    break
        while (yield from self._next()):
            raise Malformed("something follows the object")

    def _member(self, seen: set[str]) -> Steps:
        key = yield from self._key(seen)
        yield from self._expect(b":", f"{key}: a colon must follow the key")
        if (yield from self._next()) == b"[" and key in self._lists:
            self._at += 1
            yield from self._list(key)
        else:
            self._sink.member(key, (yield from self._value(key)))

    def _key(self, seen: set[str]) -> Generator[None, None, str]:
        try:
            key = _text((yield from self._value("a key", _MAX_KEY_BYTES)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Malformed("a key must be a string") from None
        if key in seen:
            raise Malformed(f"the key {key!r} comes twice")
        seen.add(key)
        if len(seen) > _MAX_MEMBERS:
            raise Malformed(f"the object has more than {_MAX_MEMBERS} keys")
        return key

    def _list(self, key: str) -> Steps:
        self._sink.begin_list(key)
        if (yield from self._next()) == b"]":
            self._at += 1
            return
        index, ended = 0, False
        while not ended:
            yield from self._next()
            values, length, ended = self._slice(key, index)
            if not values:
                yield from self._more(f"{key}[{index}]", self._longest)
                continue
            self._at += length
            self._sink.elements(key, values)
            index += len(values)

    def _slice(self, key: str, index: int) -> tuple[Sequence[Value], int, bool]:
        """The elements that are here as a whole, their length with what parts them, and whether the list ends there."""
        window = self._buffer[self._at :]
        first = _end(window, f"{key}[{index}]")
        border = _BORDER.match(window, _last(window, first)) if first else None
        guess = len(window)
        for _ in range(_GUESSES):
            guess = window.rfind(border.group(), first, guess) if border else -1
            if guess < 0:
                break
            try:
                return _split(b"[%b]" % window[: guess + 1]), window.index(b",", guess + 1) + 1, False
            except (msgspec.DecodeError, RecursionError):
                continue  # it only looked like a border
        return self._one_by_one(window, key, index)

    def _one_by_one(self, window: bytes, key: str, index: int) -> tuple[Sequence[Value], int, bool]:
        values: list[bytes] = []
        view, at = memoryview(window), 0
        while length := _end(view[at:], f"{key}[{index + len(values)}]"):
            values.append(window[at : at + length - 1].strip(_SPACE))
            at += length
            delimiter = window[at - 1 : at]
            if delimiter != b",":
                if delimiter != b"]":
                    raise Malformed(f"a comma or ] must follow {key}[{index + len(values) - 1}]")
                return values, at, True
        return values, at, False

    def _value(self, name: str, longest: int = 0) -> Generator[None, None, bytes]:
        while not (length := _end(memoryview(self._buffer)[self._at :], name)):
            yield from self._more(name, longest or self._longest)
        if length > (longest or self._longest):
            raise _too_long(name, longest or self._longest)
        value = self._buffer[self._at : self._at + length - 1].strip(_SPACE)
        self._at += length - 1
        return value

    def _delimiter(self, what: str, end: bytes) -> Generator[None, None, bool]:
        """Whether this is the end, and not a comma."""
        found = yield from self._next()
        if found not in (b",", end):
            raise Malformed(f"{what} is not complete" if not found else f"a comma or {end.decode()} is missing")
        self._at += 1
        return found == end

    def _expect(self, char: bytes, otherwise: str) -> Steps:
        if (yield from self._next()) != char:
            raise Malformed(otherwise)
        self._at += 1

    def _next(self) -> Generator[None, None, bytes]:
        """The next character that is no white space; empty at the end."""
        while not (found := _FILLED.search(self._buffer, self._at)):
            self._at = len(self._buffer)
            if self._complete:
                return b""
            self._wanted = WINDOW
            yield
        self._at = found.start()
        return found.group()

    def _more(self, name: str, longest: int) -> Steps:
        """Waits for more bytes of a value: for twice as many as there are, so that trying again costs no more."""
        if self.held > longest:
            raise _too_long(name, longest)
        if self._complete:
            raise Malformed(f"{name} does not end, or has a surrogate without its pair")
        self._wanted = max(WINDOW, min(2 * self.held, longest + WINDOW))
        yield
        self._wanted = WINDOW


def _end(data: bytes | memoryview, name: str) -> int:
    """The length of the value that `data` begins with and of what follows: white space and one other character.

    0 when the value, or what follows it, has not come as a whole.

    Raises:
        Malformed: naming the value.
    """
    try:
        _skip(data)
    except RecursionError:
        raise Malformed(f"{name} is nested too deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        place = _PLACE.search(str(error))
        if place is None:
            return 0
        if "trailing" in place[1]:
            return int(place[2])
        if int(place[2]) < len(data):  # else a number is cut off, which is not called truncated
            raise Malformed(f"{name}: {place[1]}") from None
    return 0


def _last(window: bytes, length: int) -> int:
    """Where the last character of a value is, which white space and one other character follow."""
    return len(window[: length - 1].rstrip(_SPACE)) - 1


def _too_long(name: str, longest: int) -> Malformed:
    return Malformed(f"{name} has more than {longest:,} bytes")
