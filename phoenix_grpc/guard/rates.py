"""How often one address may call: a bucket of tokens for each, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable

from phoenix_grpc.errors import LimitExceeded

_MAX_ADDRESSES = 10_000


class RateLimit:
    """Lets each address call `burst` times at once, and `per_minute` times in the long run."""

    def __init__(self, burst: float, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def require(self, address: str) -> None:
        """Counts a call.

        Raises:
            LimitExceeded: with the seconds after which the next may come.
        """
        now = self._clock()
        tokens, since = self._buckets.pop(address, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - allowed, now)
        if len(self._buckets) > _MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if not allowed:
            raise LimitExceeded("too many attempts from this address", retry_after=(1 - tokens) / self._per_second)
