"""From a database URL to the engine that runs it."""

from pathlib import Path

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.store import sqlite
from phoenix_grpc.store.engine import Engine

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_engine(
    url: str,
    busy_seconds: float = 30.0,
    disk_reserve: int = 0,
    pool_size: int = 8,
    prepares: bool = True,
    replica_url: str = "",
    migration_url: str = "",
    waits: bool = False,
    finish: bool = False,
) -> Engine:
    """The engine for a database URL (`sqlite:///path`, `postgresql://host/name`), its schema brought up to date.

    Arguments:
        busy_seconds: how long a write to a SQLite file waits for another process's write to end.
        disk_reserve: bytes of the file's disk that are left to what makes room (Transaction.require_room).
        pool_size: how many connections to PostgreSQL reads have at most, and as many writes.
        prepares: whether statements are prepared on PostgreSQL.
        replica_url: of a replica of the PostgreSQL database, which reads may come from; empty if there is none.
        migration_url: for the migrations of PostgreSQL: past a pooler, or by a role that owns the tables.
        waits: leaves the schema in PostgreSQL to Engine.begin, since the database may be away.
        finish: applies the migrations that servers of the release before cannot work with, too.

    Raises:
        ConfigurationError: when the URL is of no known kind, or the database cannot be opened or migrated.
    """
    for setting, other in (("PHOENIX_SQL_REPLICA_URL", replica_url), ("PHOENIX_SQL_MIGRATION_URL", migration_url)):
        if other and not (is_postgres(url) and is_postgres(other)):
            raise ConfigurationError(
                f"{setting}: must be postgresql://USER:PASSWORD@HOST/DATABASE,"
                " beside PHOENIX_SQL_DATABASE_URL of the same kind"
            )
    if not is_postgres(url):
        return sqlite.SqliteEngine(sqlite_path(url), busy_seconds, disk_reserve, finish)
    try:
        from phoenix_grpc.store.postgres.engine import PostgresEngine
    except ImportError:
        raise ConfigurationError(
            "PHOENIX_SQL_DATABASE_URL: PostgreSQL takes more packages: pip install 'phoenix-grpc[postgres]'"
        ) from None
    engine = PostgresEngine(url, pool_size, prepares, replica_url, migration_url)
    if not waits:
        engine.migrate(finish)
    return engine


def open_existing(url: str) -> Engine:
    """As `open_engine`, and never makes a database.

    Raises:
        ConfigurationError: as `open_engine`, and when there is no database.
    """
    if not is_postgres(url) and not (path := sqlite_path(url)).is_file():
        raise ConfigurationError(f"{path} does not exist")
    return open_engine(url)


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL database."""
    return url.startswith(_POSTGRES)


def without_secrets(url: str) -> str:
    """The URL of a database as it may be logged: without user, password and options."""
    if not is_postgres(url):
        return url
    scheme, _, rest = url.partition("://")
    # As libpq reads it, a password may have a question mark, and an option an at sign.
    user, at, place = rest.partition("@")
    if at and "/" not in user:
        rest = place
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"


def sqlite_path(url: str) -> Path:
    """The file of a `sqlite:///` URL.

    Raises:
        ConfigurationError: when the URL is of another kind.
    """
    if not url.startswith(_SQLITE) or len(url) == len(_SQLITE):
        raise ConfigurationError(
            "PHOENIX_SQL_DATABASE_URL: must be sqlite:///PATH, with four slashes when PATH is absolute,"
            " or postgresql://USER:PASSWORD@HOST/DATABASE"
        )
    return Path(url.removeprefix(_SQLITE))
