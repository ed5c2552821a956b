"""Connections of short reads: kept, given back, replaced, and never more than there may be."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
import pytest_asyncio
from psycopg_pool import PoolTimeout

from phoenix_grpc.store.postgres.connections import Connections
from phoenix_grpc.store.postgres.kept import KeptConnections
from tests.postgres import new_database

SIZE = 3


@pytest_asyncio.fixture
async def connections() -> AsyncIterator[KeptConnections]:
    """Connections to a new database."""
    connections = KeptConnections(Connections(new_database(), prepares=True), SIZE)
    yield connections
    await connections.close()


async def backend(connections: KeptConnections, sql: bytes = b"SELECT pg_backend_pid()") -> object:
    """The answer to a statement, by default the process that gives it."""
    kept = await connections.take()
    try:
        row = await (await kept.connection.execute(sql)).fetchone()
        return row and row[0]
    finally:
        await connections.give(kept)


async def test_the_one_used_last_is_used_next(connections: KeptConnections) -> None:
    assert len({await backend(connections) for _ in range(20)}) == 1


async def test_there_are_never_more_than_may_be(connections: KeptConnections) -> None:
    pids = await asyncio.gather(*(backend(connections) for _ in range(60)))
    assert len(set(pids)) == SIZE


async def test_the_pool_gets_them_back_after_a_while(
    connections: KeptConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_grpc.store.postgres.kept._KEPT_SECONDS", 0.0)
    await asyncio.gather(*(backend(connections) for _ in range(60)))
    assert not connections._kept
    assert connections._pool
    assert connections._pool.get_stats()["requests_num"] == 60


@pytest.mark.parametrize("sql", [b"SELECT 1/0", b"BEGIN", b"SELECT pg_terminate_backend(pg_backend_pid())"])
async def test_one_that_is_not_idle_is_put_right(connections: KeptConnections, sql: bytes) -> None:
    for _ in range(2 * SIZE):
        kept = await connections.take()
        try:
            await kept.connection.execute(sql)
        except psycopg.Error:
            pass
        finally:
            await connections.give(kept)
    assert await asyncio.gather(*(backend(connections, b"SELECT 7") for _ in range(20))) == [7] * 20


async def test_the_wait_for_one_ends(connections: KeptConnections, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix_grpc.store.postgres.retries.PATIENCE_SECONDS", 0.1)
    taken = [await connections.take() for _ in range(SIZE)]
    with pytest.raises(PoolTimeout):
        await connections.take()
    for kept in taken:
        await connections.give(kept)
    assert await backend(connections)


async def test_one_who_leaves_takes_none_along(connections: KeptConnections) -> None:
    taken = [await connections.take() for _ in range(SIZE)]
    waiting = [asyncio.create_task(connections.take()) for _ in range(5)]
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    for kept in taken:
        await connections.give(kept)
    assert len({kept.connection for kept in [await connections.take() for _ in range(SIZE)]}) == SIZE
