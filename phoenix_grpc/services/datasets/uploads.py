"""One upload: header checked, chunks read and staged while the next ones come, published at the end."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from phoenix_grpc.errors import Error, Invalid, LimitExceeded
from phoenix_grpc.formats.compression import Compression
from phoenix_grpc.formats.reader import Format, UploadReader
from phoenix_grpc.formats.records import Keys
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.guard.capacity import ByteBudget
from phoenix_grpc.model import Record
from phoenix_grpc.pace import SLOWEST, Pace
from phoenix_grpc.services.datasets.messages import dataset_message, version_message
from phoenix_grpc.services.datasets.references import dataset_ref, repeatable
from phoenix_grpc.services.fields import checked_name, known_enum, optional_id, optional_text
from phoenix_grpc.services.trail import Trail, recorded
from phoenix_grpc.store.datasets import in_place, replays, uploads
from phoenix_grpc.store.datasets.in_place import InPlace
from phoenix_grpc.store.datasets.publishing import abandon, publish
from phoenix_grpc.store.datasets.replays import Request
from phoenix_grpc.store.datasets.uploads import Action, Publication, Published
from phoenix_grpc.store.datasets.versions import Counts
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.v1 import datasets_pb2

# What is read at once: enough that a hop to a thread costs nothing beside it.
_BATCH_BYTES = 512 << 10
# A record is held about four times while it is read: as bytes, as their parts, as texts, on its way into the store.
_LARGE_BYTES = 1 << 20
_COPIES = 4
_ALL_LARGE_BYTES = 64 << 20
_PATIENCE_SECONDS = 20.0
# A slow client's bytes are not held back longer: staging them extends the lease of the upload.
_BATCH_SECONDS = 60.0

_ACTIONS: dict[int, Action] = {
    datasets_pb2.UPLOAD_ACTION_CREATE: "CREATE",
    datasets_pb2.UPLOAD_ACTION_APPEND: "APPEND",
    datasets_pb2.UPLOAD_ACTION_UPDATE: "UPDATE",
}
_FORMATS = {
    datasets_pb2.UPLOAD_FORMAT_UNSPECIFIED: Format.JSONL,
    datasets_pb2.UPLOAD_FORMAT_JSONL: Format.JSONL,
    datasets_pb2.UPLOAD_FORMAT_CSV: Format.CSV,
}
_COMPRESSIONS = {
    datasets_pb2.COMPRESSION_UNSPECIFIED: Compression.NONE,
    datasets_pb2.COMPRESSION_NONE: Compression.NONE,
    datasets_pb2.COMPRESSION_GZIP: Compression.GZIP,
    datasets_pb2.COMPRESSION_DEFLATE: Compression.DEFLATE,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the header of an upload asks for, checked.

    Arguments:
        request: for an upload with a request_id; its digest is that of the header alone.
    """

    publication: Publication
    format: Format
    compression: Compression
    keys: Keys
    request: Request | None


def read_header(header: datasets_pb2.UploadDatasetHeader) -> Plan:
    """The plan of an upload.

    Raises:
        Invalid: naming the field of the header.
    """
    publication = _publication(header)
    known_enum(header, "format")
    known_enum(header, "compression")
    if header.format not in _FORMATS:
        raise Invalid("format", "not supported yet; send UPLOAD_FORMAT_JSONL or UPLOAD_FORMAT_CSV")
    keys = Keys(
        tuple(header.input_keys),
        tuple(header.output_keys),
        tuple(header.metadata_keys),
        tuple(header.split_keys),
        frozenset(header.flatten_keys),
        header.example_id_key,
        header.span_id_key,
        header.allow_missing_keys,
    )
    keys.validate()
    return Plan(
        publication,
        _FORMATS[header.format],
        _COMPRESSIONS[header.compression],
        keys,
        repeatable(header),
    )


