"""How slow a sender may be."""

import asyncio
import time

import pytest

from phoenix_grpc.pace import Pace


@pytest.mark.parametrize(
    ("pieces", "in_time"),
    [
        ([(10, 0)], True),  # (seconds after the piece before, bytes)
        ([(61, 0)], False),
        ([(30, 0), (29, 0)], True),
        ([(30, 0), (31, 0)], False),
        ([(30, 10), (31, 10)], False),
        ([(30, 30_720), (59, 1)], True),
        ([(30, 1_000_000), (59, 1), (59, 1)], True),
        ([(1, 1_000_000), (61, 1)], False),
        ([(0.1, 0)] * 590, True),
        ([(0.1, 0)] * 610, False),
        ([(0.1, 103)] * 6000, True),
    ],
)
async def test_silence_and_falling_behind_have_the_same_bound(
    monkeypatch: pytest.MonkeyPatch, pieces: list[tuple[float, int]], in_time: bool
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(asyncio, "timeout", lambda seconds: seconds)
    pace = Pace(60)
    kept = True
    for seconds, size in pieces:
        kept = kept and seconds < float(pace.patience())  # type: ignore[arg-type]
        now += seconds
        pace.arrived(size)
    assert kept is in_time


async def test_a_piece_that_does_not_come_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        async with Pace(0.01).patience():
            await asyncio.sleep(10)
