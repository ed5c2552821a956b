"""The limits of all calls together: how many run, how long they wait for messages, how many bytes they hold."""

import asyncio
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from phoenix_grpc.contract import Method
from phoenix_grpc.errors import LimitExceeded

MAX_PUBLIC_CALLS = 256
MAX_PUBLIC_STREAMS = 1000
"""What strangers may hold open, all together: calls such as logins; streams of health and reflection."""
_PUBLIC_SHARE = 32
"""How many of either one address may."""
MAX_UPLOADS = 64
_UPLOADS_SHARE = 32
"""Uploads at once, and those of one caller: C-core holds up to a message of each while it is on its way."""
PATIENCE_SECONDS = 2.0
"""How long a call waits for bytes of others to be given back."""
MESSAGE_SECONDS = 10.0
"""How long a message may be under way from when the server is ready for it."""
_TICK = 0.1
_AT_ONCE_TICKS = 5
"""After so many ticks a message has not come at once."""


T = TypeVar("T")


class Room:
    """Counts the calls of a kind that run, up to a limit.

    Arguments:
        limit: of all.
        share: of those of one caller.
    """

    def __init__(self, limit: float, share: float | None = None) -> None:
        self.limit = limit
        self.share = limit if share is None else share
        self.running = 0
        self._of: Counter[str] = Counter()

    def enter(self, who: str = "") -> None:
        """Counts a call.

        Arguments:
            who: the caller whose share it takes; "" for none.

        Raises:
            LimitExceeded: when as many run as may.
        """
        if self.running >= self.limit or (who and self._of[who] >= self.share):
            raise LimitExceeded("the server already serves its maximum number of calls", retry_after=1)
        self.running += 1
        if who:
            self._of[who] += 1

    def leave(self, who: str = "") -> None:
        """Ends what `enter` began."""
        self.running -= 1
        if who:
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]


class Rooms:
    """The rooms of a server. Strangers may hold calls open, so they have rooms of their own.

    Arguments:
        max_calls: of callers, all together.
    """

    def __init__(self, max_calls: int) -> None:
        self._calls = Room(max_calls)
        self._uploads = Room(MAX_UPLOADS, _UPLOADS_SHARE)
        self._public = Room(MAX_PUBLIC_CALLS, _PUBLIC_SHARE)
        self._public_streams = Room(MAX_PUBLIC_STREAMS, _PUBLIC_SHARE)

    @property
    def running(self) -> int:
        """How many calls run that need a credential."""
        return self._calls.running

    def enter(self, method: Method, who: str, shared: bool) -> Callable[[object], object]:
        """Takes a place; returns a function that gives it back, for use as a task's done callback.

        Arguments:
            who: the caller whose share it takes.
            shared: whether many callers may be behind `who`, so that the share of strangers does not apply.

        Raises:
            LimitExceeded: when too many run.
        """
        if method.rule.public:
            room = self._public_streams if method.reads_stream or method.writes_stream else self._public
            share = "" if shared else who
            room.enter(share)
            return lambda _: room.leave(share)
        self._calls.enter()
        if not method.reads_stream:
            return self._leave_calls
        try:
            self._uploads.enter(who)
        except LimitExceeded:
            self._calls.leave()
            raise

        def leave(_: object) -> None:
            self._uploads.leave(who)
            self._calls.leave()

        return leave

    def _leave_calls(self, _: object) -> None:
        self._calls.leave()