def _publication(header: datasets_pb2.UploadDatasetHeader) -> Publication:
    name = dataset_ref(header)
    if name.name is not None:
        checked_name(name.name, "name")
    known_enum(header, "action")
    if header.action == datasets_pb2.UPLOAD_ACTION_UNSPECIFIED:
        raise Invalid("action", "is required: UPLOAD_ACTION_CREATE, UPLOAD_ACTION_APPEND or UPLOAD_ACTION_UPDATE")
    return Publication(
        name,
        _ACTIONS[header.action],
        author=current_call.get().principal.user_id,
        description=optional_text(header, "description"),
        version_description=optional_text(header, "version_description"),
        base_version_id=optional_id("DatasetVersion", header.base_version_id, "base_version_id"),
        validate_only=header.validate_only,
        allow_empty=header.allow_empty,
        all_new=header.ignore_ids,
    )


async def next_message(messages: AsyncIterator[Any], pace: Pace) -> Any:
    """The next message of a stream, or None at its end.

    Raises:
        LimitExceeded: when none comes in time.
    """
    try:
        async with pace.patience():
            return await anext(messages, None)
    except TimeoutError:
        raise LimitExceeded(
            f"the upload sent nothing, or was behind {SLOWEST:,} bytes a second, for {pace.seconds:g} seconds"
            " (PHOENIX_UPLOAD_IDLE_SECONDS); nothing was kept"
        ) from None


async def read_chunks(messages: AsyncIterator[Any], pace: Pace) -> AsyncIterator[bytes]:
    """The bytes of the chunks, gathered into pieces worth a hop to a thread.

    Raises:
        Invalid: when a message is no chunk.
        LimitExceeded: as next_message.
    """
    parts: list[bytes] = []
    size, since = 0, time.monotonic()
    while (message := await next_message(messages, pace)) is not None:
        if message.WhichOneof("payload") != "chunk":
            raise Invalid("payload", "after the header, every message must be a chunk")
        chunk = message.chunk
        pace.arrived(len(chunk))
        parts.append(chunk)
        size += len(chunk)
        if size >= _BATCH_BYTES or time.monotonic() - since > _BATCH_SECONDS:
            yield b"".join(parts)
            parts, size, since = [], 0, time.monotonic()
    if parts:
        yield b"".join(parts)


def large_records(max_record_bytes: int) -> ByteBudget:
    """The memory for records of more than 1 MiB, of all uploads together: room for one of the longest at least."""
    limit = max(_ALL_LARGE_BYTES, _COPIES * (max_record_bytes + _LARGE_BYTES))
    # Who waits holds one copy of what it waits for at most.
    return ByteBudget(limit, _PATIENCE_SECONDS, queue=_COPIES * limit)


