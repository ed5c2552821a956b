"""What callers see of a database that fails: lost connections, unknown commits, and all that it refuses."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from phoenix_grpc.errors import Error, Invalid, StoreFull, Unavailable
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.postgres.faults import as_ours
from tests.postgres import new_database, running_postgres, shared_server
from tests.postgres_proxy import Proxy


@pytest.fixture
def engine(engine_behind: Engine) -> Engine:
    """An engine behind a line that can be cut."""
    return engine_behind


class Adding:
    """A write that adds a row, and counts how often it was run."""

    def __init__(self, kind: str = "x") -> None:
        self.kind = kind
        self.runs = 0

    def __call__(self, tx: Transaction) -> int:
        self.runs += 1
        return tx.run("INSERT INTO sequences (kind, next) VALUES (:kind, 1)", {"kind": self.kind})


def added(database: str) -> int:
    """How many rows such writes have added."""
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT COUNT(*) FROM sequences WHERE kind = 'x'").fetchone()
        assert row
        return int(row[0])


@pytest.mark.parametrize("after", [False, True])
async def test_a_connection_lost_before_the_commit_costs_a_retry(
    engine: Engine, proxy: Proxy, database: str, after: bool
) -> None:
    await engine.check()
    adding = Adding()
    proxy.cut_at(b"INSERT INTO sequences", after)
    assert await engine.write(adding) == 1
    assert adding.runs == 2
    assert added(database) == 1


@pytest.mark.parametrize("committed", [False, True])
async def test_an_unknown_commit_is_not_repeated(engine: Engine, proxy: Proxy, database: str, committed: bool) -> None:
    adding = Adding()
    proxy.cut_at(b"COMMIT", after=committed)
    with pytest.raises(Unavailable, match="the outcome is unknown") as caught:
        await engine.write(adding)
    assert adding.runs == 1
    assert added(database) == committed
    assert caught.value.retry_after


async def test_connections_that_ended_while_nobody_used_them_cost_a_retry(engine: Engine, proxy: Proxy) -> None:
    await asyncio.gather(*(engine.write(Adding(f"y{number}")) for number in range(8)))
    await asyncio.gather(*(engine.check() for _ in range(8)))
    proxy.cut()
    assert await engine.write(Adding()) == 1
    await engine.check()


async def test_a_database_that_is_away_for_a_while_is_waited_for(engine: Engine, proxy: Proxy) -> None:
    await engine.check()
    proxy.close()
    reading, writing = asyncio.create_task(engine.check()), asyncio.create_task(engine.write(Adding()))
    await asyncio.sleep(1)
    proxy.open()
    await asyncio.gather(reading, writing)


async def test_a_database_that_stays_away_is_unavailable(
    engine: Engine, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_grpc.store.postgres.retries.PATIENCE_SECONDS", 0.5)
    await engine.check()
    proxy.close()
    for attempt in (engine.check(), engine.write(Adding())):
        with pytest.raises(Unavailable) as caught:
            await attempt
        assert caught.value.retry_after


async def test_a_busy_pool_is_unavailable_with_a_time_to_retry(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("phoenix_grpc.store.postgres.retries.PATIENCE_SECONDS", 0.3)
    engine = open_engine(database, pool_size=1)
    try:
        busy = asyncio.create_task(engine.read(lambda tx: tx.rows("SELECT pg_sleep(1.5)")))
        await asyncio.sleep(0.2)
        with pytest.raises(Unavailable, match="busy") as caught:
            await engine.check()
        assert caught.value.retry_after
        await busy
    finally:
        await engine.close()


def refusing(setting: str) -> str:
    """The URL of a new database in which every session has a setting."""
    url = new_database()
    shared_server().execute(f"ALTER DATABASE {urlsplit(url).path[1:]} SET {setting}")
    return url


async def failure_of(url: str, fn: Callable[[Transaction], object]) -> Error:
    """The error of a write to a database."""
    engine = open_engine(url)
    try:
        with pytest.raises(Error) as caught:
            await engine.write(fn)
        return caught.value
    finally:
        await engine.close()


async def test_a_statement_that_takes_too_long_is_unavailable() -> None:
    error = await failure_of(refusing("statement_timeout = '200ms'"), lambda tx: tx.rows("SELECT pg_sleep(5)"))
    assert isinstance(error, Unavailable)
    assert "took too long" in error.message


async def test_a_name_that_is_always_taken_is_unavailable_and_no_fault_of_ours(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phoenix_grpc.store.postgres.retries.PATIENCE_SECONDS", 0.5)

    def twice(tx: Transaction) -> None:
        Adding()(tx)
        Adding()(tx)

    begun = time.monotonic()
    assert isinstance(await failure_of(database, twice), Unavailable)
    assert time.monotonic() - begun < 3


async def test_a_text_that_cannot_be_there_is_not_looked_for(database: str) -> None:
    error = await failure_of(
        database, lambda tx: tx.rows("SELECT 1 FROM datasets WHERE name = :name", {"name": "a\0b"})
    )
    assert isinstance(error, Invalid)


async def test_a_full_disk_is_a_full_store(database: str) -> None:
    def fill(tx: Transaction) -> None:
        tx.run("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$")

    assert isinstance(await failure_of(database, fill), StoreFull)


async def test_a_commit_that_no_standby_has_is_unknown(open_folder: Path) -> None:
    with running_postgres(open_folder / "server") as server:
        url = server.create_database()
        engine = open_engine(url)
        server.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        server.execute("SELECT pg_reload_conf()")
        try:
            writing = asyncio.create_task(engine.write(Adding()))
            waiting = "SELECT COUNT(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            async with asyncio.timeout(20):
                while not writing.done():
                    await asyncio.sleep(0.1)
                    server.execute(waiting)
            with pytest.raises(Unavailable, match="the outcome is unknown"):
                await writing
        finally:
            await engine.close()


async def test_a_host_that_is_away_is_passed_over(database: str, tmp_path: Path) -> None:
    start, _, folder = database.partition("?host=")
    engine = open_engine(f"{start}?host={tmp_path},{folder}")
    try:
        assert await engine.write(Adding()) == 1
    finally:
        await engine.close()


async def test_a_database_that_became_read_only_is_unavailable(database: str) -> None:
    error = await failure_of(database, lambda tx: (tx.run("SET TRANSACTION READ ONLY"), Adding()(tx)))
    assert isinstance(error, Unavailable)
    assert "read-only" in error.message


@pytest.mark.parametrize("kind", [psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement])
def test_a_pooler_without_prepared_statements_is_told_by_the_switch(kind: type[psycopg.Error]) -> None:
    assert "PHOENIX_SQL_PREPARED_STATEMENTS=false" in str(as_ours(kind("no such statement")))
