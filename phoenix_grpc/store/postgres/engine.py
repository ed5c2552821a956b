"""The engine for PostgreSQL: short reads in greenlets over the event loop, writes and long work in threads."""

import asyncio
import functools
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate

import psycopg
from psycopg import IsolationLevel
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from phoenix_grpc.errors import ConfigurationError, Unavailable
from phoenix_grpc.model import Row
from phoenix_grpc.store import migrations
from phoenix_grpc.store.engine import NO_PARAMS, AuthRevision, P, Params, T, Transaction
from phoenix_grpc.store.leases import boottime
from phoenix_grpc.store.postgres import greenlets
from phoenix_grpc.store.postgres.connections import Connections
from phoenix_grpc.store.postgres.faults import CONFLICTS, as_ours, lost_connection, unknown_outcome
from phoenix_grpc.store.postgres.ids import IdBlocks, OwnIds
from phoenix_grpc.store.postgres.silence import Silence
from phoenix_grpc.store.postgres.transaction import PostgresTransaction
from phoenix_grpc.store.postgres.watcher import RevisionWatcher

POOL_SECONDS = 5.0
"""How long a call waits for a connection, or for the database to come back."""

_MIGRATION_LOCK = 0x70686F656E6978
_LOCK_SECONDS = 30
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.2
_RECONNECT_PAUSE_SECONDS = 0.1


class PostgresEngine:
    """See engine.Engine. Nothing is connected before `migrate` or `begin` is called.

    Arguments:
        url: a connection URI (`postgresql://user:password@host/database`), of several hosts too.
        pool_size: how many connections reads have at most, and as many writes.
        prepares: whether statements are prepared; poolers of old cannot pass them on.

    Raises:
        ConfigurationError: when the URL cannot be read.
    """

    def __init__(self, url: str, pool_size: int = 8, prepares: bool = True) -> None:
        self._connections = Connections(url, prepares)
        self._ids = IdBlocks(self._connections.open_for_ids)
        self._lease = RevisionWatcher(self._connections.open_for_watching)
        self._silence = Silence(self._lease.silence, self._ids.cut)
        self._readers: AsyncConnectionPool[psycopg.AsyncConnection[Row]] | None = None
        self._pool_size = pool_size
        self._writers = ConnectionPool(
            self._connections.url,
            kwargs=self._connections.options,
            min_size=1,
            max_size=pool_size,
            open=False,
            timeout=POOL_SECONDS,
            reconnect_timeout=POOL_SECONDS,
            name="writes",
        )
        self._threads = ThreadPoolExecutor(pool_size, thread_name_prefix="postgres")

    def migrate(self) -> None:
        """As `begin`, for a program that does not wait for the database.

        Raises:
            ConfigurationError: when the database cannot be opened or migrated.
        """
        try:
            migrate(self._connections)
        except psycopg.Error as error:
            raise ConfigurationError(f"PHOENIX_SQL_DATABASE_URL: {self._connections.explain(error)}") from None

    async def begin(self) -> None:
        try:
            await asyncio.to_thread(migrate, self._connections)
        except psycopg.Error as error:
            reason = self._connections.explain(error)
            if lost_connection(error) or isinstance(error, psycopg.errors.LockNotAvailable):
                raise Unavailable(reason) from None
            raise ConfigurationError(f"PHOENIX_SQL_DATABASE_URL: {reason}") from None

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        retries = _Retries()
        while True:
            try:
                return await self._read(lambda tx: fn(tx, *args, **kwargs))
            except psycopg.Error as error:
                await asyncio.sleep(retries.pause_after(error))

    async def _read(self, fn: Callable[[Transaction], T]) -> T:
        if self._readers is None:
            self._readers = self._open_readers()
            await self._readers.open()
        self._silence.watch()
        async with self._readers.connection() as connection:
            tx = PostgresTransaction(connection, self._ids, greenlets.wait)
            with self._silence.ends(connection):
                return await greenlets.run(lambda: fn(tx))

    def _open_readers(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Row]]:
        async def configure(connection: psycopg.AsyncConnection[Row]) -> None:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)

        return AsyncConnectionPool(
            self._connections.url,
            kwargs=self._connections.options,
            configure=configure,
            min_size=1,
            max_size=self._pool_size,
            open=False,
            timeout=POOL_SECONDS,
            reconnect_timeout=POOL_SECONDS,
            name="reads",
        )

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(self._write, lambda tx: fn(tx, *args, **kwargs))

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(self._stage, lambda tx: fn(tx, *args, **kwargs))

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(self._look, lambda tx: fn(tx, *args, **kwargs))

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        statement = f"INSERT INTO {table} ({', '.join(columns)}) {query} ON CONFLICT DO NOTHING"
        return await self.stage(lambda tx: tx.run(statement, params))

    async def _in_thread(
        self, run: Callable[[Callable[[Transaction], T]], tuple[T, PostgresTransaction]], fn: Callable[[Transaction], T]
    ) -> T:
        self._silence.watch()
        loop = asyncio.get_running_loop()
        result, tx = await loop.run_in_executor(self._threads, self._repeat, functools.partial(run, fn))
        committed = boottime()
        if tx.auth_has_changed:
            self._lease.end()
        if tx.waits_out_leases:
            await self._lease.wait_out(committed)
        return result

    def _repeat(self, transact: Callable[[], T]) -> T:
        retries = _Retries()
        while True:
            try:
                return transact()
            except psycopg.Error as error:
                time.sleep(retries.pause_after(error))

    def _write(self, fn: Callable[[Transaction], T]) -> tuple[T, PostgresTransaction]:
        return self._transact(fn, IsolationLevel.SERIALIZABLE)

    def _stage(self, fn: Callable[[Transaction], T]) -> tuple[T, PostgresTransaction]:
        # Durable like any other: this process outlives the crash of the server's machine, and goes on from here.
        return self._transact(fn, IsolationLevel.READ_COMMITTED)

    def _look(self, fn: Callable[[Transaction], T]) -> tuple[T, PostgresTransaction]:
        return self._transact(fn, IsolationLevel.REPEATABLE_READ)

    def _transact(self, fn: Callable[[Transaction], T], isolation: IsolationLevel) -> tuple[T, PostgresTransaction]:
        self._writers.open()
        self._ids.open()
        with self._writers.connection() as connection, self._silence.ends(connection):
            connection.set_isolation_level(isolation)
            tx = PostgresTransaction(connection, self._ids)
            result = fn(tx)
            commit(connection)
            return result, tx

    async def auth_revision(self) -> AuthRevision:
        return await self._lease.revision()

    async def check(self) -> None:
        await self.read(lambda tx: tx.row("SELECT revision FROM auth_revision"))

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)
        await self._lease.close()
        await asyncio.to_thread(self._writers.close)
        self._ids.close()
        if self._readers is not None:
            await self._readers.close()


