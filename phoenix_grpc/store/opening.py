"""From a database URL to the engine that runs it."""

from pathlib import Path

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.store import sqlite
from phoenix_grpc.store.engine import Engine


def open_engine(url: str, busy_seconds: float = 30.0, disk_reserve: int = 0) -> Engine:
    """The engine for a database URL (`sqlite:///path`), its schema brought up to date.

    Arguments:
        busy_seconds: how long a write waits for another process's write to end.
        disk_reserve: bytes of the disk that are left to what makes room (Transaction.require_room).

    Raises:
        ConfigurationError: when the URL is of no known kind, or the database cannot be opened or migrated.
    """
    return sqlite.SqliteEngine(sqlite_path(url), busy_seconds, disk_reserve)


def open_existing(url: str) -> Engine:
    """As `open_engine`, and never makes a database.

    Raises:
        ConfigurationError: as `open_engine`, and when there is no database.
    """
    path = sqlite_path(url)
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist")
    return open_engine(url)


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL.

    Raises:
        ConfigurationError: when the URL is of another kind.
    """
    prefix = "sqlite:///"
    if not url.startswith(prefix) or len(url) == len(prefix):
        raise ConfigurationError(
            "PHOENIX_SQL_DATABASE_URL: must be sqlite:///PATH, with four slashes when PATH is absolute"
        )
    return Path(url.removeprefix(prefix))
