"""A connection for short statements on the event loop."""

import asyncio
from typing import Any

import psycopg
from psycopg.waiting import READY_R, READY_W, WAIT_W

from phoenix_grpc.model import Row


class LoopConnection(psycopg.AsyncConnection[Row]):
    """Stays registered with the event loop between statements.

    Psycopg registers the socket, and starts a timer, for each wait anew, which costs as much as the statement. One
    whose caller has gone is awaited all the same: it is short, and to cancel it takes a connection of its own.
    """

    _waiting: asyncio.Future[None] | None = None
    _registered = -1

    async def wait(self, gen: Any, interval: float = 0.0, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - psycopg's
        """Runs what psycopg does on the connection until it is done."""
        given_up: asyncio.CancelledError | None = None
        try:
            wanted = next(gen)
            while True:
                try:
                    await self._wait_until(writable=bool(wanted & WAIT_W))
                except asyncio.CancelledError as error:
                    given_up = error
                    continue
                wanted = gen.send(READY_R | (wanted & WAIT_W and READY_W))
        except StopIteration as end:
            if given_up is not None:
                raise given_up from None
            return end.value
        except BaseException as error:
            self._unregister()
            raise given_up or error from None

    async def _wait_until(self, writable: bool) -> None:
        loop = asyncio.get_running_loop()
        if self._registered < 0:
            self._registered = self.fileno()
            loop.add_reader(self._registered, self._wake)
        self._waiting = loop.create_future()
        if writable:
            loop.add_writer(self._registered, self._wake)
        try:
            await self._waiting
        finally:
            self._waiting = None
            if writable:
                loop.remove_writer(self._registered)

    def _wake(self) -> None:
        if self._waiting is None:
            # Not an answer, but the end of the connection: it is noticed when it is used next.
            self._unregister()
        elif not self._waiting.done():
            self._waiting.set_result(None)

    def _unregister(self) -> None:
        if self._registered >= 0:
            asyncio.get_running_loop().remove_reader(self._registered)
            self._registered = -1

    async def close(self) -> None:
        """Closes the connection."""
        self._unregister()
        await super().close()
