"""Request bodies: decompressed, and limited in size and time, before anything else reads them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

from backports import zstd
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from phoenix_grpc.errors import Invalid
from phoenix_grpc.formats.compression import Compression, Decompressor, open_decompressor
from phoenix_grpc.pace import Pace

_PIECE = 256 << 10


class _Identity:
    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def close(self) -> None:
        """A body without compression is complete when it ends."""


class _Zstd:
    """Zstandard of one or more frames (RFC 8878), in pieces of bounded size."""

    def __init__(self) -> None:
        self._stream = zstd.ZstdDecompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._stream.eof:
            self._stream = zstd.ZstdDecompressor()
        while True:
            yield self._stream.decompress(data, _PIECE)
            data = b""
            if self._stream.eof and (data := self._stream.unused_data):
                self._stream = zstd.ZstdDecompressor()
            elif self._stream.eof or self._stream.needs_input:
                return

    def close(self) -> None:
        if not self._stream.eof:
            raise zstd.ZstdError("the body ends too early")


_DECODERS: dict[str, Callable[[], Decompressor]] = {
    "": _Identity,
    "identity": _Identity,
    "gzip": partial(open_decompressor, Compression.GZIP),
    "x-gzip": partial(open_decompressor, Compression.GZIP),
    "zstd": _Zstd,
}


class BoundedBody:
    """Replaces ASGI's `receive`: returns the decompressed body in pieces.

    Arguments:
        limit: bytes that the body may have, compressed or not; more is 413.
        idle_seconds: how long a client may send nothing before its body is complete, and fall behind the slowest
            rate; longer is 408.

    A `Content-Encoding` other than gzip and zstd is 415, a body that does not decompress 422.
    """

    def __init__(self, scope: Scope, receive: Receive, limit: int, idle_seconds: float) -> None:
        self._headers = dict(scope["headers"])
        self._receive = receive
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._pieces = self._decoded()
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            return {"type": "http.request", "body": await anext(self._pieces), "more_body": True}
        except StopAsyncIteration:
            self._complete = True
            return {"type": "http.request", "body": b"", "more_body": False}
        except _Disconnected:
            self._complete = True
            return {"type": "http.disconnect"}

    async def _decoded(self) -> AsyncIterator[bytes]:
        decoder = self._decoder()
        if int(self._headers.get(b"content-length", b"0")) > self._limit:
            raise too_large(self._limit)
        total, data = 0, b""
        try:
            async for data in self._received():
                for piece in decoder.feed(data):
                    total += len(piece)
                    if total > self._limit:
                        raise too_large(self._limit)
                    yield piece
                    await asyncio.sleep(0)  # a body that decompresses to a large size must not block the loop
            if data:
                decoder.close()
        except (Invalid, zstd.ZstdError):
            raise HTTPException(422, "The body does not decompress as its Content-Encoding says.") from None

    def _decoder(self) -> Decompressor:
        encoding = self._headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        if encoding not in _DECODERS:
            headers = {"accept-encoding": "gzip, zstd"}
            raise HTTPException(415, "The Content-Encoding of a body may be gzip or zstd.", headers)
        return _DECODERS[encoding]()

    async def _received(self) -> AsyncIterator[bytes]:
        more, pace = True, Pace(self._idle_seconds)
        while more:
            try:
                async with pace.patience():
                    message = await self._receive()
            except TimeoutError:
                raise HTTPException(408, "The body did not arrive in time.", {"connection": "close"}) from None
            if message["type"] == "http.disconnect":
                raise _Disconnected
            more = message.get("more_body", False)
            body = message.get("body", b"")
            pace.arrived(len(body))
            if body:
                yield body


class _Disconnected(Exception):
    """The client went away."""


def too_large(limit: int) -> HTTPException:
    """The response to a body of more than `limit` bytes."""
    return HTTPException(413, f"The body may have {limit:,} bytes at most, decompressed.")
