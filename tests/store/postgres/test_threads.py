"""Writes and long work, which do not wait for each other."""

import asyncio
import time

from phoenix_grpc.store.opening import open_engine
from tests.postgres import new_database


async def test_writes_and_downloads_do_not_wait_for_long_work() -> None:
    engine = open_engine(new_database(), pool_size=2)
    try:
        await engine.write(lambda tx: tx.take_ids("Dataset"))
        working = [
            asyncio.create_task(work(lambda tx: tx.rows("SELECT pg_sleep(2)")))
            for work in (engine.read_long, engine.stage) * 2
        ]
        await asyncio.sleep(0.2)
        begun = time.monotonic()
        await engine.write(lambda tx: tx.take_ids("Dataset"))
        await engine.read_many(lambda tx: tx.rows("SELECT 1"))
        assert time.monotonic() - begun < 1
        await asyncio.gather(*working)
    finally:
        await engine.close()
