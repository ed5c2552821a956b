"""What the tests of the readers share: whole files in, records out."""

import json
from typing import Any

import pytest

from phoenix_grpc.errors import Invalid
from phoenix_grpc.formats.compression import Compression
from phoenix_grpc.formats.reader import Format, UploadReader
from phoenix_grpc.formats.records import Keys
from phoenix_grpc.model import Record


def read(
    data: bytes,
    format: Format = Format.JSONL,
    keys: Keys | None = None,
    *,
    compression: Compression = Compression.NONE,
    step: int = 1 << 30,
    limit: int = 1 << 20,
) -> list[Record]:
    """The records of a file that comes in chunks of `step` bytes."""
    reader = UploadReader(format, compression, keys or Keys(), limit)
    records = [
        record
        for start in range(0, len(data), step)
        for batch in reader.feed(data[start : start + step])
        for record in batch
    ]
    return [*records, *(record for batch in reader.close() for record in batch)]


def refusal(data: bytes, *args: Any, **kwargs: Any) -> Invalid:
    """Why a file is refused."""
    with pytest.raises(Invalid) as caught:
        read(data, *args, **kwargs)
    return caught.value


def contents(record: Record) -> tuple[Any, Any, Any]:
    """Input, output and metadata as values."""
    return json.loads(record.input), json.loads(record.output), json.loads(record.metadata)
