"""Files of the client: read in chunks, written all or nothing, in constant memory."""

import contextlib
import gzip
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from phoenix_grpc.errors import ConfigurationError

CHUNK_BYTES = 512 << 10


class Sink(Protocol):
    """Something that takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Writes all of `data`; returns the number of bytes."""
        ...


def download_format(target: Path) -> str:
    """The format to write, by the name of the file: a file of another name must not contain JSONL.

    Raises:
        ConfigurationError: when the name has a suffix that tells no format.
    """
    suffix = suffix_of(target.name)
    if suffix not in ("", ".jsonl", ".csv"):
        raise ConfigurationError(
            f"{target.name} has a suffix that names no format: "
            "use .jsonl, .csv, .jsonl.gz or .csv.gz, or set the format (format=..., --format)"
        )
    return "csv" if suffix == ".csv" else "jsonl"


def suffix_of(name: str) -> str:
    """The suffix that names the format of a file, in lower case: the last one except .gz."""
    return Path(name.lower().removesuffix(".gz")).suffix


def is_gzip(path: Path) -> bool:
    """Whether the name of a file says that it is compressed."""
    return path.name.lower().endswith(".gz")


def read_chunks(file: Any) -> Iterator[bytes]:
    """The bytes of an open file, in chunks."""
    # An unbuffered file returns what is available, and so does read1: a slow pipe need not fill a chunk first.
    read = getattr(file, "read1", file.read)
    return iter(lambda: read(CHUNK_BYTES), b"")


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Sink]:
    """A new file that replaces `target` if the block succeeds, and is removed if it fails.

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
