"""The engine behind PgBouncer in transaction mode, where no session is its own."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.postgres.watcher import LEASE_SECONDS
from phoenix_grpc.store.revision import Subject, revoke
from tests.postgres import empty_database
from tests.postgres_pooler import passes_prepared_statements, pooled
from tests.store.keeper import Keeper, record


@pytest.fixture
def url() -> Iterator[str]:
    """A database without a table, behind a pooler with few connections."""
    with pooled(empty_database(), size=3) as url:
        yield url


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """An engine that prepares no statements."""
    engine = open_engine(url, prepares=False)
    yield engine
    await engine.close()


async def test_everything_is_kept_through_a_pooler(engine: Engine) -> None:
    keeper = Keeper(engine)

    async def fill(name: str) -> None:
        await keeper.upload([record(f"{name}{number}", external_id=str(number)) for number in range(30)], name=name)
        await keeper.upload([record("changed", external_id="7")], name=name)

    names = [f"d{number}" for number in range(8)]
    await asyncio.gather(*map(fill, names))
    for name in names:
        contents = await keeper.contents(name)
        assert contents == [f"{name}{number}" if number != 7 else "changed" for number in range(30)]


async def test_a_revocation_is_known_to_the_other_nodes(engine: Engine, url: str) -> None:
    other = open_engine(url, prepares=False)
    try:
        before = (await other.auth_revision()).number
        await engine.write(revoke, Subject.USER, 1)
        assert (await other.auth_revision()).number == before + 1
        await asyncio.sleep(3 * LEASE_SECONDS)
        assert (await other.auth_revision()).epoch >= 0
    finally:
        await other.close()


async def test_ids_go_on_when_their_connection_is_ended(engine: Engine) -> None:
    def end_idle(tx: Transaction) -> None:
        tx.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE state = 'idle in transaction' AND datname = current_database()"
        )

    first = await engine.write(lambda tx: tx.take_ids("Dataset"))
    await engine.read(end_idle)
    ids = await asyncio.gather(*(engine.write(lambda tx: tx.take_ids("Dataset")) for _ in range(8)))
    assert len(set(ids)) == 8
    assert min(ids) > first


async def test_migrations_leave_no_lock_behind(engine: Engine, url: str) -> None:
    for _ in range(4):
        await open_engine(url, prepares=False).close()
    assert await engine.read(lambda tx: tx.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")) == []


async def test_where_prepared_statements_do_not_work_the_switch_is_named(engine: Engine, url: str) -> None:
    preparing = open_engine(url, prepares=True)

    async def use_both() -> None:
        for _ in range(10):
            await asyncio.gather(*(preparing.check() for _ in range(8)), *(engine.check() for _ in range(8)))

    try:
        if passes_prepared_statements():
            await use_both()
        else:
            with pytest.raises(Unavailable, match="PHOENIX_SQL_PREPARED_STATEMENTS=false"):
                await use_both()
    finally:
        await preparing.close()
