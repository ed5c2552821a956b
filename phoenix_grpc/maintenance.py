"""Work off the calls' path: what was gathered in memory is written, what is over is swept in small transactions."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from phoenix_grpc.audit import RefusalRecorder
from phoenix_grpc.authentication import Authenticator
from phoenix_grpc.config import Settings
from phoenix_grpc.errors import Error
from phoenix_grpc.model import now
from phoenix_grpc.store.api_keys import sweep_keys
from phoenix_grpc.store.audit import sweep_events
from phoenix_grpc.store.datasets import sweep_datasets
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.passwords import sweep_login_failures, sweep_password_resets
from phoenix_grpc.store.requests import sweep_requests
from phoenix_grpc.store.sessions import sweep_sessions
from phoenix_grpc.store.uploads import sweep_uploads

BATCH = 1000
REFUSALS_SECONDS = 1.0
KEY_USES_SECONDS = 60.0
SWEEP_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_DAY = 86_400_000_000

log = structlog.get_logger()

Sweep = Callable[[Transaction], int]


def start(
    engine: Engine, settings: Settings, authenticator: Authenticator, refusals: RefusalRecorder
) -> list[asyncio.Task[None]]:
    """Starts the work; the tasks run until they are cancelled."""
    jobs: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
        (REFUSALS_SECONDS, refusals.flush),
        (KEY_USES_SECONDS, authenticator.flush),
        (SWEEP_SECONDS, lambda: sweep(engine, settings)),
    )
    return [asyncio.create_task(_repeat(seconds, job)) for seconds, job in jobs]


async def finish(authenticator: Authenticator, refusals: RefusalRecorder) -> None:
    """Writes what is still in memory."""
    for job in (lambda: refusals.flush(final=True), authenticator.flush):
        await _attempt(job)


async def sweep(engine: Engine, settings: Settings) -> None:
    """Removes all that is over, a batch a transaction, with pauses in which other writes go first."""
    retention = int(settings.audit_retention_days * _DAY)
    sweeps: tuple[Sweep, ...] = (
        lambda tx: sweep_uploads(tx, BATCH),
        lambda tx: sweep_datasets(tx, BATCH),
        lambda tx: sweep_requests(tx, BATCH),
        lambda tx: sweep_sessions(tx, BATCH),
        lambda tx: sweep_login_failures(tx, BATCH),
        lambda tx: sweep_password_resets(tx, BATCH),
        lambda tx: sweep_keys(tx, now() - retention, BATCH),
        lambda tx: sweep_events(tx, now() - retention, BATCH),
    )
    for work in sweeps:
        while await engine.stage(work):
            await asyncio.sleep(_PAUSE_SECONDS)


async def _repeat(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _attempt(job)


async def _attempt(job: Callable[[], Awaitable[None]]) -> None:
    """Runs the job; a store that is away is no reason to stop, since the next round comes."""
    try:
        await job()
    except Error as error:
        log.warning("background work failed", error=error.message, reason=error.reason)
