"""Reads the bytes of an upload: decompresses them, cuts them into records, checks these; in bounded batches."""

import enum
from collections.abc import Iterator
from typing import Protocol

from phoenix_grpc.formats.compression import Compression, open_decompressor
from phoenix_grpc.formats.csv import CsvReader
from phoenix_grpc.formats.jsonl import JsonlReader
from phoenix_grpc.formats.records import IgnoredKeys, Keys
from phoenix_grpc.model import Record


class Format(enum.Enum):
    """The format of an upload."""

    JSONL = enum.auto()
    CSV = enum.auto()


class RecordReader(Protocol):
    """Pieces of a file in, batches of records out; `ignored` collects the keys that were not used."""

    ignored: IgnoredKeys

    @property
    def held(self) -> int:
        """The number of bytes of an incomplete record."""
        ...

    def feed(self, data: bytes) -> Iterator[list[Record]]:
        """The records that `data` completes; iterate to the end before the next call.

        Raises:
            InvalidRecord: when a record is malformed or too long.
        """
        ...

    def close(self) -> Iterator[list[Record]]:
        """The last record, if nothing ended it.

        Raises:
            InvalidRecord: when it is malformed.
        """
        ...


_READERS: dict[Format, type[JsonlReader] | type[CsvReader]] = {Format.JSONL: JsonlReader, Format.CSV: CsvReader}


class UploadReader:
    """The records of an upload. Holds one record and one piece of the file at most, however large the chunks are.

    Arguments:
        max_record_bytes: the longest record, decompressed.
        ignore_ids: ignores the ids of the records.
    """

    def __init__(
        self, format: Format, compression: Compression, keys: Keys, max_record_bytes: int, ignore_ids: bool = False
    ) -> None:
        self._ignore_ids = ignore_ids
        self._decompressor = open_decompressor(compression)
        self._reader: RecordReader = _READERS[format](keys, max_record_bytes)

    @property
    def ignored_keys(self) -> list[str]:
        """Keys of the records that were not used."""
        return self._reader.ignored.names()

    @property
    def held(self) -> int:
        """The number of bytes of an incomplete record."""
        return self._reader.held

    def feed(self, chunk: bytes) -> Iterator[list[Record]]:
        """Batches of the records that `chunk` completes, possibly empty; iterate to the end before the next call.

        Raises:
            Invalid: when the bytes are not what the header says; InvalidRecord, naming the line, for a record.
        """
        for piece in self._decompressor.feed(chunk):
            yield from self._identified(self._reader.feed(piece))

    def close(self) -> Iterator[list[Record]]:
        """The rest, when the stream has ended.

        Raises:
            Invalid: as feed, and when the stream ended early.
        """
        self._decompressor.close()
        yield from self._identified(self._reader.close())

    def _identified(self, batches: Iterator[list[Record]]) -> Iterator[list[Record]]:
        for batch in batches:
            if self._ignore_ids:
                yield [record._replace(external_id=None, example_id=None) for record in batch]
            else:
                yield batch
