"""The JSON document of an upload, as JSONL: its values keep the bytes that were sent, so numbers stay exact.

A document has its lists side by side, and JSONL one record after the other, so the elements of each list wait in a file
until the document is complete. Neither is ever in memory as a whole.
"""

import asyncio
import codecs
import contextlib
import json
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import msgspec

from phoenix_grpc.errors import Reason
from phoenix_grpc.guard.capacity import Hold
from phoenix_grpc.http.bodies import too_large
from phoenix_grpc.http.errors import Invalid, Refused
from phoenix_grpc.http.json_scanner import Malformed, ObjectScanner, Value

MAX_EXAMPLES = 1_000_000
CHUNK = 1 << 20
_IN_MEMORY = 64 << 10
_LARGE = 1 << 20
_WITHOUT_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")

# The lists of a document, and the keys of a JSONL record that they become.
_KEYS = {
    "inputs": "input",
    "outputs": "output",
    "metadata": "metadata",
    "splits": "splits",
    "example_ids": "id",
    "span_ids": "span_id",
}
_OBJECTS = ("inputs", "outputs", "metadata")


T = TypeVar("T")


class _Head(msgspec.Struct):
    """The members of a document that concern all examples."""

    name: str | int | float
    action: str | None = None
    description: str | None = None


_head_of = msgspec.json.Decoder(_Head).decode


