"""Short reads: how often they turn to the server, and what they see."""

import pytest

from phoenix_grpc.store.engine import Engine, Transaction
from tests.postgres_proxy import Proxy


@pytest.fixture
def engine(engine_behind: Engine) -> Engine:
    """An engine behind a line that can be cut."""
    return engine_behind


class Looking:
    """A read of so many statements, which counts how often it is run."""

    def __init__(self) -> None:
        self.runs = 0

    async def read(self, engine: Engine, count: int) -> None:
        """Reads once."""

        def look(tx: Transaction) -> list[int]:
            self.runs += 1
            return [tx.one("SELECT :number", {"number": number})[0] for number in range(count)]

        assert await engine.read(look) == list(range(count))


async def test_one_statement_takes_one_turn_and_more_take_two_beside(engine: Engine, proxy: Proxy) -> None:
    looking = Looking()
    await looking.read(engine, 1)
    proxy.keep()
    await looking.read(engine, 1)
    assert not any(b"BEGIN" in order or b"COMMIT" in order for order in proxy.sent)
    await looking.read(engine, 3)
    assert sum(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" in order for order in proxy.sent) == 1
    assert sum(b"COMMIT" in order for order in proxy.sent) == 1


async def test_a_function_is_run_again_only_until_it_is_known(engine: Engine) -> None:
    looking = Looking()
    for _ in range(3):
        await looking.read(engine, 1)
    assert looking.runs == 3
    for _ in range(3):
        await looking.read(engine, 2)
    assert looking.runs == 3 + 1 + 3


async def test_a_scan_takes_a_transaction(engine: Engine) -> None:
    def count(tx: Transaction) -> int:
        return sum(1 for _ in tx.scan("SELECT n FROM generate_series(1, 1000) AS n"))

    assert await engine.read(count) == 1000


async def test_a_read_that_fails_leaves_its_connection_usable(engine: Engine) -> None:
    def fail(tx: Transaction) -> None:
        tx.one("SELECT 1")
        tx.one("SELECT 2")
        raise LookupError

    for _ in range(20):
        with pytest.raises(LookupError):
            await engine.read(fail)
    await engine.check()
