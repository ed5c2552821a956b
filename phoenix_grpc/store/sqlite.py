"""The embedded engine: SQLite in WAL mode, one writer thread, reads inline on the loop's own connection.

The file is an ordinary one: the sqlite-utils CLI and Datasette open it.
"""

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate

from phoenix_grpc.errors import StoreFull
from phoenix_grpc.model import Row
from phoenix_grpc.store import migrations
from phoenix_grpc.store.disk import Disk, Pages
from phoenix_grpc.store.engine import (
    NO_PARAMS,
    UNKNOWN_REVISION,
    AuthRevision,
    NoReplica,
    P,
    Params,
    T,
    Transaction,
)
from phoenix_grpc.store.imports import unimportable
from phoenix_grpc.store.leases import RevisionLease, boottime
from phoenix_grpc.store.sqlite_faults import REFUSED, as_ours, opening
from phoenix_grpc.store.sqlite_files import beside, create_private, refuse_to_begin_empty

# sqlite-utils takes these along where they are installed: 45 MB, and a second of the start.
with unimportable("pandas", "numpy"):
    import sqlite_utils

BUSY_TIMEOUT_SECONDS = 30.0
LEASE_SECONDS = 0.002
"""How long the auth revision is trusted: a read costs 25 us, so a busy server spends 1% of its time on it."""

_WAL_LIMIT_BYTES = 64 << 20
_PAGE_BYTES = 4096
_PAGES_GIVEN_BACK = 1000
_ROWS_PER_INSERT = 400
_ROWS_PER_FILL = 2000
# A plain BEGIN fails at once with SQLITE_BUSY_SNAPSHOT when another process wrote; IMMEDIATE waits its turn.
BEGIN_WRITE = "BEGIN IMMEDIATE"
_PRAGMAS = (
    # In KiB. Each sort of a statement may take as much again, and publishing a big upload sorts several times at once.
    "PRAGMA cache_size = -4000",
    f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = FILE",
)


_VERBS = ("INSERT", "UPDATE", "DELETE")
_PAGES = ("PRAGMA page_count", "PRAGMA freelist_count", "PRAGMA page_size")


