"""Short reads: plain functions in greenlets over the event loop. One that makes one statement takes no transaction."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import CodeType
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import NO_PARAMS, Params, Transaction
from phoenix_grpc.store.postgres import greenlets, retries
from phoenix_grpc.store.postgres.connections import Connections
from phoenix_grpc.store.postgres.ids import IdSource
from phoenix_grpc.store.postgres.retries import Retries
from phoenix_grpc.store.postgres.silence import Silence
from phoenix_grpc.store.postgres.transaction import PostgresTransaction

T = TypeVar("T")

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Reader:
    """Runs reads on connections of its own, in one event loop.

    Arguments:
        size: how many connections there are at most.
    """

    def __init__(self, connections: Connections, ids: IdSource, silence: Silence, size: int) -> None:
        self._connections = connections
        self._ids = ids
        self._silence = silence
        self._size = size
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]] | None = None
        self._longer: set[CodeType] = set()

    async def run(self, fn: Callable[[Transaction], T], code: CodeType | None) -> T:
        """What the function returns, which sees one state of the database.

        Arguments:
            code: what tells the function from others; None when nothing does.
        """
        attempts = Retries()
        while True:
            try:
                return await self._read(fn, code)
            except psycopg.Error as error:
                await asyncio.sleep(attempts.pause_after(error))

    async def _read(self, fn: Callable[[Transaction], T], code: CodeType | None) -> T:
        async with self._connection() as connection:
            if code is not None and code not in self._longer:
                try:
                    return await self._run(_OneStatement, connection, fn)
                except _AnotherStatement:
                    self._longer.add(code)
            await connection.execute(_BEGIN)
            return await self._run(PostgresTransaction, connection, fn)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[psycopg.AsyncConnection[Row]]:
        """A connection; the silence ends the transaction's end, too."""
        if self._pool is None:
            self._pool = self._make_pool()
            await self._pool.open()
        self._silence.watch()
        connection = await self._pool.getconn()
        try:
            with self._silence.ends(connection):
                async with connection:
                    yield connection
        finally:
            await self._pool.putconn(connection)

    async def _run(
        self,
        kind: type[PostgresTransaction],
        connection: psycopg.AsyncConnection[Row],
        fn: Callable[[Transaction], T],
    ) -> T:
        tx = kind(connection, self._ids, greenlets.wait)
        return await greenlets.run(lambda: fn(tx))

    def _make_pool(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Row]]:
        return AsyncConnectionPool(
            self._connections.url,
            kwargs={**self._connections.options, "autocommit": True},
            min_size=1,
            max_size=self._size,
            open=False,
            timeout=retries.PATIENCE_SECONDS,
            reconnect_timeout=retries.PATIENCE_SECONDS,
            name="reads",
        )

    async def close(self) -> None:
        """Closes the connections."""
        if self._pool is not None:
            await self._pool.close()


class _AnotherStatement(Exception):
    """A function that was thought to make one statement makes another: it is run again, in a transaction."""


class _OneStatement(PostgresTransaction):
    """For a function that makes one statement, which sees one state by itself: two turns to the server are saved."""

    _made = False

    def scan(self, sql: str, params: Params = NO_PARAMS, chars: int = 0) -> Iterator[Row]:
        raise _AnotherStatement

    def _execute(self, sql: str, params: Params) -> Any:
        self._make()
        return super()._execute(sql, params)

    def _fetched(self, sql: str, params: Params, method: str) -> Any:
        self._make()
        return super()._fetched(sql, params, method)

    def _make(self) -> None:
        if self._made:
            raise _AnotherStatement
        self._made = True
