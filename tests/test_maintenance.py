"""Work off the calls' path goes on, whatever fails."""

import asyncio

from phoenix_grpc import maintenance
from phoenix_grpc.errors import Unavailable
from tests.conftest import eventually


async def test_a_job_that_fails_is_tried_again(monkeypatch) -> None:
    failures = [Unavailable("the store is away"), ValueError("a mistake"), OSError("no space")]
    rounds = 0

    async def job() -> None:
        nonlocal rounds
        rounds += 1
        if failures:
            raise failures.pop()

    task = asyncio.create_task(maintenance._repeat(0.001, job))
    await eventually(lambda: rounds >= 5)
    task.cancel()