class _Column:
    """The elements of one list, one per line."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - a Document closes it
        self.count = 0
        self.nulls = 0
        self.longest = 0

    def add(self, key: str, values: Sequence[Value]) -> None:
        """Adds elements.

        Raises:
            Invalid: for one that is no object where it must be, and beyond 1,000,000.
        """
        lines = b"\n".join(values)
        if b"\r" in lines or lines.count(b"\n") >= len(values):
            # In JSON, a line end can only be white space between tokens.
            lines = b"\n".join([bytes(value).translate(_WITHOUT_LINE_ENDS) for value in values])
        if key in _OBJECTS and _beginning(b"{", lines) < len(values):
            index = next(index for index, line in enumerate(lines.split(b"\n")) if not line.startswith(b"{"))
            raise Invalid(f"{key}[{self.count + index}] must be an object")
        self.count += len(values)
        if self.count > MAX_EXAMPLES:
            raise Invalid(f"{key} may have {MAX_EXAMPLES:,} elements at most; upload a file as a form")
        nulls = _beginning(b"null", lines)
        self.nulls += nulls
        if len(lines) > self.longest:
            self.longest = max(self.longest, *(len(memoryview(value)) for value in values))
        if nulls and key == "splits":  # of those that some elements name, null names none
            lines = re.sub(rb"^null$", b"[]", lines, flags=re.MULTILINE)
        self.file.write(lines)
        self.file.write(b"\n")


class Document:
    """A document on its way through: `read` it, then take its `lines`. Use it as a context, which ends its files.

    Arguments:
        limit: the bytes it may have.
        longest: the bytes that a value may have.
        hold: of the budget for what is in memory.
        turn: of all documents, to work on a large value: it is copied several times while it is found and written.
    """

    def __init__(self, limit: int, longest: int, hold: Hold, turn: asyncio.Lock) -> None:
        self.name, self.action, self.description = "", "create", ""
        self._limit = limit
        self._hold = hold
        self._turn = turn
        self._head: dict[str, bytes] = {}
        self._columns: dict[str, _Column] = {}
        self._scanner = ObjectScanner(self, _KEYS, longest)
        self._decode: Callable[[bytes, bool], str] | None = None
        self._files = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._files.close()
        self._scanner.release()

    @property
    def empty(self) -> bool:
        """Whether it states explicitly that there are no examples."""
        return not self._columns["inputs"].count

    async def read(self, body: AsyncIterator[bytes]) -> None:
        """Reads the body of a request; the work is done in a thread.

        Raises:
            Invalid: 422, saying what is wrong where.
            HTTPException: 413, when it has more than `limit` bytes.
            LimitExceeded: when the budget is spent.
        """
        parts: list[bytes] = []
        size = total = 0
        async for piece in body:
            total += len(piece)
            if total > self._limit:
                raise too_large(self._limit)
            await self._hold.grow(len(piece))
            parts.append(piece)
            size += len(piece)
            if size >= self._scanner.wanted:
                await self._work(self._scanner.held + size, self._feed, parts)
                parts, size = [], 0
                self._hold.shrink(self._scanner.held)
        await self._work(self._scanner.held + size, self._close, parts)
        self._hold.shrink(0)
        # What the lines will take, read, joined and on their way: whoever sends them on cannot wait.
        await self._hold.grow(CHUNK + 3 * self._longest)

    async def lines(self) -> AsyncIterator[bytes]:
        """The examples as JSONL, in chunks; they are made in a thread."""
        chunks = self._chunks()
        while chunk := await self._work(self._longest, next, chunks, b""):
            for start in range(0, len(chunk), CHUNK):
                yield chunk[start : start + CHUNK]

    @property
    def _longest(self) -> int:
        """Bytes that the longest line may have."""
        return sum(column.longest for column in self._columns.values())

    async def _work(self, size: int, fn: Callable[..., T], *args: Any) -> T:
        """Runs `fn` in a thread, when it is the turn of values of `size` bytes; returns its result."""
        async with self._turn if size > _LARGE else contextlib.nullcontext():
            return await asyncio.to_thread(fn, *args)

    def member(self, key: str, value: bytes) -> None:
        """See json_scanner.Sink."""
        if key not in _KEYS:
            if key in _Head.__struct_fields__:
                self._head[key] = value
        elif value != b"null":
            raise Invalid(f"{key} must be a list")

    def begin_list(self, key: str) -> None:
        """See json_scanner.Sink."""
        self._columns[key] = _Column()
        self._files.enter_context(self._columns[key].file)

    def elements(self, key: str, values: Sequence[Value]) -> None:
        """See json_scanner.Sink."""
        self._columns[key].add(key, values)

    def _feed(self, parts: Sequence[bytes], complete: bool = False) -> None:
        # They are joined here, not where they arrive: while it waits for its turn, there is no copy of them.
        try:
            self._scanner.feed(self._as_utf8(b"".join(parts), complete))
            if complete:
                self._scanner.close()
        except (Malformed, UnicodeError) as error:
            raise _invalid(error) from None

    def _close(self, parts: Sequence[bytes]) -> None:
        self._feed(parts, complete=True)
        try:
            found = _head_of(b"{%b}" % b",".join(b'"%b":%b' % (key.encode(), self._head[key]) for key in self._head))
        except (msgspec.DecodeError, UnicodeError) as error:
            raise _invalid(error) from None
        self.name, self.action = str(found.name), found.action or "create"
        self.description = found.description or ""
        self._check()

    def _as_utf8(self, data: bytes, complete: bool) -> bytes:
        """The bytes as UTF-8: JSON may come as UTF-16 or UTF-32 (RFC 4627), which its first four bytes tell."""
        if self._decode is None:
            encoding = json.detect_encoding(data[:4])
            self._decode = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)().decode
        return self._decode(data, complete).encode()

    def _check(self) -> None:
        """Requires that the lists fit each other; removes those without values."""
        if "inputs" not in self._columns:
            raise Invalid("inputs is required: a list of objects")
        count = self._columns["inputs"].count
        for key, column in list(self._columns.items()):
            if column.count not in (0, count):
                raise Invalid(f"{key} must have as many elements as inputs: {count}, not {column.count}")
            # The TypeScript client sends a list of nulls when it means nothing; Phoenix then wipes every membership.
            if key != "inputs" and column.nulls == column.count:
                del self._columns[key]

    def _chunks(self) -> Iterator[bytes]:
        columns = {_KEYS[key]: column.file for key, column in self._columns.items()}
        form = b"{%b}\n" % b",".join(b'"%b":%%b' % key.encode() for key in columns)
        parts: list[bytes] = []
        length = 0
        for line in map(form.__mod__, _rows(columns.values())):
            parts.append(line)
            length += len(line)
            if length >= CHUNK:
                yield b"".join(parts)
                parts.clear()
                length = 0
        if parts:
            yield b"".join(parts)


def _beginning(start: bytes, lines: bytes) -> int:
    """How many lines begin like this."""
    return lines.count(b"\n" + start) + lines.startswith(start)


def _rows(files: Collection[IO[bytes]]) -> Iterator[tuple[bytes, ...]]:
    for file in files:
        file.seek(0)
    return zip(*(map(bytes.rstrip, file) for file in files), strict=True)


def naming_element(refused: Refused) -> Refused:
    """The same response; if it names a line of the JSONL, it names the element of the document instead."""
    line, part = refused.facts.get("line"), refused.facts.get("part", "input")
    if refused.reason == Reason.INVALID_RECORD and line:
        field = next(field for field, key in _KEYS.items() if key == part)
        description = refused.text.partition(": ")[2].removeprefix(f"{part}: ")
        refused.text = f"{field}[{int(line) - 1}]: {description}"
    return refused


def _invalid(error: Exception) -> Invalid:
    return Invalid(f"The body is not a valid upload: {error}")
