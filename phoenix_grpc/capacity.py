"""What bounds the calls of all together: how many run at once, and how many bytes of requests they hold in memory."""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from phoenix_grpc.errors import LimitExceeded

PATIENCE_SECONDS = 2.0
"""How long a call waits for bytes of others to be given back."""


class Room:
    """How many calls of a kind may run at once, and how many do."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.running = 0

    def require(self) -> None:
        """Raises LimitExceeded when more run than may."""
        if self.running > self.limit:
            raise LimitExceeded("the server serves as many calls as it may at once", retry_after=1)


class ByteBudget:
    """The bytes that requests may take in memory, all together; when they are spent, the next wait, in their order.

    Arguments:
        limit: bytes.
        patience: seconds to wait before LimitExceeded.
    """

    def __init__(self, limit: int, patience: float = PATIENCE_SECONDS) -> None:
        self.limit = limit
        self.held = 0
        self._patience = patience
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._wanted = 0

    def hold(self) -> "Hold":
        """A new hold of no bytes yet."""
        return Hold(self)

    async def take(self, size: int) -> None:
        """Takes bytes, when it is their turn; only a hold calls this.

        Raises:
            LimitExceeded: when they are not free in time, or so many wait that it is pointless.
        """
        if not self._waiting and self.held + size <= self.limit:
            self.held += size
            return
        # Those who wait hold what they have read already, so that many of them would be a budget of their own.
        if self._wanted + size > self.limit:
            raise self._spent()
        await self._wait(size)

    def give(self, size: int) -> None:
        """Gives bytes back, and lets those go on who fit now; only a hold calls this."""
        self.held -= size
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done():
                if self.held + wanted > self.limit:
                    return
                self.held += wanted
                turn.set_result(None)
            self._waiting.popleft()

    async def _wait(self, size: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, turn))
        self._wanted += size
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            # The turn may have come in the same moment as the end. A turn that did not come is no one's way any more.
            self.give(0 if turn.cancelled() else size)
            if isinstance(error, TimeoutError):
                raise self._spent() from None
            raise
        finally:
            self._wanted -= size

    def _spent(self) -> LimitExceeded:
        text = "the requests being served hold as many bytes as they may (PHOENIX_MAX_INFLIGHT_BYTES); try again"
        return LimitExceeded(text, retry_after=self._patience)


class Hold:
    """The bytes that one call holds. Use it as a context: its end gives them back."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size = 0

    async def grow(self, size: int) -> None:
        """Holds `size` bytes more, as soon as those before have theirs.

        Raises:
            LimitExceeded: when they are not free in time; with no time to retry, when the budget is too small for one.
        """
        if self.size + size > self._budget.limit:
            raise LimitExceeded(
                f"a request may take {self._budget.limit:,} bytes of memory at most (PHOENIX_MAX_INFLIGHT_BYTES)"
            )
        await self._budget.take(size)
        self.size += size

    def shrink(self, size: int) -> None:
        """Gives all back but `size` bytes."""
        given, self.size = self.size - size, size
        self._budget.give(given)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shrink(0)
