"""What bounds the calls of all together: how many run, how long they wait for messages, how many bytes they hold."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar
from weakref import WeakValueDictionary

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
    """How many calls of a kind may run at once, and how many do.

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
        """Counts a call; one that is refused counts, too, until it leaves.

        Arguments:
            who: whose share it takes; "" for nobody's.

        Raises:
            LimitExceeded: when more run than may.
        """
        self.running += 1
        if who:
            self._of[who] += 1
        if self.running > self.limit or self._of[who] > self.share:
            raise LimitExceeded("the server already serves its maximum number of calls", retry_after=1)

    def leave(self, who: str = "") -> None:
        """Ends what `enter` began."""
        self.running -= 1
        if who:
            self._of[who] -= 1
            if not self._of[who]:
                del self._of[who]


class Rooms:
    """The rooms of a server. Strangers may hold calls open, so these must not take the room of callers.

    Arguments:
        max_calls: of callers, all together.
    """

    def __init__(self, max_calls: int) -> None:
        self._calls = Room(max_calls)
        self._uploads = Room(MAX_UPLOADS, _UPLOADS_SHARE)
        self._public = Room(MAX_PUBLIC_CALLS, _PUBLIC_SHARE)
        self._public_streams = Room(MAX_PUBLIC_STREAMS, _PUBLIC_SHARE)

    def enter(self, method: Method, who: str, shared: bool) -> Callable[[object], None]:
        """Takes a place; returns what gives it back, as the callback of a task's end.

        Arguments:
            who: whose share it takes.
            shared: whether many callers may be behind `who`, so that strangers there are held to no share.

        Raises:
            LimitExceeded: when too many run.
        """
        if method.rule.public:
            room = self._public_streams if method.reads_stream or method.writes_stream else self._public
            return _entered([(room, "" if shared else who)])
        if method.reads_stream:
            return _entered([(self._calls, ""), (self._uploads, who)])
        return _entered([(self._calls, "")])


def _entered(places: Sequence[tuple[Room, str]]) -> Callable[[object], None]:
    taken: list[tuple[Room, str]] = []

    def leave(_: object = None) -> None:
        while taken:
            room, who = taken.pop()
            room.leave(who)

    try:
        for room, who in places:
            taken.append((room, who))
            room.enter(who)
    except LimitExceeded:
        leave()
        raise
    return leave


class Arrivals:
    """Waits for messages. C-core keeps the beginning of each as long as its end is awaited, so that few may be slow.

    Time is counted in ticks of a loop that keeps up, so that a server under load, or stopped for a while, does not take
    what it has not yet looked at for slow.

    Arguments:
        slow: how many messages may be under way that did not come at once; the oldest beyond that are given up.
        share: how many messages of one caller may be under way; more wait for their turn.
        seconds: after which each is given up.
    """

    def __init__(self, slow: int, share: int, seconds: float = MESSAGE_SECONDS) -> None:
        self._slow = slow
        self._share = share
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
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
        turns = self._turns.get(who) or self._turns.setdefault(who, asyncio.Semaphore(self._share))
        async with turns:
            return await self._wait(read())

    async def _wait(self, message: Awaitable[T]) -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        cancelling = task.cancelling()
        self._begun[task] = self._now
        if self._timer is None:
            self._start()
        try:
            return await message
        except asyncio.CancelledError:
            # As asyncio.timeout does: somebody else may have cancelled the task as well.
            if task in self._given_up and task.uncancel() <= cancelling:
                raise LimitExceeded("the request did not arrive in time", retry_after=1) from None
            raise
        finally:
            del self._begun[task]
            self._given_up.discard(task)

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
        """Ends the wait for what is too old, and for the oldest of what is slow when that is too much."""
        at_once = self._now - _AT_ONCE_TICKS
        slow = list(itertools.takewhile(lambda entry: entry[1] < at_once, self._begun.items()))
        for index, (task, begun) in enumerate(slow):
            if (len(slow) - index > self._slow or self._now - begun > self._ticks) and task not in self._given_up:
                self._given_up.add(task)
                task.cancel()


class ByteBudget:
    """The bytes that requests may take in memory, all together; when they are spent, the next wait, in their order.

    Arguments:
        limit: bytes.
        patience: seconds to wait before LimitExceeded.
        queue: bytes that may be waited for at once; as many as the limit unless said.
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
        """Takes bytes, when it is their turn; only a hold calls this.

        Raises:
            LimitExceeded: when they are not free in time, or so many wait that it is pointless.
        """
        if not self._waiting and self.held + size <= self.limit:
            self.held += size
            return
        # Those who wait hold what they have read already, so that many of them would be a budget of their own.
        if self._wanted + size > self._queue:
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
        text = "the requests being served use all of their memory (PHOENIX_MAX_INFLIGHT_BYTES); try again"
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
