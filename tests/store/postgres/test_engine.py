"""What only several connections can show: conflicts, ids, isolation."""

import asyncio

import pytest

from phoenix_grpc.store.datasets import datasets
from phoenix_grpc.store.engine import Engine, Transaction
from tests.store.keeper import Keeper, named, record


async def test_changes_of_one_number_at_once_are_all_counted(engine: Engine) -> None:
    def raised(tx: Transaction) -> None:
        number = tx.one("SELECT next FROM sequences WHERE kind = 'x'")[0]
        tx.run("UPDATE sequences SET next = :next WHERE kind = 'x'", {"next": number + 1})

    await engine.write(lambda tx: tx.run("INSERT INTO sequences (kind, next) VALUES ('x', 0)"))
    await asyncio.gather(*(engine.write(raised) for _ in range(8)))
    assert await engine.read(lambda tx: tx.one("SELECT next FROM sequences WHERE kind = 'x'")) == (8,)


async def test_of_many_who_create_one_name_one_succeeds(engine: Engine) -> None:
    tries = (engine.write(datasets.create_dataset, "same", None, "{}", None) for _ in range(8))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyExists"] * 7 + ["Dataset"]


async def test_ids_do_not_wait_for_a_transaction_that_is_open(engine: Engine) -> None:
    first = await engine.write(lambda tx: tx.take_ids("Dataset"))

    async def inner() -> int:
        return await engine.write(lambda tx: tx.take_ids("Dataset", 5))

    def outer(tx: Transaction) -> tuple[int, int]:
        mine = tx.take_ids("Dataset")
        return mine, asyncio.run_coroutine_threadsafe(inner(), loop).result(10)

    loop = asyncio.get_running_loop()
    mine, others = await engine.write(outer)
    assert (mine, others) == (first + 1, first + 2)


async def test_a_read_sees_one_state(keeper: Keeper) -> None:
    await keeper.upload([record("a")])
    loop = asyncio.get_running_loop()

    async def twice() -> tuple[int, int]:
        started = asyncio.Event()

        def look(tx: Transaction) -> tuple[int, int]:
            before = tx.one("SELECT COUNT(*) FROM revisions")[0]
            loop.call_soon(started.set)
            tx.one("SELECT pg_sleep(0.3)")
            return before, tx.one("SELECT COUNT(*) FROM revisions")[0]

        reading = asyncio.create_task(keeper.engine.read(look))
        await started.wait()
        await keeper.upload([record("b")])
        return await reading

    assert await twice() == (1, 1)


async def test_rows_that_are_long_are_fetched_a_few_at_a_time(engine: Engine) -> None:
    def read_two(tx: Transaction) -> int:
        rows = tx.scan("SELECT n, REPEAT('x', 1000000) FROM generate_series(1, 100000) AS n")
        return sum(len(next(rows)[1]) for _ in range(20))

    assert await engine.read(read_two) == 20_000_000


async def test_rows_beyond_what_the_caller_takes_are_hardly_fetched(engine: Engine) -> None:
    await engine.write(lambda tx: tx.define("CREATE SEQUENCE fetched"))

    def read_some(tx: Transaction) -> None:
        rows = tx.scan("SELECT NEXTVAL('fetched'), REPEAT('x', 200) FROM GENERATE_SERIES(1, 1000)", chars=100_000)
        for _ in range(500):
            next(rows)

    await engine.stage(read_some)
    assert 500 <= (await engine.read(lambda tx: tx.one("SELECT last_value FROM fetched")))[0] < 600


async def test_rows_are_fetched_to_the_end_though_the_caller_takes_more(engine: Engine) -> None:
    def read_all(tx: Transaction) -> int:
        return sum(1 for _ in tx.scan("SELECT n, REPEAT('x', 200) FROM GENERATE_SERIES(1, 3000) AS n", chars=1000))

    assert await engine.read_many(read_all) == 3000


@pytest.mark.parametrize("text", ["a\tb\nc\\d", "\\N", "\u00e9\U0001f600", "", "'\"%(x)s"])
async def test_bulk_rows_carry_any_text(keeper: Keeper, text: str) -> None:
    await keeper.upload([record(text, external_id=text or None)])
    assert await keeper.contents() == [text]
    assert (await keeper.dataset()).name == named("d").name