class Arrivals:
    """Waits for messages. C-core keeps the beginning of each until its end arrives, so only few may be slow.

    Time is counted in ticks of a loop that keeps up, so that a server under load, or stopped for a while, does not
    mistake messages that it has not read yet for slow ones.

    Arguments:
        slow: how many messages may be under way that did not come at once; the oldest beyond that are given up.
        share: how many messages of one caller may be under way; more wait for their turn.
        seconds: after which each is given up.
    """

    def __init__(self, slow: int, share: int, seconds: float = MESSAGE_SECONDS) -> None:
        self._slow = slow
        self._share = share
        self._under_way: Counter[str] = Counter()
        self._queues: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        self._ticks = round(seconds / _TICK)
        self._begun: dict[asyncio.Task[object], int] = {}
        self._given_up: set[asyncio.Task[object]] = set()
        self._now = 0
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, who: str, read: Callable[[], Awaitable[T]]) -> T:
        """The message that `read` waits for, when it is the turn of the caller's call.

        Raises:
            LimitExceeded: when it does not come in time.
        """
        if self._under_way[who] < self._share:
            self._under_way[who] += 1
        else:
            await self._turn(who)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        cancelling = task.cancelling()
        self._begun[task] = self._now
        if self._timer is None:
            self._start()
        try:
            return await read()
        except asyncio.CancelledError:
            # As asyncio.timeout does: somebody else may have cancelled the task as well.
            if task in self._given_up and task.uncancel() <= cancelling:
                raise LimitExceeded("the request did not arrive in time", retry_after=1) from None
            raise
        finally:
            del self._begun[task]
            self._given_up.discard(task)
            self._leave(who)

    async def _turn(self, who: str) -> None:
        """Waits for the place of one that leaves."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues[who].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the place came in the same moment
                self._leave(who)
            raise

    def _leave(self, who: str) -> None:
        """Gives the place to the next who waits, or back."""
        if who in self._queues:
            queue = self._queues[who]
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
            del self._queues[who]
        if self._under_way[who] > 1:
            self._under_way[who] -= 1
        else:
            del self._under_way[who]

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_TICK, self._tick, loop.time() + _TICK)

    def _tick(self, due: float) -> None:
        self._timer = None
        if asyncio.get_running_loop().time() - due < _TICK:
            self._now += 1
            self._give_up()
        if self._begun:
            self._start()

    def _give_up(self) -> None:
        """Ends the wait for messages that are too old, and for the oldest slow ones if there are too many."""
        at_once = self._now - _AT_ONCE_TICKS
        slow = list(itertools.takewhile(lambda entry: entry[1] < at_once, self._begun.items()))
        for index, (task, begun) in enumerate(slow):
            if (len(slow) - index > self._slow or self._now - begun > self._ticks) and task not in self._given_up:
                self._given_up.add(task)
                task.cancel()


class ByteBudget:
    """The bytes that all requests together may take in memory; when they are used up, further requests wait in order.

    Arguments:
        limit: bytes.
        patience: seconds to wait before LimitExceeded.
        queue: bytes that may be waited for at once; by default as many as the limit.
    """

    def __init__(self, limit: int, patience: float = PATIENCE_SECONDS, queue: int | None = None) -> None:
        self.limit = limit
        self._queue = limit if queue is None else queue
        self.held = 0
        self._patience = patience
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._wanted = 0

    def hold(self) -> "Hold":
        """A new hold of no bytes yet."""
        return Hold(self)

    async def take(self, size: int) -> None:
        """Takes bytes in turn; only a hold calls this.

        Raises:
            LimitExceeded: when they are not free in time, or so many wait that it is pointless.
        """
        if not self._waiting and self.held + size <= self.limit:
            self.held += size
            return
        # Waiters hold what they have read already, so many of them would amount to a second budget.
        if self._wanted + size > self._queue:
            raise self._spent()
        await self._wait(size)

    def give(self, size: int) -> None:
        """Gives bytes back, and wakes the waiters that fit now; only a hold calls this."""
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
        text = "the requests being served use all of their memory (PHOENIX_MAX_INFLIGHT_BYTES); try again"
        return LimitExceeded(text, retry_after=self._patience)


class Hold:
    """The bytes that one call holds. As a context, it gives them back at its end."""

    __slots__ = ("_budget", "size")

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size = 0

    async def grow(self, size: int) -> None:
        """Holds `size` more bytes, in turn.

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
        """Gives back all but `size` bytes."""
        given, self.size = self.size - size, size
        self._budget.give(given)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shrink(0)