class Upload:
    """An upload on its way into the store. Use it as a context: when the block fails, what was staged is dropped.

    Arguments:
        max_record_bytes: the longest record, decompressed.
        large: the memory for large records of all uploads, as `large_records` makes it.
    """

    def __init__(self, engine: Engine, plan: Plan, max_record_bytes: int, large: ByteBudget) -> None:
        self._engine = engine
        self._plan = plan
        self._max_record_bytes = max_record_bytes
        self._hold = large.hold()
        self._reader = UploadReader(
            plan.format, plan.compression, plan.keys, max_record_bytes, ignore_ids=plan.publication.all_new
        )
        self._digest = hashlib.sha256(plan.request.digest if plan.request else b"")
        self._upload_id = 0
        self._count = 0
        self._in_place: InPlace | None = None
        self._staging: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Upload":
        self._upload_id, self._in_place = await self._engine.stage(_begin, self._plan.publication)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._hold:
            if kind is not None:
                await asyncio.shield(self._give_up())

    async def feed(self, chunk: bytes) -> None:
        """Reads a chunk, in a thread, and stages its records while the next ones are read.

        Raises:
            Invalid: when the bytes are not what the header says.
            LimitExceeded: when large records of others hold so much memory that there is no room in time.
        """
        if self._plan.request is not None:
            await asyncio.to_thread(self._digest.update, chunk)
        await self._stage_all(self._reader.feed(chunk))

    async def publish(self) -> datasets_pb2.UploadDatasetResponse:
        """Ends the upload: all of it is durable and visible, or none.

        Raises:
            Error: as uploads.publish and replays.once.
        """
        await self._stage_all(self._reader.close())
        await self._settle()
        request = self._plan.request and replace(self._plan.request, digest=self._digest.digest())
        response = await self._engine.read(replays.first_response, request)
        if response is None:
            response = await publish(
                self._engine,
                self._upload_id,
                self._plan.publication,
                lambda finish: self._end(request, finish),
                self._in_place,
            )
        await self._discard()
        return datasets_pb2.UploadDatasetResponse.FromString(response)

    async def _stage_all(self, batches: Iterator[list[Record]]) -> None:
        while (records := await asyncio.to_thread(next, batches, None)) is not None:
            await self._settle()
            if records:
                self._staging = asyncio.ensure_future(self._write(self._count + 1, records))
                self._count += len(records)
            await self._make_room(self._reader.held)

    async def _write(self, first_ordinal: int, records: list[Record]) -> None:
        if self._in_place is not None:
            await in_place.write(self._engine, self._in_place, records)
        else:
            await self._engine.stage(uploads.stage_records, self._upload_id, first_ordinal, records)

    async def _make_room(self, size: int) -> None:
        """Holds what a record will take of which `size` bytes have come."""
        if size <= _LARGE_BYTES:
            if self._hold.size:
                await self._settle()
                self._hold.shrink(0)
        elif _COPIES * size > self._hold.size:
            # For twice as much, so that it is seldom asked; and none who waits keeps what another waits for.
            self._hold.shrink(0)
            try:
                await self._hold.grow(_COPIES * min(2 * size, self._max_record_bytes + _LARGE_BYTES))
            except LimitExceeded:
                text = "uploads of large records hold as much memory as they may; try again"
                raise LimitExceeded(text, retry_after=_PATIENCE_SECONDS) from None

    async def _settle(self) -> None:
        """Waits until what was read is staged: one batch at most is under way."""
        if self._staging is not None:
            staging, self._staging = self._staging, None
            await staging

    async def _give_up(self) -> None:
        await self._discard()
        if self._in_place is not None:
            await abandon(self._engine, self._upload_id)

    async def _discard(self) -> None:
        if self._staging is not None:
            await asyncio.gather(self._staging, return_exceptions=True)
        # A store that fails now is what ended the upload, or the end of its lease sweeps it.
        with contextlib.suppress(Error):
            await self._engine.stage(uploads.discard_upload, self._upload_id)

    async def _end(self, request: Request | None, finish: Callable[[Transaction], Published]) -> bytes:
        """Makes the upload visible, with its trail and the record of its request; or returns the first response."""
        return await recorded(
            self._engine, lambda tx, trail: replays.once(tx, request, lambda tx: self._published(finish(tx), trail))
        )

    def _published(self, published: Published, trail: Trail) -> bytes:
        if not self._plan.publication.validate_only:
            _note(trail, published)
        return self._response(published).SerializeToString()

    def _response(self, published: Published) -> datasets_pb2.UploadDatasetResponse:
        return datasets_pb2.UploadDatasetResponse(
            dataset=dataset_message(published.dataset),
            version=version_message(published.version) if published.version else None,
            created_count=published.created,
            updated_count=published.updated,
            deleted_count=published.deleted,
            record_count=self._count,
            ignored_keys=self._reader.ignored_keys,
        )


def _begin(tx: Transaction, publication: Publication) -> tuple[int, InPlace | None]:
    """Begins an upload; what it writes goes to its place at once if the dataset is a new one."""
    upload_id = uploads.begin_upload(tx)
    return upload_id, in_place.begin(tx, upload_id, publication)


def _note(trail: Trail, published: Published) -> None:
    """Notes what a publication did."""
    assert published.version is not None  # noqa: S101 - it was written, so there is one
    if published.is_new:
        trail.add("dataset.create", dataset=published.dataset, version_id=published.version.id)
    counts = Counts(published.created, published.updated, published.deleted)
    trail.add_examples("dataset.upload", published.dataset, published.version, counts)
