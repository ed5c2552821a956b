"""Sheds load before the server drowns in it: when its event loop is late again and again, new calls are refused.

A call that is refused at once costs little, and its caller learns when to come again; calls that were let in while
the loop is late make all of them late.
"""

import asyncio

import structlog

from phoenix_grpc.errors import LimitExceeded

_TICK_SECONDS = 0.1
_LATE_TICKS = 3
"""So many measurements in a row make it late again and again: one slow step does not."""
_RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Watchdog:
    """Measures how late the event loop is.

    Arguments:
        limit: seconds of lag, beyond which it is late; 0 never sheds.
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._late = 0
        self._since = 0.0
        self.lag = 0.0
        """Seconds, as last measured."""

    @property
    def sheds(self) -> bool:
        """Whether new calls are refused."""
        return self._since > 0

    def require(self) -> None:
        """Lets a call in.

        Raises:
            LimitExceeded: while the server sheds load.
        """
        if self._since:
            raise LimitExceeded("the server has more to do than it can; try again", retry_after=_RETRY_SECONDS)

    async def watch(self) -> None:
        """Measures until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            await asyncio.sleep(_TICK_SECONDS)
            now = loop.time()
            self.measured(now - begun - _TICK_SECONDS, now)

    def measured(self, lag: float, now: float) -> None:
        """Takes a measurement into account.

        Arguments:
            lag: seconds.
            now: on the clock of the loop.
        """
        self.lag = lag
        self._late = self._late + 1 if self._limit and lag > self._limit else 0
        if self._late >= _LATE_TICKS and not self._since:
            self._since = now
            log.warning(
                "overloaded: new calls are refused until the event loop has caught up", lag_seconds=round(lag, 3)
            )
        elif self._since and lag <= self._limit / 2:
            log.warning("calls are let in again", refused_seconds=round(now - self._since, 1))
            self._since = 0.0
