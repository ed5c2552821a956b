"""How a node knows the auth revision, and how it does without the database."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import pytest_asyncio

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.model import Row
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.postgres.connections import Connections
from phoenix_grpc.store.postgres.watcher import LEASE_SECONDS, RevisionWatcher
from phoenix_grpc.store.revision import Subject, revoke
from tests.conftest import eventually
from tests.postgres_proxy import Proxy

Make = Callable[..., RevisionWatcher]


@pytest_asyncio.fixture
async def watcher(proxy: Proxy) -> AsyncIterator[Make]:
    """Makes watchers behind the proxy."""
    made: list[RevisionWatcher] = []

    def make(seconds: float = LEASE_SECONDS) -> RevisionWatcher:
        made.append(RevisionWatcher(Connections(proxy.url, prepares=True).open_for_watching, seconds))
        return made[-1]

    yield make
    for watcher in made:
        await watcher.close()


def set_revision(database: str, number: int, notifies: bool = False) -> None:
    """Another node's change."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE auth_revision SET revision = %s", [number])
        if notifies:
            connection.execute("NOTIFY phoenix_grpc_auth")


async def test_a_change_is_known_within_the_lease(watcher: Make, database: str) -> None:
    nodes = [watcher() for _ in range(3)]
    for number in range(1, 5):
        set_revision(database, number)
        await asyncio.sleep(LEASE_SECONDS)
        assert [(await node.revision()).number for node in nodes] == [number] * 3


async def test_a_change_is_heard_of_before_the_next_read(watcher: Make, database: str, proxy: Proxy) -> None:
    proxy.keep()
    node = watcher(seconds=60)
    await node.revision()
    await eventually(lambda: any(b"LISTEN" in order for order in proxy.sent))
    await asyncio.sleep(0.2)
    set_revision(database, 7, notifies=True)
    await eventually(lambda: node._revision.number == 7, seconds=5)


async def test_a_node_that_cannot_listen_reads_in_time(watcher: Make, database: str, proxy: Proxy) -> None:
    proxy.cut_at(b"LISTEN")
    node = watcher()
    await node.revision()
    set_revision(database, 7, notifies=True)
    await asyncio.sleep(LEASE_SECONDS)
    assert (await node.revision()).number == 7


async def test_calls_wait_for_one_read_together(watcher: Make, proxy: Proxy) -> None:
    node = watcher(seconds=0.5)
    await node.revision()
    proxy.stall()
    await asyncio.sleep(0.6)
    proxy.keep()
    calls = [asyncio.create_task(node.revision()) for _ in range(200)]
    await asyncio.sleep(0.3)
    assert not any(call.done() for call in calls)
    proxy.go_on()
    assert len(set(await asyncio.gather(*calls))) == 1
    assert sum(b"system_identifier" in order or b"_pg3_" in order for order in proxy.sent) < 10


async def test_without_an_answer_calls_are_refused_after_two_seconds(watcher: Make, proxy: Proxy) -> None:
    node = watcher()
    await node.revision()
    proxy.stall()
    await asyncio.sleep(LEASE_SECONDS)
    begun = time.monotonic()
    results = await asyncio.gather(*(node.revision() for _ in range(50)), return_exceptions=True)
    assert 1.8 < time.monotonic() - begun < 3
    assert all(isinstance(result, Unavailable) and result.retry_after for result in results)


async def test_a_connection_that_stalls_is_replaced(watcher: Make, proxy: Proxy) -> None:
    node = watcher()
    before = await node.revision()
    proxy.stall(new=False)
    await asyncio.sleep(LEASE_SECONDS)
    begun = time.monotonic()
    while True:
        try:
            after = await node.revision()
            break
        except Unavailable:
            assert time.monotonic() - begun < 5
    assert after.epoch > before.epoch


async def test_an_epoch_ends_with_the_connection(watcher: Make, proxy: Proxy) -> None:
    node = watcher()
    before = await node.revision()
    await asyncio.sleep(2 * LEASE_SECONDS)
    assert await node.revision() == before
    proxy.cut()
    await asyncio.sleep(2 * LEASE_SECONDS)
    after = await node.revision()
    assert after > before
    assert after.epoch > before.epoch


async def test_an_epoch_ends_when_the_number_falls(watcher: Make, database: str) -> None:
    node = watcher()
    set_revision(database, 9)
    before = await node.revision()
    assert before.number == 9
    set_revision(database, 3)
    await asyncio.sleep(LEASE_SECONDS)
    after = await node.revision()
    assert after == (before.epoch + 1, 3)


async def test_an_epoch_ends_when_the_database_is_another(watcher: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    node = watcher()
    before = await node.revision()
    # As if the pooler before the database had led to a standby that became the primary.
    monkeypatch.setattr(node, "_source", (1, 1))
    await asyncio.sleep(LEASE_SECONDS)
    assert (await node.revision()).epoch == before.epoch + 1


async def test_it_closes_at_once_even_without_an_answer(watcher: Make, proxy: Proxy) -> None:
    node = watcher()
    await node.revision()
    proxy.stall()
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    await node.close()
    assert time.monotonic() - begun < 1


async def test_a_node_that_is_cut_off_honours_nothing_that_was_revoked(proxy: Proxy, database: str) -> None:
    """A node that cannot reach the database never trusts the revision before a revocation that has returned."""
    nodes = [open_engine(database), open_engine(database), open_engine(proxy.url)]
    try:
        before = [(await node.auth_revision()).number for node in nodes]
        proxy.stall()
        await nodes[0].write(revoke, Subject.USER, 1)
        assert (await nodes[1].auth_revision()).number == before[1] + 1
        with pytest.raises(Unavailable):
            await nodes[2].auth_revision()
        proxy.go_on()
        async with asyncio.timeout(10):
            while (await nodes[2].auth_revision()).number != before[2] + 1:
                await asyncio.sleep(0.05)
    finally:
        proxy.go_on()
        for node in nodes:
            await node.close()


async def test_a_connection_that_is_made_while_the_watcher_closes_is_closed_too(database: str) -> None:
    connections = Connections(database, prepares=True)
    made: list[psycopg.AsyncConnection[Row]] = []
    asked = asyncio.Event()

    async def connect() -> psycopg.AsyncConnection[Row]:
        if listens := asked.is_set():
            await eventually(lambda: bool(made))
        asked.set()
        connection = await connections.open_for_watching()
        made.append(connection)
        while listens and not made[0].closed:  # it is there when the first one ends
            await asyncio.sleep(0)
        return connection

    watcher = RevisionWatcher(connect)
    await watcher.revision()
    await eventually(lambda: len(made) == 2)
    async with asyncio.timeout(5):
        await watcher.close()
    assert all(connection.closed for connection in made)
