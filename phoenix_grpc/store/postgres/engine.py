"""The engine for PostgreSQL: short reads in greenlets over the event loop, writes and long work in threads."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Concatenate

import psycopg
from psycopg import IsolationLevel

from phoenix_grpc.errors import ConfigurationError, Unavailable
from phoenix_grpc.store import migrations
from phoenix_grpc.store.engine import NO_PARAMS, AuthRevision, NoReplica, P, Params, T, Transaction
from phoenix_grpc.store.leases import boottime
from phoenix_grpc.store.postgres.connections import Connections, replica_connections
from phoenix_grpc.store.postgres.faults import is_refused, lost_connection
from phoenix_grpc.store.postgres.ids import IdBlocks, OwnIds
from phoenix_grpc.store.postgres.reading import Reader
from phoenix_grpc.store.postgres.replica import Replica
from phoenix_grpc.store.postgres.silence import Silence
from phoenix_grpc.store.postgres.threads import Threads
from phoenix_grpc.store.postgres.transaction import PostgresTransaction
from phoenix_grpc.store.postgres.watcher import RevisionWatcher

_MIGRATION_LOCK = 0x70686F656E6978
_LOCK_SECONDS = 30
"""How long a process waits for another one that migrates."""

_TABLE_LOCK_SECONDS = 3
"""How long a migration waits for a table: whoever comes later waits behind it."""

PAGES_AT_ONCE = 4
"""How many pages of downloads are read at once."""


class PostgresEngine:
    """See engine.Engine. Nothing is connected before `migrate` or `begin` is called.

    Arguments:
        url: a connection URI (`postgresql://user:password@host/database`), of several hosts too.
        pool_size: how many connections reads have at most; as many have writes, and as many the work of uploads. The
            pages of downloads have four.
        prepares: whether statements are prepared; poolers of old cannot pass them on.
        replica_url: as `url`, of a replica; empty if there is none.
        migration_url: as `url`, for migrations: past a pooler, or by a role that owns the tables.

    Raises:
        ConfigurationError: when the URL cannot be read.
    """

    def __init__(
        self, url: str, pool_size: int = 8, prepares: bool = True, replica_url: str = "", migration_url: str = ""
    ) -> None:
        self._connections = Connections(url, prepares)
        self._migrator = Connections(migration_url or url, False, "PHOENIX_SQL_MIGRATION_URL")
        self.has_replica = bool(replica_url)
        self._ids = IdBlocks(self._connections.open_for_ids)
        self._lease = RevisionWatcher(self._connections.open_for_watching)
        self._silence = Silence(self._lease.silence, self._ids.cut)
        self._reader = Reader(self._connections, self._ids, self._silence, pool_size)
        # No login and no revocation waits for the long work of uploads.
        self._writes = Threads(self._connections, self._ids, self._silence, pool_size, "writes")
        self._work = Threads(self._connections, self._ids, self._silence, pool_size, "work")
        self._pages = Threads(self._connections, self._ids, self._silence, min(PAGES_AT_ONCE, pool_size), "pages")
        self._threads = (self._writes, self._work, self._pages)
        self._replica = (
            Replica(replica_connections(replica_url, prepares), self._ids, pool_size, lambda: self._lease.system)
            if replica_url
            else None
        )

    def migrate(self, finish: bool = False) -> None:
        """As `begin`, for a program that does not wait for the database.

        Arguments:
            finish: as for migrations.pending.

        Raises:
            ConfigurationError: when the database cannot be opened or migrated.
        """
        try:
            migrate(self._connections, self._migrator, finish)
        except psycopg.Error as error:
            raise ConfigurationError(f"PHOENIX_SQL_DATABASE_URL: {self._connections.explain(error)}") from None

    async def begin(self) -> None:
        try:
            await asyncio.to_thread(migrate, self._connections, self._migrator)
        except psycopg.errors.InsufficientPrivilege:
            raise Unavailable(
                "the schema is not of this release yet, and the role may not change it: run 'phoenix-grpc migrate' as"
                " its owner, or set PHOENIX_SQL_MIGRATION_URL"
            ) from None
        except psycopg.Error as error:
            reason = self._connections.explain(error)
            waits = lost_connection(error) and not is_refused(error)
            if waits or isinstance(error, psycopg.errors.LockNotAvailable):
                raise Unavailable(reason) from None
            raise ConfigurationError(f"PHOENIX_SQL_DATABASE_URL: {reason}") from None

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._reader.run(lambda tx: fn(tx, *args, **kwargs), getattr(fn, "__code__", None))

    async def read_many(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        # The rows come in many small pieces: to wait for each costs a thread less than the event loop.
        return await self._committed(self._pages, lambda tx: fn(tx, *args, **kwargs), IsolationLevel.REPEATABLE_READ)

    async def read_replica(
        self,
        fresh: Callable[[Transaction], bool],
        fn: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        if self._replica is None:
            raise NoReplica
        return await self._replica.read(fresh, lambda tx: fn(tx, *args, **kwargs))

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._committed(self._writes, lambda tx: fn(tx, *args, **kwargs), IsolationLevel.SERIALIZABLE)

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        # Durable like any other: this process outlives the crash of the server's machine, and goes on from here.
        return await self._committed(self._work, lambda tx: fn(tx, *args, **kwargs), IsolationLevel.READ_COMMITTED)

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._committed(self._work, lambda tx: fn(tx, *args, **kwargs), IsolationLevel.REPEATABLE_READ)

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        statement = f"INSERT INTO {table} ({', '.join(columns)}) {query} ON CONFLICT DO NOTHING"
        return await self.stage(lambda tx: tx.run(statement, params))

    async def _committed(self, threads: Threads, fn: Callable[[Transaction], T], isolation: IsolationLevel) -> T:
        result, tx = await threads.run(fn, isolation)
        committed = boottime()
        if tx.auth_has_changed:
            self._lease.end()
        if tx.waits_out_leases:
            await self._lease.wait_out(committed)
        return result

    async def auth_revision(self) -> AuthRevision:
        return await self._lease.revision()

    async def check(self) -> None:
        await self.read(lambda tx: tx.row("SELECT revision FROM auth_revision"))

    async def close(self) -> None:
        for threads in self._threads:
            await asyncio.to_thread(threads.shut_down)
        await self._lease.close()
        for threads in self._threads:
            await asyncio.to_thread(threads.close)
        self._ids.close()
        await self._reader.close()
        if self._replica is not None:
            await asyncio.to_thread(self._replica.close)


def migrate(connections: Connections, migrator: Connections | None = None, finish: bool = False) -> list[str]:
    """Brings the schema up to date, in one process at a time; returns the names of the migrations applied.

    Arguments:
        migrator: connects to the same database for that, by default as `connections` do.
        finish: as for migrations.pending.

    Raises:
        ConfigurationError: when the database was migrated by a newer release, or the migrator's is another one.
        psycopg.Error: when it cannot be opened or migrated.
    """
    if not _pending(connections, finish):
        return []
    with (migrator or connections).open() as connection:
        connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        # Of the transaction, not of the session: a pooler keeps sessions, and every process would wait for ever.
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_MIGRATION_LOCK])
        connection.execute(f"SET LOCAL lock_timeout = '{_TABLE_LOCK_SECONDS}s'")
        applied = migrations.migrate(PostgresTransaction(connection, OwnIds(connection)), finish)
    if _pending(connections, finish):
        raise ConfigurationError("PHOENIX_SQL_MIGRATION_URL: must name the database of PHOENIX_SQL_DATABASE_URL")
    return applied


def _pending(connections: Connections, finish: bool) -> bool:
    """Whether there is anything to apply, for which no right is needed."""
    with connections.open() as connection:
        return bool(migrations.pending(PostgresTransaction(connection, OwnIds(connection)), finish))
