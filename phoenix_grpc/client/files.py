"""Files on the client's side: read in chunks, written all or nothing, with constant memory."""

import contextlib
import gzip
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from phoenix_grpc.errors import ConfigurationError

CHUNK_BYTES = 512 << 10


class Sink(Protocol):
    """Something that takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Takes all of `data`; answers how many bytes that is."""
        ...


def format_of(path: Path) -> str:
    """The format that a file's name tells: "csv" or "jsonl", with or without .gz."""
    return "csv" if _suffix(path) == ".csv" else "jsonl"


def download_format(target: Path) -> str:
    """As `format_of`, for a file that is to be written: nobody is to find JSONL in a file of another name.

    Raises:
        ConfigurationError: when the name has a suffix that tells no format.
    """
    if _suffix(target) not in ("", ".jsonl", ".csv"):
        raise ConfigurationError(
            f"{target.name} tells no format by its suffix, as .jsonl, .csv, .jsonl.gz and .csv.gz do: "
            "take one of these, or say the format (format=..., --format)"
        )
    return format_of(target)


def _suffix(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def is_gzip(path: Path) -> bool:
    """Whether a file's name tells that it is compressed."""
    return path.name.lower().endswith(".gz")


@contextlib.contextmanager
def chunks_of(source: Path | BinaryIO | Iterable[bytes]) -> Iterator[tuple[Iterator[bytes], int | None]]:
    """The bytes of a file, an open file or chunks, and how many there are in all when that is known.

    Raises:
        OSError: when the file cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            yield _read(file), status.st_size or None  # a pipe has no size
    else:
        yield _read(source) if hasattr(source, "read") else iter(source), None


def _read(file: Any) -> Iterator[bytes]:
    # An unbuffered file hands on what is there, and so does read1: a slow pipe need not fill a chunk first.
    read = getattr(file, "read1", file.read)
    return iter(lambda: read(CHUNK_BYTES), b"")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Sink]:
    """A new file that takes the place of `target` when the block ends well, and is gone when it does not.

    A name that ends in .gz is compressed.

    Raises:
        OSError: when the file cannot be written.
    """
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            if is_gzip(target):
                with gzip.GzipFile(target.name, "wb", fileobj=file, mtime=0) as compressed:
                    yield compressed
            else:
                yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
