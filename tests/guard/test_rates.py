"""The bucket of each address."""

import math

import pytest

from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.rates import RateLimit


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
