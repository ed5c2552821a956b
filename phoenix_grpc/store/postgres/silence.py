"""Ends calls that wait for a database which does not answer, although its machine keeps the connections open."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import psycopg

from phoenix_grpc.model import Row
from phoenix_grpc.store.postgres.connections import cut

SILENCE_SECONDS = 5.0
"""How long a database may be silent, on the connection that asks it all the time, before it is taken for lost."""

_LOOK_SECONDS = 1.0

AnyConnection = psycopg.Connection[Row] | psycopg.AsyncConnection[Row]


class Silence:
    """Cuts connections in use when the database is silent. A statement that takes long is none of its business.

    Arguments:
        lasts: returns for how many seconds the database has been silent.
        also: called when it is taken for lost, too.
    """

    def __init__(self, lasts: Callable[[], float], also: Callable[[], None]) -> None:
        self._lasts = lasts
        self._also = also
        self._used: dict[AnyConnection, float] = {}
        self._next_look: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Looks each second from now on, as long as connections are in use. For the event loop."""
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    @contextlib.contextmanager
    def ends(self, connection: AnyConnection) -> Iterator[None]:
        """Within the block the connection is in use. For any thread."""
        self._used[connection] = time.monotonic()
        try:
            yield
        finally:
            del self._used[connection]

    def _look(self) -> None:
        self._next_look = None
        if not self._used:
            return
        if self._lasts() > SILENCE_SECONDS:
            self._also()
            before = time.monotonic() - SILENCE_SECONDS
            for connection, since in list(self._used.items()):
                if since < before:
                    cut(connection)
        self.watch()
