"""A file to upload, inspected before it is sent: by its first bytes, whatever its name, as in the console."""

import contextlib
import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from phoenix_grpc.client.beginnings import GZIP, Look, look_into
from phoenix_grpc.client.errors import UnfitFile
from phoenix_grpc.client.files import CHUNK_BYTES, read_chunks, suffix_of
from phoenix_grpc.client.json_arrays import json_lines

Progress = Callable[[int, int | None], None]
_PLAIN = re.compile(r"[\w./+-]+")  # a name that needs no quoting in a command


class DataFile:
    """A file that was inspected.

    Attributes:
        format, compression: of the bytes sent, as in `UploadDatasetHeader`, in lower case. A JSON array is sent as
            JSON Lines, decompressed.
        columns: of a CSV file, or the keys of its first records; empty if compression hides them.
        is_array: whether it is one JSON array; its records have no line numbers.
        is_regular: whether it can be read again from its start.
    """

    def __init__(
        self, file: Any, name: str, size: int | None, format: str, compression: str, *, allow_empty: bool
    ) -> None:
        self.is_regular = size is not None
        self._file = file
        self._size = size
        self._read: list[bytes] = []
        self._rest = read_chunks(file)
        self.compression = compression or ("gzip" if self._first(len(GZIP)) == GZIP else "none")
        look = Look(format or "jsonl", (), False)
        if self.compression != "deflate":
            chunks = chain(tuple(self._read), self._kept())
            pieces = _decompressed(chunks) if self.compression == "gzip" else chunks
            look = look_into(pieces, format, suffix_of(name), allow_empty=allow_empty)
        self.format, self.columns, self.is_array = look
        self._inflated = self.is_array and self.compression == "gzip"
        if self.is_array:
            self.compression = "none"
        if self.is_regular:
            self._read.clear()

    def chunks(self, progress: Progress) -> Iterator[bytes]:
        """The chunks to send.

        Arguments:
            progress: called with the bytes of the file that were read and, when it is known, its size.

        Raises:
            UnfitFile: when a JSON array is broken.
            OSError: when the file cannot be read.
        """
        if self.is_regular:
            self._file.seek(0)
            chunks = read_chunks(self._file)
        else:
            chunks = chain(self._read, self._rest)
        chunks = _counted(chunks, self._size, progress)
        if not self.is_array:
            return chunks
        return json_lines(_decompressed(chunks) if self._inflated else chunks)

    def _first(self, size: int) -> bytes:
        """The first bytes; a slow pipe may deliver them one by one."""
        while sum(map(len, self._read)) < size and (chunk := next(self._rest, None)) is not None:
            self._read.append(chunk)
        return b"".join(self._read)[:size]

    def _kept(self) -> Iterator[bytes]:
        for chunk in self._rest:
            self._read.append(chunk)
            yield chunk


@contextlib.contextmanager
def open_data_file(
    source: str | Path | BinaryIO, format: str = "", compression: str = "", *, allow_empty: bool = False
) -> Iterator[DataFile]:
    """Opens a file to upload and inspects it.

    Arguments:
        source: a path, or an open binary file, which is read from its position.
        format: "csv" or "jsonl"; by default detected.
        compression: "none", "gzip" or "deflate"; by default detected, gzip or none.
        allow_empty: accepts a file without records.

    Raises:
        UnfitFile: when it cannot be uploaded.
        OSError: when it cannot be read.
    """
    with contextlib.ExitStack() as stack:
        name, size = str(source) if isinstance(source, str | Path) else "", None
        if name:
            source = stack.enter_context(Path(name).open("rb", buffering=0))
            status = os.fstat(source.fileno())
            size = status.st_size if stat.S_ISREG(status.st_mode) else None  # a pipe has none
        try:
            file = DataFile(source, name, size, format, compression, allow_empty=allow_empty)
        except UnfitFile as error:
            raise UnfitFile(str(error).replace("FILE", name if _PLAIN.fullmatch(name) else "FILE")) from None
        yield file


def _counted(chunks: Iterable[bytes], size: int | None, progress: Progress) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        progress(done, size)


class _Chunks(io.RawIOBase):
    """Chunks as a file that can be read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._chunks, b"")
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def _decompressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=io.BufferedReader(_Chunks(chunks))) as file:
        try:
            while piece := file.read(CHUNK_BYTES):
                yield piece
        except (zlib.error, EOFError, gzip.BadGzipFile):
            raise UnfitFile("the file is not whole: its gzip compression is broken") from None