class SqliteTransaction:
    """A transaction that is open on a connection."""

    def __init__(self, connection: sqlite3.Connection, disk: Disk) -> None:
        self._connection = connection
        self._disk = disk
        self.waits_out_leases = False

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        return self._connection.execute(sql, params).fetchall()

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        rows = self._connection.execute(sql, params).fetchall()
        return rows[0] if rows else None

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row:
        row = self.row(sql, params)
        if row is None:
            raise LookupError(f"no row: {sql}")
        return row

    def scan(self, sql: str, params: Params = NO_PARAMS, chars: int = 0) -> Iterator[Row]:
        return self._connection.execute(sql, params)

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        return self._connection.execute(sql, params).rowcount

    def define(self, sql: str) -> None:
        self._connection.execute(sql)

    def columns(self, table: str) -> list[str]:
        return [row[1] for row in self.rows(f"PRAGMA table_info({table})")]

    def refuse_writes(self, tables: Sequence[str]) -> None:
        for table in tables:
            for verb in _VERBS:
                self.run(
                    f"CREATE TRIGGER refuse_{verb}_{table} BEFORE {verb} ON {table}"
                    f" BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
                )

    def allow_writes(self, tables: Sequence[str]) -> None:
        for table in tables:
            for verb in _VERBS:
                self.run(f"DROP TRIGGER IF EXISTS refuse_{verb}_{table}")

    def forbid(self, table: str, verb: str, condition: str, message: str) -> None:
        self.run(
            f"CREATE TRIGGER forbid_{verb}_{table} BEFORE {verb} ON {table} WHEN {condition}"
            f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )

    def permit(self, table: str, verb: str) -> None:
        self.run(f"DROP TRIGGER forbid_{verb}_{table}")

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        return self._insert("INSERT", table, columns, rows)

    def append_new(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """As append, but for rows that conflict with others; returns how many were added."""
        return self._insert("INSERT OR IGNORE", table, columns, rows)

    def _insert(self, verb: str, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        marks = f"({', '.join('?' * len(columns))})"
        head = f"{verb} INTO {table} ({', '.join(columns)}) VALUES "
        count = 0
        # Many rows a statement: it lets other threads run once, not once a row, and costs a quarter less.
        source = iter(rows)
        while batch := list(itertools.islice(source, _ROWS_PER_INSERT)):
            statement = head + ", ".join([marks] * len(batch))
            count += self._connection.execute(statement, [value for row in batch for value in row]).rowcount
        return count

    def expect(self, count: int, table: str, columns: Sequence[str], condition: str, params: Params) -> None:
        """Its plans depend on the statements alone."""

    def take_ids(self, kind: str, count: int = 1) -> int:
        row = self.one(
            "INSERT INTO sequences (kind, next) VALUES (:kind, 1 + :count)"
            " ON CONFLICT (kind) DO UPDATE SET next = sequences.next + :count RETURNING next - :count",
            {"kind": kind, "count": count},
        )
        return int(row[0])

    def used_bytes(self) -> int:
        return self._pages().used_bytes

    def require_room(self, growth: int = 0) -> None:
        self._disk.require_room(self._pages(), growth)

    def give_back(self, limit: int) -> int:
        before = self._pages()
        count = min(limit, _PAGES_GIVEN_BACK, before.free)
        if not count or not self._disk.is_short(before):
            return 0
        self._connection.execute(f"PRAGMA incremental_vacuum({count})").fetchall()
        return before.total - self._pages().total

    def _pages(self) -> Pages:
        return Pages(*(self._connection.execute(pragma).fetchall()[0][0] for pragma in _PAGES))

    def auth_changed(self) -> None:
        """Every commit ends the lease here, and is seen by the others."""

    def wait_out_leases(self) -> None:
        self.waits_out_leases = True


class SqliteEngine:
    """See engine.Engine. Opens (and makes) the file at `path`, and migrates it.

    Arguments:
        finish: as for migrations.pending.

    Raises:
        ConfigurationError: when the file cannot be opened or migrated, or is missing where a restore has been.
    """

    has_replica = False

    def __init__(
        self, path: Path, busy_timeout: float = BUSY_TIMEOUT_SECONDS, disk_reserve: int = 0, finish: bool = False
    ) -> None:
        self.path = path
        self._disk = Disk(path, disk_reserve)
        self._busy_timeout = busy_timeout
        with opening(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            refuse_to_begin_empty(path)
            with contextlib.suppress(FileExistsError):
                create_private(path)
            self._writer = connect(path, busy_timeout)
            # Counts for a new database only: one of an earlier release takes VACUUM to be changed.
            self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            sqlite_utils.Database(self._writer).enable_wal()
            self._writer.execute(f"PRAGMA wal_autocheckpoint = {self._disk.log_bytes // _PAGE_BYTES}")
            with Transacting(self._writer, self._disk, BEGIN_WRITE) as tx:
                migrations.migrate(tx, finish)
            self._reader = connect(path, busy_timeout, "PRAGMA query_only = ON")
            # A connection of its own: data_version stays stale while a cursor on the same connection is open.
            self._watcher = connect(path, busy_timeout, "PRAGMA query_only = ON")
        self._data_version = -1
        self._auth_revision = UNKNOWN_REVISION
        self._lease = RevisionLease(self._read_auth_revision, LEASE_SECONDS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-writer")

    async def begin(self) -> None:
        """Nothing is left to do: opening the file did it."""

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        with self._reading(self._reader) as tx:
            return fn(tx, *args, **kwargs)

    async def read_many(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.read(fn, *args, **kwargs)

    async def read_replica(
        self,
        fresh: Callable[[Transaction], bool],
        fn: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        raise NoReplica

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._on_writer("FULL", fn, *args, **kwargs)

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        # The FULL commit that publishes syncs the log as a whole, so what was staged before it is durable with it.
        return await self._on_writer("NORMAL", fn, *args, **kwargs)

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            with contextlib.closing(self._connect_reader()) as connection, self._reading(connection) as tx:
                return fn(tx, *args, **kwargs)

        return await asyncio.to_thread(work)

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        # Read beside the writer, and written by it a piece at a time.
        connection = self._connect_reader()
        reading: asyncio.Future[Any] = asyncio.ensure_future(asyncio.to_thread(connection.execute, query, params))
        count = 0
        try:
            rows = await asyncio.shield(reading)
            while True:
                reading = asyncio.ensure_future(asyncio.to_thread(rows.fetchmany, _ROWS_PER_FILL))
                batch = await asyncio.shield(reading)
                if not batch:
                    return count
                count += await self._on_writer("NORMAL", SqliteTransaction.append_new, table, columns, batch)
        except sqlite3.Error as error:
            raise as_ours(error) from error
        finally:
            # A connection may not be closed under the thread that reads from it.
            connection.interrupt()
            await asyncio.gather(reading, return_exceptions=True)
            connection.close()

    def _reading(self, connection: sqlite3.Connection) -> "Transacting":
        return Transacting(connection, self._disk, "BEGIN")

    def _connect_reader(self) -> sqlite3.Connection:
        return connect(self.path, self._busy_timeout, "PRAGMA query_only = ON")

    async def _on_writer(
        self, synchronous: str, fn: Callable[Concatenate[SqliteTransaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        def work() -> tuple[T, bool, float]:
            with Transacting(self._writer, self._disk, BEGIN_WRITE) as tx:
                result = fn(tx, *args, **kwargs)
            return result, tx.waits_out_leases, boottime()

        def work_in_room() -> tuple[T, bool, float]:
            self._writer.execute(f"PRAGMA synchronous = {synchronous}")
            try:
                return work()
            except StoreFull:
                if not self._empty_log():
                    raise
            return work()

        result, waits, committed = await asyncio.get_running_loop().run_in_executor(self._thread, work_in_room)
        self._lease.end()
        if waits:
            # Here, and not in the writer's thread: other writes go on meanwhile.
            await self._lease.wait_out(committed)
        return result

    def _empty_log(self) -> bool:
        """Writes the log into the database and gives its space back to the disk; returns whether it had any."""
        log = beside(self.path, "-wal")
        size = log.stat().st_size
        with contextlib.suppress(sqlite3.Error):
            # Who reads meanwhile keeps the log, and is not waited for.
            self._writer.execute("PRAGMA busy_timeout = 0")
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._writer.execute(f"PRAGMA busy_timeout = {round(self._busy_timeout * 1000)}")
        return log.stat().st_size < size

    async def auth_revision(self) -> AuthRevision:
        return self._lease.revision()

    def _read_auth_revision(self) -> AuthRevision:
        try:
            version = self._watcher.execute("PRAGMA data_version").fetchall()[0][0]
            if version != self._data_version:
                row = self._watcher.execute("SELECT revision FROM auth_revision").fetchall()[0]
                self._data_version, self._auth_revision = version, AuthRevision(0, row[0])
        except sqlite3.Error as error:
            raise as_ours(error) from error
        return self._auth_revision

    async def check(self) -> None:
        await self.read(lambda tx: tx.row("SELECT revision FROM auth_revision"))

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        for connection in (self._watcher, self._reader, self._writer):
            connection.close()


def connect(path: Path, busy_timeout: float, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_timeout, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    for pragma in (*_PRAGMAS, *pragmas):
        connection.execute(pragma)
    return connection


class Transacting:
    """A transaction on a connection: committed at the end of the block, rolled back when it fails.

    Arguments:
        begin: the statement that begins it.

    Raises:
        StoreFull, Unavailable: for SQLite's failures of the environment; a mistake in a statement stays what it is.
    """

    def __init__(self, connection: sqlite3.Connection, disk: Disk, begin: str) -> None:
        self._connection = connection
        self._disk = disk
        self._begin = begin

    def __enter__(self) -> SqliteTransaction:
        try:
            self._connection.execute(self._begin)
        except sqlite3.Error as error:
            raise as_ours(error) from error
        return SqliteTransaction(self._connection, self._disk)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if kind is None:
                self._connection.execute("COMMIT")
                return
        except sqlite3.Error as failed:
            error = failed
        if self._connection.in_transaction:  # some errors (a full disk) roll back by themselves
            self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise as_ours(error) from error
