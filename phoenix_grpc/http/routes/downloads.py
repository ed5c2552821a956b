"""Downloads: the server's lines are passed through as they come, never parsed."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import structlog
from fastapi import Query
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from phoenix_grpc.errors import Error, Reason
from phoenix_grpc.http import schemas
from phoenix_grpc.http.backend import Door, Download
from phoenix_grpc.http.errors import Invalid, Refused
from phoenix_grpc.http.routes.datasets import refuse_other_types
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import examples
from phoenix_grpc.v1 import datasets_pb2

router = Resource("datasets", "/v1/datasets")

_PAGE_BYTES = 3_000_000
_MAX_LIMIT = 2**31 - 2

VersionId = Annotated[str | None, Query(description="The version; the latest when absent.")]

log = structlog.get_logger()


class LineStream(StreamingResponse):
    """The chunks of a download. If it breaks off, so does the connection, so that nobody takes it as complete."""

    def __init__(self, download: Download, chunks: AsyncIterator[bytes], headers: Mapping[str, str]) -> None:
        super().__init__(chunks, headers=headers)
        self._download = download

    async def stream_response(self, send: Send) -> None:
        """Sends the chunks; the end is missing if the download broke off."""
        try:
            await super().stream_response(send)
        except Error as error:
            log.warning("download broke off", reason=error.reason, error=error.message)
        finally:
            await self._download.end()


@router.rpc("GET", "/{id}/examples", "DownloadDataset", examples.ExamplesAnswer)
async def get_examples(
    door: Door,
    id: str,
    version_id: VersionId = None,
    split: Annotated[
        list[str] | None, Query(description="Only examples in one of these splits, by id or name.")
    ] = None,
    limit: Annotated[int | None, Query(gt=0, description="A page of so many at most.")] = None,
    cursor: schemas.Cursor = None,
) -> Response:
    """Returns the examples of a version: all of them, or a page if `limit` or `cursor` is given."""
    refuse_other_types(id, "Dataset")
    refuse_other_types(version_id or "", "DatasetVersion")
    splits = [name.strip() for name in split or ()]
    if not all(splits):
        raise Invalid("split must not be empty")
    request = datasets_pb2.DownloadDatasetRequest(
        dataset_id=id,
        version_id=version_id or "",
        splits=splits,
        format=datasets_pb2.DOWNLOAD_FORMAT_EXAMPLES,
    )
    if limit is not None or cursor:
        return await _page(door, request, limit or 100, cursor)
    download = await door.download(request)
    return LineStream(download, _document(download), {"content-type": "application/json"})


async def _document(download: Download) -> AsyncIterator[bytes]:
    """The lines, joined into the JSON document. A line holds no line feed, so each one is a border."""
    yield _opening(download.header)
    border = b""
    async for chunk in download.chunks():
        ended = chunk.endswith(b"\n")
        lines = chunk.replace(b"\n", b",")
        yield border + (lines[:-1] if ended else lines)
        border = b"," if ended else b""
    yield b"]}}"


def _opening(header: Any) -> bytes:
    """The JSON document up to the first example."""
    data = {
        "dataset_id": header.dataset.dataset_id,
        "version_id": header.version.version_id,
        "filtered_splits": list({split.split_id: split.name for split in header.splits}.values()),
        "examples": [],
    }
    return msgspec.json.encode({"data": data})[: -len(b"]}}")]


async def _page(door: Door, request: datasets_pb2.DownloadDatasetRequest, limit: int, cursor: str | None) -> Response:
    """A page of examples; the cursor keeps the version of the first page."""
    if cursor:
        version_id, _, request.after_example_id = cursor.partition(".")
        if request.version_id not in ("", version_id) or not request.after_example_id:
            raise Invalid("Invalid cursor: it is not one of this list")
        request.version_id = version_id
    request.limit = min(limit, _MAX_LIMIT) + 1
    download = await door.download(request)
    try:
        lines, more = await _lines(download, limit)
    except Error:
        raise Refused(503, "the download broke off") from None
    finally:
        await download.end()
    last = msgspec.json.decode(lines[-1], type=_Identified).node_id if more else ""
    next_cursor = f'"{download.header.version.version_id}.{last}"'.encode() if more else b"null"
    body = b"".join((_opening(download.header), b",".join(lines), b']},"next_cursor":', next_cursor, b"}"))
    return Response(body, media_type="application/json")


class _Identified(msgspec.Struct):
    node_id: str


async def _lines(download: Download, limit: int) -> tuple[list[bytes], bool]:
    """Up to `limit` lines within the bytes of a page, and whether more follow."""
    lines: list[bytes] = []
    size, rest = 0, b""
    async for chunk in download.chunks():
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            if lines and (len(lines) == limit or size > _PAGE_BYTES):
                return lines, True
            lines.append(line)
            size += len(line)
    return lines, False


async def _send_file(door: Door, id: str, version_id: str | None, format: int, media_type: str) -> Response:
    """A download as a file; a missing dataset is 422 here, as in Phoenix."""
    request = datasets_pb2.DownloadDatasetRequest(dataset_id=id, version_id=version_id or "", format=format)  # type: ignore[arg-type]
    try:
        download = await door.download(request)
    except Refused as refused:
        if refused.reason == Reason.DATASET_NOT_FOUND:
            refused.status = 422
        raise
    filename = quote(download.header.filename)
    headers = {"content-type": media_type, "content-disposition": f"attachment; filename*=UTF-8''{filename}"}
    return LineStream(download, download.chunks(), headers)


def _file(media_type: str) -> dict[str, Any]:
    answer = {"description": "The file.", "content": {media_type: {"schema": {"type": "string"}}}}
    return {"response_class": Response, "responses": {200: answer}}


@router.rpc("GET", "/{id}/csv", "DownloadDataset", **_file("text/csv"))
async def get_csv(door: Door, id: str, version_id: VersionId = None) -> Response:
    """Returns the examples as CSV, flattened with dots."""
    return await _send_file(door, id, version_id, datasets_pb2.DOWNLOAD_FORMAT_CSV, "text/csv")


@router.rpc("GET", "/{id}/jsonl", "DownloadDataset", **_file("text/plain"))
async def get_jsonl(door: Door, id: str, version_id: VersionId = None) -> Response:
    """Returns the examples as JSONL."""
    return await _jsonl(door, id, version_id, datasets_pb2.DOWNLOAD_FORMAT_JSONL)


@router.rpc("GET", "/{id}/jsonl/openai_ft", "DownloadDataset", **_file("text/plain"))
async def get_openai_ft(door: Door, id: str, version_id: VersionId = None) -> Response:
    """Returns the examples as an OpenAI fine-tuning file."""
    return await _jsonl(door, id, version_id, datasets_pb2.DOWNLOAD_FORMAT_OPENAI_FT)


@router.rpc("GET", "/{id}/jsonl/openai_evals", "DownloadDataset", **_file("text/plain"))
async def get_openai_evals(door: Door, id: str, version_id: VersionId = None) -> Response:
    """Returns the examples as an OpenAI evals file."""
    return await _jsonl(door, id, version_id, datasets_pb2.DOWNLOAD_FORMAT_OPENAI_EVALS)


async def _jsonl(door: Door, id: str, version_id: str | None, format: int) -> Response:
    return await _send_file(door, id, version_id, format, "text/plain; charset=utf-8")
