"""The connections of short reads: a pool, and in front of it those that were used last."""

import asyncio
import time
from typing import NamedTuple

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from phoenix_grpc.model import Row
from phoenix_grpc.store.postgres import retries
from phoenix_grpc.store.postgres.connections import Connections

_KEPT_SECONDS = 60.0


class Kept(NamedTuple):
    """A connection, and when it goes back to the pool, in seconds of the monotonic clock."""

    connection: psycopg.AsyncConnection[Row]
    until: float


class KeptConnections:
    """Hands out connections to the event loop.

    To take one out of the pool and to return it costs more than a statement. So a connection that works is kept for a
    minute; the pool makes them, replaces those that broke, and ends them when they are old.

    Arguments:
        size: how many there are at most.
    """

    def __init__(self, connections: Connections, size: int) -> None:
        self._connections = connections
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._kept: list[Kept] = []
        self._pool: AsyncConnectionPool[psycopg.AsyncConnection[Row]] | None = None

    async def take(self) -> Kept:
        """A connection, for `give`.

        Raises:
            PoolTimeout: when there is none for five seconds.
        """
        if self._free.locked():
            try:
                async with asyncio.timeout(retries.PATIENCE_SECONDS):
                    await self._free.acquire()
            except TimeoutError:
                raise PoolTimeout from None
        else:
            await self._free.acquire()
        try:
            if self._kept:
                return self._kept.pop()
            pool = await self._opened()
            return Kept(await pool.getconn(), time.monotonic() + _KEPT_SECONDS)
        except BaseException:
            self._free.release()
            raise

    async def give(self, kept: Kept) -> None:
        """Ends the use of a connection, in whatever state it is."""
        try:
            if kept.connection.info.transaction_status == TransactionStatus.IDLE and time.monotonic() < kept.until:
                self._kept.append(kept)
            elif self._pool is not None:
                await self._pool.putconn(kept.connection)
        finally:
            self._free.release()

    async def _opened(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Row]]:
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._connections.url,
                kwargs={**self._connections.options, "autocommit": True},
                min_size=1,
                max_size=self._size,
                open=False,
                timeout=retries.PATIENCE_SECONDS,
                reconnect_timeout=retries.PATIENCE_SECONDS,
                name="reads",
            )
            await self._pool.open()
        return self._pool

    async def close(self) -> None:
        """Closes the connections."""
        if self._pool is not None:
            while self._kept:
                await self._pool.putconn(self._kept.pop().connection)
            await self._pool.close()
