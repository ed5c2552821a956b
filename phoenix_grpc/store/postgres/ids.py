"""Ids, reserved in short steps of their own, so that no transaction waits for another's end to get one."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

import psycopg

from phoenix_grpc.model import Row
from phoenix_grpc.store.postgres.connections import cut

# What nobody lists in the order of its ids comes in blocks. All else comes one request at a time, in the order of time.
_BLOCKS = {"AuditEvent": 200, "Upload": 20}
_TAKE = (
    "INSERT INTO sequences (kind, next) {source}"
    " ON CONFLICT (kind) DO UPDATE SET next = sequences.next + %(count)s RETURNING next - %(count)s"
)
_TAKE_WITHIN = _TAKE.format(source="VALUES (%(kind)s, 1 + %(count)s)")
# Nobody waits for the disk: whatever commits with these ids is behind this in the log, and takes it along. Within the
# statement, since through a pooler no setting lasts.
_TAKE_AT_ONCE = _TAKE.format(
    source="SELECT %(kind)s::text, 1 + %(count)s FROM (SELECT set_config('synchronous_commit', 'off', true)) AS setting"
    " WHERE true"
)


class IdSource(Protocol):
    """Gives ids."""

    def take(self, kind: str, count: int) -> int:
        """Reserves `count` consecutive ids, never given before; returns the first."""
        ...


class IdBlocks:
    """Takes ids by a connection of its own; what a block has left is lost when the process ends.

    Arguments:
        connect: makes a connection that commits each statement.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Row]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Row] | None = None
        self._pooled = False
        self._lock = threading.Lock()
        self._failed = 0.0
        self._left: dict[str, tuple[int, int]] = {}

    def open(self) -> None:
        """Connects, if need be. To be called by whoever holds no connection: a pooler may have no other left.

        Raises:
            psycopg.OperationalError: when the database does not answer.
        """
        asked = time.monotonic()
        with self._lock:
            if self._connection is not None and not self._connection.closed:
                return
            if asked < self._failed:
                # Whoever waited for an attempt takes its outcome: one after the other, they would wait for minutes.
                raise psycopg.OperationalError("the database does not answer")
            self._connection = self._connected()
            # The database may have been set back to a time before these were given.
            self._left.clear()
            self._pooled = _is_pooled(self._connection)
            if self._pooled:
                self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")

    def _connected(self) -> psycopg.Connection[Row]:
        try:
            return self._connect()
        except psycopg.OperationalError:
            self._failed = time.monotonic()
            raise

    def take(self, kind: str, count: int) -> int:
        """As IdSource.

        Raises:
            psycopg.OperationalError: when the connection is lost.
        """
        with self._lock:
            first, end = self._left.get(kind, (0, 0))
            if end - first < count:
                size = max(count, _BLOCKS.get(kind, 0))
                first = self._reserve(kind, size)
                end = first + size
            self._left[kind] = (first + count, end)
            return first

    def _reserve(self, kind: str, count: int) -> int:
        if self._connection is None:
            raise psycopg.OperationalError("not connected")
        if not self._pooled:
            return _take(self._connection, _TAKE_AT_ONCE, kind, count)
        # Transactions hold the other connections of the pooler while they wait for this one, so it is never given back.
        try:
            first = _take(self._connection, _TAKE_AT_ONCE, kind, count)
            self._connection.execute("COMMIT AND CHAIN")
        except psycopg.Error as error:
            self._connection.close()
            raise psycopg.OperationalError("the connection for ids has failed") from error
        return first

    def cut(self) -> None:
        """Ends the connection as if the network had; whoever waits for an id fails at once."""
        if self._connection is not None:
            cut(self._connection)

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()


def _is_pooled(connection: psycopg.Connection[Row]) -> bool:
    """Whether a pooler stands before the database."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and row[0] != connection.info.backend_pid


def _take(connection: psycopg.Connection[Row], statement: str, kind: str, count: int) -> int:
    row = connection.execute(statement.encode(), {"kind": kind, "count": count}).fetchone()
    if row is None:
        raise LookupError("no row")
    return int(row[0])


class OwnIds:
    """Takes ids within a transaction: for a migration, which is alone."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def take(self, kind: str, count: int) -> int:
        """As IdSource."""
        return _take(self._connection, _TAKE_WITHIN, kind, count)
