"""Work off the calls' path: writes what was gathered in memory, and sweeps what has ended, in small transactions."""

import asyncio
import contextlib
import ctypes
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from phoenix_grpc.beside import beside
from phoenix_grpc.config import Settings
from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.errors import Error, StoreFull, Unavailable
from phoenix_grpc.guard.authentication import Authenticator
from phoenix_grpc.guard.refusals import RefusalRecorder
from phoenix_grpc.model import now
from phoenix_grpc.server.audit_streams import audit_streams
from phoenix_grpc.server.key_expiry import send_notices
from phoenix_grpc.services.auth.mail import Mailer
from phoenix_grpc.store import audit_chain
from phoenix_grpc.store.accounts.api_keys import sweep_keys
from phoenix_grpc.store.accounts.passwords import sweep_login_failures, sweep_password_resets
from phoenix_grpc.store.accounts.sessions import sweep_sessions
from phoenix_grpc.store.datasets import claims
from phoenix_grpc.store.datasets.datasets import sweep_datasets
from phoenix_grpc.store.datasets.replays import sweep_requests
from phoenix_grpc.store.datasets.splits import sweep_memberships
from phoenix_grpc.store.datasets.uploads import sweep_uploads
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.revision import sweep_changes

BATCH = 5000
REFUSALS_SECONDS = 1.0
SEAL_SECONDS = 0.5
AUDIT_STREAM_SECONDS = 1.0
KEY_USES_SECONDS = 60.0
SWEEP_SECONDS = 30.0
MEMORY_SECONDS = 30.0
NOTICES_SECONDS = 600.0
_PAUSE_SECONDS = 0.05
_DAY = 86_400_000_000

log = structlog.get_logger()

Sweep = Callable[[Transaction, int], int]


@contextlib.asynccontextmanager
async def running(
    engine: Engine,
    settings: Settings,
    authenticator: Authenticator,
    refusals: RefusalRecorder,
    ring: KeyRing,
    maintains: bool = True,
) -> AsyncIterator[None]:
    """Does the work until the block ends, and then writes what is left in memory.

    Arguments:
        ring: signs the marks of the audit log.
        maintains: whether this process sweeps and sends notices; another one may do that for all.
    """
    mailer = Mailer(settings)
    jobs: tuple[tuple[float, Callable[[], Awaitable[None]]], ...] = (
        (REFUSALS_SECONDS, refusals.flush),
        (SEAL_SECONDS, lambda: seal(engine, ring.sign)),
        (KEY_USES_SECONDS, authenticator.flush),
        (MEMORY_SECONDS, lambda: asyncio.to_thread(return_memory)),
    )
    if maintains:
        jobs += (
            (SWEEP_SECONDS, lambda: sweep(engine, settings, ring.sign)),
            (NOTICES_SECONDS, lambda: send_notices(engine, settings, mailer)),
        )
        jobs += tuple((AUDIT_STREAM_SECONDS, stream.follow) for stream in audit_streams(engine, settings))
    try:
        async with beside(*(_repeat(seconds, job) for seconds, job in jobs)):
            yield
    finally:
        await _attempt(lambda: refusals.flush(final=True))
        await _attempt(authenticator.flush)
        await _attempt(lambda: seal(engine, ring.sign))


async def seal(engine: Engine, sign: audit_chain.Sign) -> None:
    """Seals the events of the audit log that are not, unless the store is away: that is reported elsewhere."""
    with contextlib.suppress(Unavailable, StoreFull):
        while await engine.read(audit_chain.has_unsealed):
            await engine.stage(audit_chain.seal, sign)


async def sweep(engine: Engine, settings: Settings, sign: audit_chain.Sign) -> None:
    """Removes everything that has ended, one batch per transaction, with pauses for other writes.

    Then it returns the room to a disk that is short of it.
    """
    retention = int(settings.audit_retention_days * _DAY)
    sweeps: tuple[Sweep, ...] = (
        sweep_uploads,
        sweep_datasets,
        sweep_memberships,
        sweep_requests,
        sweep_sessions,
        sweep_changes,
        sweep_login_failures,
        sweep_password_resets,
        lambda tx, limit: sweep_keys(tx, now() - retention, limit),
        lambda tx, limit: audit_chain.remove(tx, now() - retention, limit, sign),
        lambda tx, limit: tx.give_back(limit),
    )
    for dataset_id in await engine.read(claims.abandoned):
        await claims.undo(engine, dataset_id)
    for work in sweeps:
        await _sweep_all(engine, work)


async def _sweep_all(engine: Engine, work: Sweep) -> None:
    limit = BATCH
    while True:
        try:
            removed = await engine.stage(work, limit)
        except StoreFull:
            if limit == 1:
                raise
            limit = max(1, limit // 8)  # a disk that is full may have room for the log of a smaller piece
            continue
        if not removed:
            return
        await asyncio.sleep(_PAUSE_SECONDS)


def return_memory() -> None:
    """Returns freed memory to the system, which glibc keeps while anything near it is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


async def _repeat(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await _attempt(job)


async def _attempt(job: Callable[[], Awaitable[None]]) -> None:
    """Runs the job; a failure is logged, and the next round retries."""
    try:
        await job()
    except Error as error:
        log.warning("background work failed", error=error.message, reason=error.reason)
    except Exception as error:
        log.error("background work failed", exc_info=error)
