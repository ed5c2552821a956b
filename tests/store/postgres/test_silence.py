"""A database that falls silent while its machine keeps the connections open: every call ends."""

import asyncio
import time

import pytest

from phoenix_grpc.errors import Invalid, Unavailable
from phoenix_grpc.store.engine import Engine, Transaction
from tests.postgres_proxy import Proxy

LONGEST_SECONDS = 15
"""Well over the five of the silence, and those of another attempt."""


@pytest.fixture
def engine(engine_behind: Engine) -> Engine:
    """An engine behind a line that can be cut."""
    return engine_behind


@pytest.mark.parametrize("method", ["read", "read_many", "read_long", "write", "stage"])
async def test_a_transaction_that_is_given_up_in_the_silence_ends(engine: Engine, proxy: Proxy, method: str) -> None:
    """Its connection works, for all that is known: to roll back must not wait for the database either."""
    await engine.check()

    def give_up(tx: Transaction) -> None:
        tx.rows("SELECT 1")
        tx.rows("SELECT 2")
        proxy.stall()
        raise Invalid("name", "is none")

    async with asyncio.timeout(LONGEST_SECONDS):
        with pytest.raises(Invalid, match="is none"):
            await getattr(engine, method)(give_up)


async def test_all_who_wait_for_a_connection_at_once_are_refused_in_time(engine: Engine, proxy: Proxy) -> None:
    """None waits for another one's attempt to connect."""
    await engine.write(lambda tx: tx.take_ids("x"))
    proxy.stall()
    begun = time.monotonic()
    found = await asyncio.gather(
        *(engine.write(lambda tx: tx.take_ids("x", 1_000)) for _ in range(8)),
        *(engine.stage(lambda tx: tx.take_ids("x", 1_000)) for _ in range(8)),
        return_exceptions=True,
    )
    assert [type(error) for error in found] == [Unavailable] * 16
    assert time.monotonic() - begun < LONGEST_SECONDS