def migrate(connections: Connections) -> list[str]:
    """Brings the schema up to date, in one process at a time; returns the names of the migrations applied.

    Raises:
        ConfigurationError: when the database was migrated by a newer release.
        psycopg.Error: when it cannot be opened or migrated.
    """
    with connections.open() as connection:
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        # Of the transaction, not of the session: a pooler keeps sessions, and every process would wait for ever.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        return migrations.migrate(PostgresTransaction(connection, OwnIds(connection)))


def commit(connection: psycopg.Connection[Row]) -> None:
    """Commits the transaction that is open.

    Raises:
        Unavailable: when it cannot be known whether it was committed, or whether the commit would outlive the primary.
    """
    warnings: list[str | None] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            warnings.append(notice.message_primary)

    connection.add_notice_handler(note)
    try:
        connection.commit()
    except psycopg.OperationalError as error:
        if not lost_connection(error):
            raise
        raise unknown_outcome() from error
    finally:
        connection.remove_notice_handler(note)
    if warnings:
        # Somebody ended the wait for a synchronous standby: it is committed here, and perhaps nowhere else.
        raise unknown_outcome()


class _Retries:
    """When to run a transaction again: after a conflict, and without a connection, for some seconds."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + POOL_SECONDS
        self._conflicts = 0

    def pause_after(self, error: psycopg.Error) -> float:
        """How many seconds to wait before the next try.

        Raises:
            the error in the domain's words, when there is to be none.
        """
        if time.monotonic() < self._ends:
            if isinstance(error, CONFLICTS):
                self._conflicts += 1
                longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**self._conflicts)
                return random.uniform(0, longest)  # noqa: S311 - no secret
            if lost_connection(error):
                return _RECONNECT_PAUSE_SECONDS
        raise as_ours(error) from error
