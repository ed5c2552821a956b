"""How often one address, or one caller, may call: a bucket of tokens for each, in bounded memory."""

import time
from collections import OrderedDict
from collections.abc import Callable

from phoenix_grpc.errors import LimitExceeded

_MAX_ADDRESSES = 10_000


class RateLimit:
    """Lets each address call `burst` times at once, and `per_minute` times in the long run.

    Arguments:
        refusal: what those are told who call more often.
    """

    def __init__(
        self,
        burst: float,
        per_minute: float,
        clock: Callable[[], float] = time.monotonic,
        refusal: str = "too many attempts from this address",
    ) -> None:
        self._refusal = refusal
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
            raise LimitExceeded(self._refusal, retry_after=(1 - tokens) / self._per_second)


class CallRates:
    """How often calls may begin that need a credential.

    Arguments:
        per_caller, per_address: calls a second of one user or system key, and from one address; 0 is without limit.
        burst_seconds: how many seconds' worth of them may come at once; one call at least.
    """

    def __init__(
        self,
        per_caller: float = 0,
        per_address: float = 0,
        burst_seconds: float = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        def limit(per_second: float, whose: str) -> RateLimit | None:
            refusal = f"too many calls {whose}"
            burst = max(1.0, per_second * burst_seconds)
            return RateLimit(burst, per_second * 60, clock, refusal) if per_second else None

        self._callers = limit(per_caller, "of this caller (PHOENIX_MAX_CALLS_PER_SECOND_PER_CALLER)")
        self._addresses = limit(per_address, "from this address (PHOENIX_MAX_CALLS_PER_SECOND_PER_ADDRESS)")

    def require(self, caller: str, address: str) -> None:
        """Counts a call.

        Arguments:
            address: empty if it may be that of many callers.

        Raises:
            LimitExceeded: with the seconds after which the next may come.
        """
        if self._addresses is not None and address:
            self._addresses.require(address)
        if self._callers is not None:
            self._callers.require(caller)
