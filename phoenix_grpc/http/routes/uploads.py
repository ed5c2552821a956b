"""Uploads: a JSON document or a file of a form becomes the gRPC upload stream."""

import asyncio
import errno
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any

from fastapi import Query
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from phoenix_grpc.http.backend import Door
from phoenix_grpc.http.errors import Invalid, Refused
from phoenix_grpc.http.json_uploads import CHUNK, Document, naming_element
from phoenix_grpc.http.responses import json_answer
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import examples
from phoenix_grpc.v1 import datasets_pb2

router = Resource("datasets", "/v1/datasets")

_ACTIONS = {
    "create": datasets_pb2.UPLOAD_ACTION_CREATE,
    "append": datasets_pb2.UPLOAD_ACTION_APPEND,
    "update": datasets_pb2.UPLOAD_ACTION_UPDATE,
}
_FORMATS = {
    "text/csv": datasets_pb2.UPLOAD_FORMAT_CSV,
    "application/jsonl": datasets_pb2.UPLOAD_FORMAT_JSONL,
}
_COMPRESSIONS = {
    "": datasets_pb2.COMPRESSION_NONE,
    "none": datasets_pb2.COMPRESSION_NONE,
    "identity": datasets_pb2.COMPRESSION_NONE,
    "gzip": datasets_pb2.COMPRESSION_GZIP,
    "deflate": datasets_pb2.COMPRESSION_DEFLATE,
}
_CHARSETS = (b"utf-8", b"utf8")
_KEY_LISTS = ("input_keys", "output_keys", "metadata_keys", "split_keys", "flatten_keys")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": examples.JsonUpload.model_json_schema()},
            "multipart/form-data": {"schema": examples.FileUpload.model_json_schema()},
        },
    }
}

Upload = AsyncIterator[datasets_pb2.UploadDatasetRequest]


@router.rpc(
    "POST",
    "/upload",
    "UploadDataset",
    examples.UploadAnswer | None,
    body_limit=lambda settings: settings.http_max_upload_bytes,
    openapi_extra=_BODY,
)
async def upload_dataset(
    door: Door,
    sync: Annotated[bool, Query(description="Whether to return the result of the upload; else null.")] = False,
) -> Response:
    """Uploads examples, as JSON or as a CSV or JSONL file in a form; the response follows when everything is stored."""
    await door.check_access("UploadDataset")
    media_type = door.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type:
        raise Invalid("The Content-Type is missing: application/json or multipart/form-data.", 400)
    upload = _UPLOADS.get(media_type)
    if upload is None:
        raise Invalid(f"The Content-Type must be application/json or multipart/form-data, it is {media_type[:100]}.")
    try:
        response = await upload(door)
    except OSError as error:  # of the files that bodies wait in
        if error.errno != errno.ENOSPC:
            raise
        raise Refused(507, "the server's storage is full") from None
    return json_answer({"data": _uploaded_json(response)} if sync else None)


async def _upload_document(door: Door) -> Any:
    """The response to the upload that a JSON document asks for."""
    limit, longest = door.settings.http_max_json_bytes, door.settings.max_record_bytes
    with door.backend.budget.hold() as hold, Document(limit, longest, hold, door.backend.turn) as document:
        await document.read(door.stream())
        header = datasets_pb2.UploadDatasetHeader(
            name=document.name,
            action=_action(document.action),
            description=document.description,
            format=datasets_pb2.UPLOAD_FORMAT_JSONL,
            allow_empty=document.empty,
        )
        try:
            return await _while_connected(door, door.upload(_messages(header, document.lines())))
        except Refused as refused:
            raise naming_element(refused) from None


async def _upload_form(door: Door) -> Any:
    """The response to the upload that a form asks for; fields may follow the file, which waits on disk."""
    _, options = parse_options_header(door.headers["content-type"])
    if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        # Others decode to what is no Unicode, and fail in ways of their own; RFC 7578 has none at all.
        raise Invalid("The charset of a form must be UTF-8.")
    async with door.form() as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid('A part named "file", with a file name, is required.')
        messages = _messages(_form_header(form, file), _chunks(file))
        return await _while_connected(door, door.upload(messages))


_UPLOADS = {"application/json": _upload_document, "multipart/form-data": _upload_form}


async def _while_connected(request: Request, upload: Coroutine[Any, Any, Any]) -> Any:
    """The result of `upload`, which is cancelled if the connection ends.

    Raises:
        ClientDisconnect: when the client went first; the upload is published already, or never will be.
    """
    work = asyncio.ensure_future(upload)
    gone = asyncio.ensure_future(_disconnection(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientDisconnect
        return work.result()
    finally:
        gone.cancel()
        work.cancel()
        # Until it has ended it may read the form's file, which is closed next.
        await asyncio.wait((work,))
        # An error holds this frame, and would hold itself by its task: what was read would wait for the collector.
        del work, gone


async def _disconnection(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _form_header(form: FormData, file: UploadFile) -> datasets_pb2.UploadDatasetHeader:
    media_type = (file.content_type or "").partition(";")[0].strip().lower()
    if media_type not in _FORMATS:
        raise Invalid(f"The file's Content-Type must be text/csv or application/jsonl, it is {media_type[:100]!r}.")
    encoding = file.headers.get("content-encoding", "").strip().lower()
    if encoding not in _COMPRESSIONS:
        raise Invalid(f"The file's Content-Encoding may be gzip or deflate, it is {encoding[:100]!r}.")
    keys = {name: _texts(form, f"{name}[]") for name in _KEY_LISTS}
    if split_key := _text(form, "split_key"):
        if keys["split_keys"]:
            raise Invalid("Give split_key or split_keys[], not both.")
        keys["split_keys"] = [split_key]
    return datasets_pb2.UploadDatasetHeader(
        name=_text(form, "name"),
        action=_action(_text(form, "action") or "create"),
        description=_text(form, "description") or file.filename or "",
        format=_FORMATS[media_type],
        compression=_COMPRESSIONS[encoding],
        example_id_key=_text(form, "example_id_key"),
        span_id_key=_text(form, "span_id_key"),
        allow_missing_keys=True,  # as Phoenix does
        **keys,  # type: ignore[arg-type]
    )


def _texts(form: FormData, field: str) -> list[str]:
    """The values of a field that may be given several times."""
    values = [value for value in form.getlist(field) if isinstance(value, str)]
    if len(values) < len(form.getlist(field)):
        raise Invalid(f"{field} must be text, not a file.")
    return values


def _text(form: FormData, field: str) -> str:
    """The value of a field, empty when it is absent."""
    return next(reversed(_texts(form, field)), "")


def _action(name: str) -> "datasets_pb2.UploadAction":
    action = _ACTIONS.get(name.strip().lower())
    if action is None:
        # Both official clients look for this phrase, and then retry as the oldest servers want it.
        raise Invalid(f"Invalid dataset action: {name[:100]}; it is one of {', '.join(_ACTIONS)}")
    return action


async def _messages(header: datasets_pb2.UploadDatasetHeader, chunks: AsyncIterator[bytes]) -> Upload:
    yield datasets_pb2.UploadDatasetRequest(header=header)
    async for chunk in chunks:
        yield datasets_pb2.UploadDatasetRequest(chunk=chunk)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(CHUNK):
        yield chunk


def _uploaded_json(response: Any) -> dict[str, Any]:
    return {
        "dataset_id": response.dataset.dataset_id,
        "version_id": response.version.version_id,
        "num_created_examples": response.created_count,
        "num_updated_examples": response.updated_count,
        "num_deleted_examples": response.deleted_count,
    }
