"""One download: a snapshot of one version, page by page, as chunks of a file."""

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from phoenix_grpc.errors import Invalid
from phoenix_grpc.formats import jsonl_download
from phoenix_grpc.formats.csv_download import CsvTable
from phoenix_grpc.formats.jsonl_download import Splits
from phoenix_grpc.model import Dataset, Row, Split, Version
from phoenix_grpc.services.datasets.messages import dataset_message, split_message, version_message
from phoenix_grpc.services.datasets.open_downloads import Share
from phoenix_grpc.services.datasets.references import dataset_ref, limited
from phoenix_grpc.services.fields import known_enum, optional_id
from phoenix_grpc.store.datasets import examples, splits, versions
from phoenix_grpc.store.datasets.heads import Head, find_head, read_rows_of
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.v1 import datasets_pb2

_PAGE_ROWS = 1000

T = TypeVar("T")

_TEXT = "text/plain; charset=utf-8"

Form = Callable[[Sequence[Row], Splits], str]

_FORMS: dict[int, Form] = {
    datasets_pb2.DOWNLOAD_FORMAT_UNSPECIFIED: jsonl_download.jsonl,
    datasets_pb2.DOWNLOAD_FORMAT_JSONL: jsonl_download.jsonl,
    datasets_pb2.DOWNLOAD_FORMAT_EXAMPLES: jsonl_download.rest_examples,
    datasets_pb2.DOWNLOAD_FORMAT_OPENAI_FT: jsonl_download.openai_ft,
    datasets_pb2.DOWNLOAD_FORMAT_OPENAI_EVALS: jsonl_download.openai_evals,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is downloaded: one version, all of it or the members of some splits.

    Arguments:
        head: what a replica must have.
        after: the example behind which it begins.
        limit: how many examples at most.
    """

    dataset: Dataset
    version: Version
    splits: list[Split]
    head: Head
    after: int = 0
    limit: float = math.inf


def read_snapshot(tx: Transaction, ref: DatasetRef, version_id: int | None, split_names: Sequence[str]) -> Snapshot:
    """The dataset, its version (None: the latest) and the splits.

    Raises:
        NotFound: for any of them.
    """
    dataset = find_dataset(tx, ref)
    version = versions.get_version(tx, dataset, version_id)
    return Snapshot(dataset, version, splits.find_splits(tx, dataset.id, split_names), find_head(tx, ref))


async def download(
    engine: Engine, request: datasets_pb2.DownloadDatasetRequest, share: Share
) -> AsyncGenerator[datasets_pb2.DownloadDatasetResponse, None]:
    """The header, then the bytes of the file.

    Raises:
        Invalid: for a bad field.
        NotFound: for the dataset, the version or a split.
        Aborted: DATASET_DELETED, when the dataset is deleted meanwhile.
    """
    known_enum(request, "format")
    version_id = optional_id("DatasetVersion", request.version_id, "version_id")
    after = optional_id("DatasetExample", request.after_example_id, "after_example_id") or 0
    if request.limit < 0:
        raise Invalid("limit", "must not be negative; 0 means all")
    snapshot = await engine.read(read_snapshot, dataset_ref(request), version_id, limited(request, "splits"))
    snapshot = replace(snapshot, after=after, limit=request.limit or math.inf)
    yield datasets_pb2.DownloadDatasetResponse(header=_header(snapshot, request.format))
    if request.format == datasets_pb2.DOWNLOAD_FORMAT_CSV:
        pages = _csv(engine, snapshot, share)
    else:
        pages = _formed(engine, snapshot, share, _FORMS[request.format])
    async with contextlib.aclosing(pages):
        async for data in pages:
            await share.take(len(data))
            # A page is one chunk, as a rule; far below the 4 MiB a message that clients take unless told otherwise.
            size = 2 * share.page_chars
            for start in range(0, len(data), size):
                yield datasets_pb2.DownloadDatasetResponse(chunk=data[start : start + size])


def _header(snapshot: Snapshot, format: "datasets_pb2.DownloadFormat") -> datasets_pb2.DownloadDatasetHeader:
    is_csv = format == datasets_pb2.DOWNLOAD_FORMAT_CSV
    # A file's name must not lead into another folder.
    stem = snapshot.dataset.name.replace("/", "_").replace("\\", "_")
    return datasets_pb2.DownloadDatasetHeader(
        dataset=dataset_message(snapshot.dataset),
        version=version_message(snapshot.version),
        filename=f"{stem}.{'csv' if is_csv else 'jsonl'}",
        content_type="text/csv" if is_csv else _TEXT,
        splits=[split_message(split) for split in snapshot.splits],
    )


async def _formed(engine: Engine, snapshot: Snapshot, share: Share, form: Form) -> AsyncGenerator[bytes, None]:
    async for data in _pages(engine, snapshot, share, lambda rows, names: form(rows, names).encode()):
        yield data


async def _csv(engine: Engine, snapshot: Snapshot, share: Share) -> AsyncGenerator[bytes, None]:
    table = CsvTable()
    async for _ in _pages(engine, snapshot, share, table.survey):
        pass
    share.examples = 0  # they are read once more
    yield table.header().encode()
    async for data in _pages(engine, snapshot, share, lambda rows, names: table.page(rows, names).encode()):
        yield data


async def _pages(
    engine: Engine, snapshot: Snapshot, share: Share, use: Callable[[Sequence[Row], Splits], T]
) -> AsyncGenerator[T, None]:
    """What `use` makes of each page. The rows themselves are not kept while the client takes it.

    A page takes some ms: `use` runs in a thread, so that the loop goes on.
    """
    after: int | None = snapshot.after
    left = snapshot.limit
    while after is not None and left:
        count = int(min(left, _PAGE_ROWS))
        async with share.reading:
            rows, names, after = await read_rows_of(
                engine, snapshot.head, engine.read_many, _read_page, snapshot, after, count, share.page_chars
            )
            left -= len(rows)
            share.examples += len(rows)
            page = await asyncio.to_thread(use, rows, names) if rows else None
            rows, names = (), {}
        if page is not None:
            yield page
            del page
        # A read may run inline, and so would a long row of pages without a row.
        await asyncio.sleep(0)


def _read_page(
    tx: Transaction, snapshot: Snapshot, after: int, size: int, chars: int
) -> tuple[Sequence[Row], Splits, int | None]:
    dataset_id = snapshot.dataset.id
    split_ids = [split.id for split in snapshot.splits]
    page = examples.read_page(tx, dataset_id, snapshot.version.id, after, size, split_ids, chars)
    page, names = examples.read_splits(tx, dataset_id, page)
    return page.rows, names, page.after
