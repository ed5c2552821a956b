"""Work off the calls' path: it goes on, whatever fails, and gives memory back."""

import asyncio
import os
from pathlib import Path

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.server import background
from tests.conftest import eventually


async def test_a_job_that_fails_is_tried_again(monkeypatch) -> None:
    failures = [Unavailable("the store is away"), ValueError("a mistake"), OSError("no space")]
    rounds = 0

    async def job() -> None:
        nonlocal rounds
        rounds += 1
        if failures:
            raise failures.pop()

    task = asyncio.create_task(background._repeat(0.001, job))
    await eventually(lambda: rounds >= 5)
    task.cancel()


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_freed_memory_goes_back_to_the_system() -> None:
    blocks = [bytes(8000) for _ in range(20_000)]
    blocks = blocks[::100]  # what stays is all over the heap
    before = resident()
    background.return_memory()
    assert before - resident() > 50 << 20
    assert len(blocks) == 200
