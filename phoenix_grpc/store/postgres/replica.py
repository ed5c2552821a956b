"""Reads from a streaming replica, by callers who know what it must have.

A replica is behind, cancels reads that are in the way of what it replays, is restarted, promoted or exchanged for
another one: each time the caller reads from the primary instead.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg
import structlog
from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool, PoolTimeout

from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import NoReplica, Transaction
from phoenix_grpc.store.postgres.connections import Connections, cut
from phoenix_grpc.store.postgres.faults import lost_connection
from phoenix_grpc.store.postgres.ids import IdSource
from phoenix_grpc.store.postgres.transaction import PostgresTransaction

log = structlog.get_logger()

T = TypeVar("T")

_PATIENCE_SECONDS = 2.0
"""How long a read may take, before the replica is taken for lost."""

_AWAY_SECONDS = 10.0
"""For how long a replica that was lost is not asked again."""

# One that was promoted is a replica no longer, and what is committed there may be committed nowhere else.
_STATE = "SELECT pg_is_in_recovery(), (SELECT system_identifier FROM pg_control_system())"


class _Unfit(Exception):
    """The server is no replica of the primary."""


class Replica:
    """Runs reads in threads, on connections to a replica.

    Arguments:
        size: how many threads, and connections, there are at most.
        system: returns the identifier of the primary's system (pg_control_system), None as long as it is not known.
    """

    def __init__(self, connections: Connections, ids: IdSource, size: int, system: Callable[[], object | None]) -> None:
        self._ids = ids
        self._system = system
        self._used: set[psycopg.Connection[Row]] = set()
        self._away_until = 0.0
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            connections.url,
            kwargs=connections.options,
            min_size=0,
            max_size=size,
            open=False,
            timeout=_PATIENCE_SECONDS / 2,
            reconnect_timeout=_PATIENCE_SECONDS,
            name="replica",
        )
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="postgres-replica")

    async def read(self, fresh: Callable[[Transaction], bool], fn: Callable[[Transaction], T]) -> T:
        """What the function returns, in a transaction in which `fresh` returns true.

        Raises:
            NoReplica: when there is no replica of which that is so, or it is slow.
        """
        if time.monotonic() < self._away_until:
            raise NoReplica
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._transact, fresh, fn)
        done, _ = await asyncio.wait({work}, timeout=_PATIENCE_SECONDS)
        if not done:
            work.add_done_callback(lambda work: work.cancelled() or work.exception())
            self._leave("it does not answer")
            raise NoReplica
        try:
            return work.result()
        except (PoolTimeout, _Unfit) as error:
            self._leave(str(error))
            raise NoReplica from None
        except psycopg.Error as error:
            # What it replays is in the way of the read, or the schema is not there yet: the next read may do.
            if lost_connection(error):
                self._leave(str(error))
            raise NoReplica from None

    def _transact(self, fresh: Callable[[Transaction], bool], fn: Callable[[Transaction], T]) -> T:
        self._pool.open()
        with self._pool.connection() as connection, self._in_use(connection), connection:
            connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            tx = PostgresTransaction(connection, self._ids)
            self._require_replica(tx)
            if not fresh(tx):
                raise NoReplica
            return fn(tx)

    @contextlib.contextmanager
    def _in_use(self, connection: psycopg.Connection[Row]) -> Iterator[None]:
        """Within the block it is cut when the replica is left."""
        self._used.add(connection)
        try:
            yield
        finally:
            self._used.discard(connection)

    def _require_replica(self, tx: Transaction) -> None:
        replays, system = tx.one(_STATE)
        if not replays:
            raise _Unfit("it is no replica")
        known = self._system()
        if known is None:
            raise NoReplica
        if system != known:
            raise _Unfit("it is a replica of another database")

    def _leave(self, reason: str) -> None:
        """Lets everybody read from the primary for a while."""
        if time.monotonic() >= self._away_until:
            log.warning("replica unused", reason=" ".join(reason.split()), seconds=_AWAY_SECONDS)
        self._away_until = time.monotonic() + _AWAY_SECONDS
        for connection in list(self._used):
            cut(connection)

    def close(self) -> None:
        """Waits for what runs, then closes the connections."""
        self._threads.shutdown()
        self._pool.close()
