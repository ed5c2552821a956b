"""The JSON document of an upload, as JSONL: its values stay the bytes that were sent, so numbers stay exact."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from phoenix_grpc.http.bodies import too_large
from phoenix_grpc.http.errors import Invalid

_BRACE = ord("{")
_WITHOUT_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")

T = TypeVar("T")


class _Document(msgspec.Struct):
    name: str | int | float
    inputs: list[msgspec.Raw]
    action: str | None = None
    description: str | None = None
    outputs: list[msgspec.Raw] | None = None
    metadata: list[msgspec.Raw] | None = None
    splits: list[str | list[str] | None] | None = None
    span_ids: list[str | None] | None = None
    example_ids: list[str | None] | None = None


_decoder = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class Document:
    """A checked document.

    Arguments:
        name: of the dataset.
        splits: what each example's splits are to be; None leaves all alone.
        multi_line: whether the values hold line ends, which in JSON can only be white space between tokens.
    """

    name: str
    action: str
    description: str
    inputs: Sequence[msgspec.Raw]
    outputs: Sequence[msgspec.Raw]
    metadata: Sequence[msgspec.Raw]
    splits: Sequence[list[str]]
    span_ids: Sequence[str | None]
    example_ids: Sequence[str | None]
    multi_line: bool

    @property
    def empty(self) -> bool:
        """Whether it says in so many words that there are no examples."""
        return not self.inputs

    async def lines(self, size: int) -> AsyncIterator[bytes]:
        """The examples as JSONL, in chunks of about `size` bytes; they are made in a thread."""
        chunks = self._chunks(size)
        while (chunk := await asyncio.to_thread(next, chunks, b"")) != b"":
            for start in range(0, len(chunk), size):
                yield chunk[start : start + size]

    def _chunks(self, size: int) -> Iterator[bytes]:
        parts: list[bytes] = []
        length = 0
        for index in range(len(self.inputs)):
            line = b"".join(self._line(index))
            parts.append(line.translate(_WITHOUT_LINE_ENDS) if self.multi_line else line)
            parts.append(b"\n")
            length += len(line) + 1
            if length >= size:
                yield b"".join(parts)
                parts.clear()
                length = 0
        if parts:
            yield b"".join(parts)

    def _line(self, index: int) -> Iterator[Any]:
        yield b'{"input":'
        yield self.inputs[index]
        for key, values in ((b',"output":', self.outputs), (b',"metadata":', self.metadata)):
            if values:
                yield key
                yield values[index]
        if self.splits:
            yield b',"splits":'
            yield msgspec.json.encode(self.splits[index])
        for key, ids in ((b',"id":', self.example_ids), (b',"span_id":', self.span_ids)):
            if ids and ids[index] is not None:
                yield key
                yield msgspec.json.encode(ids[index])
        yield b"}"


async def read_document(body: AsyncIterator[bytes], limit: int) -> Document:
    """The document in a request's body.

    Raises:
        Invalid: 422, saying what is wrong where.
        HTTPException: 413, when it has more than `limit` bytes.
    """
    read = bytearray()
    async for piece in body:
        if len(read) + len(piece) > limit:
            raise too_large(limit)
        read += piece
    return await asyncio.to_thread(_parsed, read)


def _parsed(body: bytearray) -> Document:
    try:
        # JSON may come as UTF-16 or UTF-32 (RFC 4627); two bytes tell.
        encoding = json.detect_encoding(body[:4])
        found = _decoder.decode(body if encoding == "utf-8" else body.decode(encoding).encode())
    except RecursionError:
        raise Invalid("The body is nested too deep.") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise Invalid(f"The body is not a valid upload: {error}") from None
    return _checked(found, b"\n" in body or b"\r" in body)


def _checked(found: _Document, multi_line: bool) -> Document:
    count = len(found.inputs)
    for field in ("inputs", "outputs", "metadata"):
        _require_objects(field, getattr(found, field) or ())
    for field in ("outputs", "metadata", "splits", "span_ids", "example_ids"):
        values = getattr(found, field)
        if values and len(values) != count:
            raise Invalid(f"{field} must have as many elements as inputs: {count}, not {len(values)}")
    return Document(
        name=str(found.name),
        action=found.action or "create",
        description=found.description or "",
        inputs=found.inputs,
        outputs=found.outputs or (),
        metadata=found.metadata or (),
        splits=_memberships(found.splits),
        span_ids=found.span_ids or (),
        example_ids=found.example_ids or (),
        multi_line=multi_line,
    )


def _require_objects(field: str, values: Sequence[msgspec.Raw]) -> None:
    for index, value in enumerate(values):
        if memoryview(value)[0] != _BRACE:
            raise Invalid(f"{field}[{index}] must be an object")


def _memberships(splits: Sequence[str | list[str] | None] | None) -> list[list[str]]:
    """The split names of each example, blank ones left out; none at all when all are null.

    The TypeScript client sends a list of nulls when it means nothing, and Phoenix then wipes every membership.
    """
    if not splits or all(names is None for names in splits):
        return []
    lists = ([names] if isinstance(names, str) else names or [] for names in splits)
    return [[name.strip() for name in names if name.strip()] for names in lists]
