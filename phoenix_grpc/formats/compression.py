"""Decompresses a stream in bounded pieces, so that a small chunk of gigabytes (a zip bomb) costs no memory."""

import enum
import zlib
from collections.abc import Iterator
from typing import Protocol

from phoenix_grpc.errors import Invalid

PIECE_BYTES = 512 << 10
_GZIP_MAGIC = b"\x1f\x8b"


class Compression(enum.Enum):
    """The compression of a file; errors show its value."""

    NONE = "none"
    GZIP = "gzip"  # RFC 1952, of one or more members
    DEFLATE = "deflate"  # zlib (RFC 1950), what HTTP calls deflate


class Decompressor(Protocol):
    """Compressed chunks in, pieces of the file out."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces, of PIECE_BYTES at most, that `data` holds; iterate to the end before the next call.

        Raises:
            Invalid: when the data is damaged.
        """
        ...

    def close(self) -> None:
        """Ends the stream.

        Raises:
            Invalid: when it ended early.
        """
        ...


def open_decompressor(compression: Compression) -> Decompressor:
    """A decompressor at the beginning of a stream."""
    return _Plain() if compression is Compression.NONE else _Zlib(compression)


class _Plain:
    def __init__(self) -> None:
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._started and data.startswith(_GZIP_MAGIC):
            raise Invalid("compression", "the bytes are gzip; set COMPRESSION_GZIP")
        self._started = True
        for start in range(0, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]

    def close(self) -> None:
        """Bytes that are not compressed may end anywhere."""


class _Zlib:
    def __init__(self, compression: Compression) -> None:
        self._compression = compression
        self._window = zlib.MAX_WBITS + 16 if compression is Compression.GZIP else zlib.MAX_WBITS
        self._stream = zlib.decompressobj(self._window)
        self._inside = False  # a member of the stream

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            self._begin_member()
            piece = self._decompress(data)
            while piece:
                yield piece
                # A full piece may leave output behind that needs no more input.
                piece = self._decompress(self._stream.unconsumed_tail) if len(piece) == PIECE_BYTES else b""
            data = self._stream.unused_data if self._stream.eof else b""

    def close(self) -> None:
        if self._inside and not self._stream.eof:
            raise Invalid("chunk", f"truncated {self._compression.value}: the stream ended too early")

    def _begin_member(self) -> None:
        if self._inside and self._stream.eof:
            if self._compression is not Compression.GZIP:
                raise Invalid("chunk", f"bytes after the end of the {self._compression.value} data")
            self._stream = zlib.decompressobj(self._window)
        self._inside = True

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._stream.decompress(data, PIECE_BYTES)
        except zlib.error as error:
            raise Invalid("chunk", f"not valid {self._compression.value} data: {error}") from None
