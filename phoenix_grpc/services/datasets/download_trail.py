"""What a download leaves in the audit log, where PHOENIX_AUDIT_DOWNLOADS is on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import structlog

from phoenix_grpc import model
from phoenix_grpc.errors import Error
from phoenix_grpc.ids import decode_id
from phoenix_grpc.model import AuditEvent
from phoenix_grpc.services.trail import call_event
from phoenix_grpc.store import audit
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.v1 import datasets_pb2

log = structlog.get_logger()

See = Callable[[datasets_pb2.DownloadDatasetResponse], None]


@contextlib.asynccontextmanager
async def download_recorded(engine: Engine, enabled: bool) -> AsyncIterator[See]:
    """Records a download of this call when the block ends, however it ends; show it each message."""
    seen = _Seen(call_event("dataset.download"))
    try:
        yield seen.see
    finally:
        if enabled and seen.event.dataset_id is not None:
            # A call that is cancelled ends here as well, and what it got is to be known.
            await asyncio.shield(_record(engine, replace(seen.event, created_at=model.now())))


class _Seen:
    """The event of a download, as far as it has come."""

    def __init__(self, event: AuditEvent) -> None:
        self.event = event

    def see(self, message: datasets_pb2.DownloadDatasetResponse) -> None:
        if message.HasField("header"):
            dataset, version = message.header.dataset, message.header.version
            self.event = replace(
                self.event,
                target_id=dataset.dataset_id,
                target_name=dataset.name,
                dataset_id=decode_id("Dataset", dataset.dataset_id, "dataset_id"),
                dataset_name=dataset.name,
                version_id=decode_id("DatasetVersion", version.version_id, "version_id"),
            )
        self.event = replace(self.event, byte_count=self.event.byte_count + len(message.chunk))


async def _record(engine: Engine, event: AuditEvent) -> None:
    """The bytes are sent: a store that fails now ends no call."""
    try:
        await engine.stage(audit.record, [event])
    except Error as error:
        log.warning("download not recorded", request_id=event.request_id, error=error.message, reason=error.reason)
