"""How this process connects to PostgreSQL."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.model import Row

CONNECT_SECONDS = 3
"""How long each host of the URL may take."""

_PREPARED_AFTER = 5
# A machine that is gone is noticed within five seconds, whether it was asked something or not.
_LIVENESS = {"tcp_user_timeout": 5000, "keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3}


class Connections:
    """Makes connections to the database of a URL.

    Arguments:
        prepares: whether statements are prepared.
        setting: that the URL comes from.
        wanted: which of several servers is connected to, as libpq's target_session_attrs.

    Raises:
        ConfigurationError: when the URL cannot be read.
    """

    def __init__(
        self, url: str, prepares: bool, setting: str = "PHOENIX_SQL_DATABASE_URL", wanted: str = "read-write"
    ) -> None:
        defaults: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "target_session_attrs": wanted,
            "application_name": "phoenix-grpc",
            **_LIVENESS,
        }
        try:
            given: dict[str, Any] = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise ConfigurationError(f"{setting}: must be like postgresql://USER:PASSWORD@HOST:5432/DATABASE") from None
        self.url = make_conninfo("", **{**defaults, **given})
        self.database = given.get("dbname", "")
        # Every whole number is a bigint, so that one text of a statement is one prepared statement.
        self._adapters = psycopg.adapters.__class__(psycopg.adapters)
        self._adapters.register_dumper(int, Int8Dumper)
        self.options: dict[str, Any] = {
            "context": _Context(self._adapters),
            "prepare_threshold": _PREPARED_AFTER if prepares else None,
        }

    def open(self, autocommit: bool = False) -> psycopg.Connection[Row]:
        """A connection, for a thread."""
        return psycopg.connect(self.url, autocommit=autocommit, **self.options)

    def open_for_ids(self) -> psycopg.Connection[Row]:
        """A connection that commits each statement."""
        return self.open(autocommit=True)

    async def open_for_watching(self) -> psycopg.AsyncConnection[Row]:
        """A connection for the event loop that commits each statement."""
        return await psycopg.AsyncConnection.connect(self.url, autocommit=True, **self.options)

    def explain(self, error: Exception) -> str:
        """Why the database cannot be opened, without the password."""
        return " ".join(str(error).split()) or "cannot be opened"


def replica_connections(url: str, prepares: bool) -> Connections:
    """Connections to a replica of the database, wherever PHOENIX_SQL_REPLICA_URL finds one."""
    return Connections(url, prepares, "PHOENIX_SQL_REPLICA_URL", "prefer-standby")


@contextlib.contextmanager
def cut_after(connection: psycopg.AsyncConnection[Row], seconds: float) -> Iterator[None]:
    """Cuts the connection when the block takes longer, which then fails at once.

    To give up what runs, as a timeout of asyncio would have it, psycopg asks the server, which may not answer either.
    """
    cutting = asyncio.get_running_loop().call_later(seconds, cut, connection)
    try:
        yield
    finally:
        cutting.cancel()


def cut(connection: psycopg.AsyncConnection[Row] | psycopg.Connection[Row]) -> None:
    """Ends a connection as if the network had."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


class _Context:
    """Psycopg's protocol of what carries adapters."""

    def __init__(self, adapters: Any) -> None:
        self.adapters = adapters
        self.connection = None
