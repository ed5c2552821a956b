"""The bucket of each address."""

from phoenix_grpc.http.rates import RateLimit


def test_a_burst_then_a_pace_and_each_address_for_itself() -> None:
    now = 0.0
    limit = RateLimit(burst=3, per_minute=60, clock=lambda: now)
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert limit.wait("b") == 0
    now = 0.5
    assert limit.wait("a") == 0.5
    now = 1.0
    assert limit.wait("a") == 0
    now = 1000.0
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 1]


def test_addresses_beyond_the_bound_are_forgotten_oldest_first() -> None:
    limit = RateLimit(burst=1, per_minute=1, clock=lambda: 0.0)
    limit.wait("first")
    for number in range(10_000):
        limit.wait(str(number))
    assert limit.wait("first") == 0
    assert limit.wait("9999") > 0
