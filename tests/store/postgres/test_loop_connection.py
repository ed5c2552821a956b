"""Connections that stay registered with the event loop: what they carry, and how they end."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import pytest_asyncio
import uvloop

from phoenix_grpc.store.postgres.loop_connection import LoopConnection
from tests.postgres import new_database

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(scope="module")
def database() -> str:
    """The URL of a database."""
    return new_database()


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[LoopConnection]:
    """A connection."""
    connection = await LoopConnection.connect(database, autocommit=True)
    yield connection
    await connection.close()


async def answer(connection: LoopConnection, sql: str = "SELECT 1", *params: object) -> object:
    """The first column of the first row."""
    row = await (await connection.execute(sql.encode(), params)).fetchone()
    assert row
    return row[0]


@pytest.mark.parametrize("make", LOOPS.values(), ids=LOOPS)
def test_texts_of_any_length_go_both_ways(database: str, make: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def work() -> None:
        async with await LoopConnection.connect(database, autocommit=True) as connection:
            for length in (0, 1, 1 << 12, 1 << 16, 20 << 20, 5):
                text = "x" * length
                assert await answer(connection, "SELECT %s::text", text) == text

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(work())


async def test_a_statement_whose_caller_has_gone_is_finished(connection: LoopConnection) -> None:
    for _ in range(3):
        task = asyncio.create_task(answer(connection, "SELECT pg_sleep(0.2)"))
        await asyncio.sleep(0.05)
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert await answer(connection) == 1


async def test_one_that_fails_after_its_caller_has_gone_is_still_given_up(connection: LoopConnection) -> None:
    task = asyncio.create_task(answer(connection, "SELECT 1 / length(pg_sleep(0.2)::text)"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await answer(connection) == 1


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("make", LOOPS.values(), ids=LOOPS)
def test_an_end_leaves_nothing_registered(
    database: str, make: Callable[[], asyncio.AbstractEventLoop], busy: bool
) -> None:
    """The number of its socket is soon that of another one."""

    async def work() -> None:
        numbers = set()
        for _ in range(5):
            connection = await LoopConnection.connect(database, autocommit=True)
            numbers.add(connection.fileno())
            end = "SELECT pg_terminate_backend(%s)"
            pid = connection.info.backend_pid
            assert await answer(connection) == 1
            waiting = asyncio.create_task(answer(connection, "SELECT pg_sleep(60)")) if busy else None
            async with await LoopConnection.connect(database, autocommit=True) as other:
                await asyncio.sleep(0.05)
                await answer(other, end, pid)
            await asyncio.sleep(0.05)
            with pytest.raises(psycopg.OperationalError):
                await (waiting or answer(connection))
            await connection.close()
            read, write = os.pipe()
            seen = asyncio.Event()
            asyncio.get_running_loop().add_reader(read, seen.set)
            os.write(write, b"x")
            await asyncio.wait_for(seen.wait(), 5)
            asyncio.get_running_loop().remove_reader(read)
            os.close(read)
            os.close(write)
        assert len(numbers) < 5

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(work())
