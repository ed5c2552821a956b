"""Writes and long work: functions in threads, each with a connection of its own."""

import asyncio
import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg_pool import ConnectionPool

from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.postgres import retries
from phoenix_grpc.store.postgres.connections import Connections
from phoenix_grpc.store.postgres.faults import lost_connection, unknown_outcome
from phoenix_grpc.store.postgres.ids import IdBlocks
from phoenix_grpc.store.postgres.retries import Retries
from phoenix_grpc.store.postgres.silence import Silence
from phoenix_grpc.store.postgres.transaction import PostgresTransaction

T = TypeVar("T")


class Threads:
    """Runs transactions, as many at once as it has threads.

    Arguments:
        size: how many threads, and connections, there are at most.
        name: of the threads.
    """

    def __init__(self, connections: Connections, ids: IdBlocks, silence: Silence, size: int, name: str) -> None:
        self._ids = ids
        self._silence = silence
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            connections.url,
            kwargs=connections.options,
            min_size=1,
            max_size=size,
            open=False,
            timeout=retries.PATIENCE_SECONDS,
            reconnect_timeout=retries.PATIENCE_SECONDS,
            name=name,
        )
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=f"postgres-{name}")

    async def run(self, fn: Callable[[Transaction], T], isolation: IsolationLevel) -> tuple[T, PostgresTransaction]:
        """What the function returns, and its transaction, which has been committed."""
        self._silence.watch()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, functools.partial(self._repeat, fn, isolation))

    def _repeat(self, fn: Callable[[Transaction], T], isolation: IsolationLevel) -> tuple[T, PostgresTransaction]:
        attempts = Retries()
        while True:
            try:
                return self._transact(fn, isolation)
            except psycopg.Error as error:
                time.sleep(attempts.pause_after(error))

    def _transact(self, fn: Callable[[Transaction], T], isolation: IsolationLevel) -> tuple[T, PostgresTransaction]:
        self._pool.open()
        self._ids.open()
        # The connection's own block is the inner one: the silence ends a rollback, too.
        with self._pool.connection() as connection, self._silence.ends(connection), connection:
            connection.set_isolation_level(isolation)
            tx = PostgresTransaction(connection, self._ids)
            result = fn(tx)
            commit(connection)
            return result, tx

    def shut_down(self) -> None:
        """Waits for what runs."""
        self._threads.shutdown()

    def close(self) -> None:
        """Closes the connections."""
        self._pool.close()


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
