"""Receives the messages of calls: in time, within their limits, and parsed within the common budget."""

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError, Message

from phoenix_grpc.contract import Method
from phoenix_grpc.errors import Invalid, LimitExceeded, Reason
from phoenix_grpc.guard.capacity import Arrivals, ByteBudget
from phoenix_grpc.rpc import wire

SMALL_REQUEST = 64 << 10
"""Bytes that a request may have when it neither reads nor writes data."""
_UNWEIGHED = 1024
"""Bytes of a message that takes no more memory than its call does anyway."""
_UNDER_WAY = 32
_SLOW = 16
"""How many messages of one caller may be under way, and how many of all callers that did not come at once."""


class Reception:
    """Reads the messages of all calls. A sender may send anything, so nothing in a message is trusted.

    Arguments:
        max_bytes: of a message.
    """

    def __init__(self, budget: ByteBudget, max_bytes: int) -> None:
        self.budget = budget
        self.max_bytes = max_bytes
        self.from_strangers = Arrivals(_SLOW, _UNDER_WAY)
        self.from_callers = Arrivals(_SLOW, _UNDER_WAY)

    def messages(self, method: Method, parse: Callable[[bytes], Message], who: str, context: Any) -> "Messages":
        """The messages of one call, by `who`."""
        return Messages(self, method, parse, who, context)


class Messages:
    """The messages of one call. Use it as a context: the last message takes memory until its end."""

    __slots__ = ("_context", "_hold", "_method", "_parse", "_reception", "_who")

    def __init__(
        self, reception: Reception, method: Method, parse: Callable[[bytes], Message], who: str, context: Any
    ) -> None:
        self._reception = reception
        self._method = method
        self._parse = parse
        self._who = who
        self._context = context
        self._hold = reception.budget.hold()

    async def only(self) -> Message:
        """The message of a call that takes one.

        Raises:
            LimitExceeded: as `next`, and when it does not come in time.
            Invalid: as `next`, and when none comes.
        """
        reception = self._reception
        arrivals = reception.from_strangers if self._method.rule.public else reception.from_callers
        raw = await arrivals.wait(self._who, self._context.read)
        if raw is grpc.aio.EOF:
            raise Invalid("", "the call ended without a request", Reason.INVALID_MESSAGE)
        return await self._parsed(raw)

    async def next(self) -> Message | None:
        """The next message of a stream, or None at its end; identified callers may take their time.

        Raises:
            LimitExceeded: when it is too large, or there is no memory for it now.
            Invalid: when it is no message of the method's type.
        """
        self._hold.shrink(0)
        if self._method.rule.public:
            raw = await self._reception.from_strangers.wait(self._who, self._context.read)
        else:
            raw = await self._context.read()
        return None if raw is grpc.aio.EOF else await self._parsed(raw)

    async def stream(self) -> AsyncIterator[Message]:
        """The messages of a call that takes a stream; raises as `next`."""
        while (message := await self.next()) is not None:
            yield message

    async def _parsed(self, raw: bytes) -> Message:
        limit = self._reception.max_bytes if self._method.rule.about_data else SMALL_REQUEST
        if len(raw) > limit:
            raise LimitExceeded(f"a request of this method has {limit:,} bytes at most, not {len(raw):,}")
        if len(raw) > _UNWEIGHED:
            # A message that weighs more than the whole budget is parsed alone.
            weight = wire.weigh(raw, self._method.request)
            await self._hold.grow(min(weight, self._reception.budget.limit))
        try:
            return self._parse(raw)
        except DecodeError:
            raise Invalid("", wire.MALFORMED, Reason.INVALID_MESSAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hold.shrink(0)
