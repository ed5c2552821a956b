"""Sends an upload: its header, its chunks, and the errors of both sides."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from phoenix_grpc.client.columns import KEY_FIELDS, guess_mapping
from phoenix_grpc.client.data_files import DataFile, Progress
from phoenix_grpc.client.errors import PhoenixError
from phoenix_grpc.v1 import datasets_pb2


class _SourceFailed(Exception):
    """Ends a call from within its requests; why, its caller is told."""


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], _SourceFailed))


# gRPC logs what requests raise, with a traceback, to whatever logging the program has set up.
logging.getLogger("grpc._channel").addFilter(_is_news)


def upload_header(source: object, name: str, action: str, fields: dict[str, Any]) -> datasets_pb2.UploadDatasetHeader:
    """The header of an upload; what is not given is detected from the file."""
    if isinstance(source, DataFile):
        mapping = {} if any(fields.get(field) for field in KEY_FIELDS) else guess_mapping(source.columns)
        fields = {**fields, **mapping, "format": source.format, "compression": source.compression}
    return datasets_pb2.UploadDatasetHeader(
        name=name,
        action=f"UPLOAD_ACTION_{action.upper()}",
        format=f"UPLOAD_FORMAT_{(fields.pop('format', '') or 'jsonl').upper()}",
        compression=f"COMPRESSION_{(fields.pop('compression', '') or 'none').upper()}",
        **fields,
    )


def send(
    method: Callable[..., Any],
    header: datasets_pb2.UploadDatasetHeader,
    chunks: Callable[[Progress], Iterator[bytes]],
    progress: Progress,
    timeout: float | None,
) -> datasets_pb2.UploadDatasetResponse:
    """Calls UploadDataset.

    Arguments:
        chunks: given a progress to call, the bytes to send.

    Raises:
        PhoenixError: when the server refuses it; what `chunks` raises when they fail.
    """
    failures: list[Exception] = []
    read = 0

    def count(done: int, total: int | None) -> None:
        nonlocal read
        read = done
        if done != total:  # all is read then, but not sent
            progress(done, total)

    def requests() -> Iterator[datasets_pb2.UploadDatasetRequest]:
        try:
            yield datasets_pb2.UploadDatasetRequest(header=header)
            for chunk in chunks(count):
                yield datasets_pb2.UploadDatasetRequest(chunk=chunk)
            progress(read, read)
        except Exception as error:
            failures.append(error)
            # So that gRPC cancels the call: an end would be taken for the end of the file.
            raise _SourceFailed from None

    try:
        response: datasets_pb2.UploadDatasetResponse = method(requests(), timeout=timeout)
    except PhoenixError:
        if failures:
            raise failures[0] from None
        raise
    return response


def naming_records(error: PhoenixError) -> PhoenixError:
    """The error of an array's upload, of which the server saw one line per record."""
    error.message = re.sub(r"\bline (\d+)(, column \d+)?", r"record \1", error.message)
    return error


def counted(chunks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    """The chunks; reports the number of bytes as they are sent."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        progress(done, None)
