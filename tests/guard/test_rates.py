"""The bucket of each address."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.rates import CallRates, RateLimit


def wait(limit: RateLimit, address: str) -> float:
    """How long a call must wait; 0 when it may go on."""
    try:
        limit.require(address)
    except LimitExceeded as error:
        return error.retry_after or -1
    return 0


def test_a_burst_then_a_pace_and_each_address_for_itself() -> None:
    now = 0.0
    limit = RateLimit(burst=3, per_minute=60, clock=lambda: now)
    assert [wait(limit, "a") for _ in range(4)] == [0, 0, 0, 1]
    assert wait(limit, "b") == 0
    now = 0.5
    assert wait(limit, "a") == 0.5
    now = 1.0
    assert wait(limit, "a") == 0
    now = 1000.0
    assert [wait(limit, "a") for _ in range(4)] == [0, 0, 0, 1]


def test_addresses_beyond_the_bound_are_forgotten_oldest_first() -> None:
    limit = RateLimit(burst=1, per_minute=1, clock=lambda: 0.0)
    limit.require("first")
    for number in range(10_000):
        limit.require(str(number))
    limit.require("first")
    with pytest.raises(LimitExceeded):
        limit.require("9999")


def test_without_end_nobody_waits() -> None:
    limit = RateLimit(math.inf, 1)
    assert [wait(limit, "a") for _ in range(1000)] == [0] * 1000


@given(
    burst=st.integers(1, 5),
    per_minute=st.floats(1, 600),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_more_calls_pass_than_the_bucket_has_and_whoever_waits_passes(
    burst: int, per_minute: float, pauses: list[float]
) -> None:
    now, passed = 0.0, list[float]()
    limit = RateLimit(burst, per_minute, clock=lambda: now)
    for pause in pauses:
        now += pause
        patience = wait(limit, "a")
        if patience:
            assert wait(limit, "a") > 0  # a refusal costs nothing, and gives nothing
            now += patience * 1.000001 + 1e-9
            assert wait(limit, "a") == 0
        passed.append(now)
        for first in passed:
            within = [moment for moment in passed if moment >= first]
            assert len(within) <= burst + (now - first) * per_minute / 60 + 1e-6


@pytest.mark.parametrize(
    ("rates", "calls", "refused_by"),
    [
        ({}, [("user 1", "a")] * 1000, None),
        ({"per_caller": 2}, [("user 1", "a"), ("user 2", "a"), ("user 1", "b")], None),
        ({"per_caller": 2}, [("user 1", "a")] * 3, "PER_CALLER"),
        ({"per_caller": 2, "burst_seconds": 2}, [("user 1", "a")] * 4, None),
        ({"per_address": 2}, [("user 1", "a"), ("user 2", "a"), ("user 3", "a")], "PER_ADDRESS"),
        ({"per_address": 2}, [("user 1", "a"), ("user 2", "b"), ("user 1", "a")], None),
        ({"per_address": 1}, [("user 1", "")] * 9, None),  # of many callers, perhaps
        ({"per_caller": 0.1}, [("user 1", "a")], None),
        ({"per_caller": 0.1}, [("user 1", "a")] * 2, "PER_CALLER"),
    ],
)
def test_calls_are_counted_for_their_caller_and_for_their_address(
    rates: dict[str, float], calls: list[tuple[str, str]], refused_by: str | None
) -> None:
    limit = CallRates(**rates, clock=lambda: 0)
    *before, last = calls
    for call in before:
        limit.require(*call)
    if refused_by is None:
        limit.require(*last)
        return
    with pytest.raises(LimitExceeded, match=refused_by):
        limit.require(*last)
