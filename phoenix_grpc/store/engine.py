"""The contract of a database engine: where the store's functions run, and what a transaction offers them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.model import Row

P = ParamSpec("P")
T = TypeVar("T")
Params = Mapping[str, object]

NO_PARAMS: Params = {}


class Transaction(Protocol):
    """One transaction. SQL is the subset that all engines speak, with `:name` parameters."""

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """All rows of a query, or of a statement with RETURNING."""
        ...

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """The first row, or None."""
        ...

    def scan(self, sql: str, params: Params = NO_PARAMS) -> Iterator[Row]:
        """The rows of a query one by one, so that whoever has enough stops and no more are read."""
        ...

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Runs a statement; answers how many rows it changed."""
        ...

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Adds many rows, by the engine's fastest way."""
        ...

    def take_ids(self, kind: str, count: int = 1) -> int:
        """Reserves `count` consecutive ids of `kind`, never given before; answers the first."""
        ...

    def used_bytes(self) -> int:
        """What the database keeps, with what this transaction has added; cheap."""
        ...

    def require_room(self, growth: int = 0) -> None:
        """Raises StoreFull unless so many bytes can be added to the database with a reserve left.

        What adds data calls it; deletes, revocations and logins may use the reserve.
        """
        ...

    def give_back(self, limit: int) -> int:
        """Gives free pages, that many at most, back to a disk that is short of room; answers how many."""
        ...

    def wait_out_leases(self) -> None:
        """Makes the write of this transaction return only when no process trusts the auth revision before it."""
        ...


class Engine(Protocol):
    """Runs functions of a transaction. All methods belong to one event loop.

    Raises, from read and write: errors.StoreFull, errors.Unavailable (locked, read-only, unreachable or damaged store).
    """

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `fn(tx, ...)` in a read-only transaction: a snapshot. Keep it short: pages, not scans."""
        ...

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `fn(tx, ...)` in a write transaction; when it returns, the result is durable.

        When `fn` has revoked credentials (store.revision), it returns a lease later: no process honours them then.
        `fn` may run more than once when the engine retries, so it must have no effect but through `tx`.
        """
        ...

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As write, but a crash of the machine may undo it: for what nobody was told of yet."""
        ...

    def auth_revision(self) -> int:
        """The auth revision as committed at most a lease ago, by any process; cheap enough for every call.

        Raises:
            Unavailable: when the lease is over and the store does not answer.
        """
        ...

    async def check(self) -> None:
        """Raises errors.Unavailable when the store does not answer."""
        ...

    async def close(self) -> None:
        """Waits for running writes, then closes."""
        ...


def numbered(name: str, values: Iterable[object]) -> tuple[str, dict[str, object]]:
    """A list for `IN (...)`: its marks (":id0, :id1"; NULL when it is empty) and its parameters."""
    params = {f"{name}{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{key}" for key in params) or "NULL", params


def open_engine(url: str, busy_seconds: float = 30.0, disk_reserve: int = 0) -> Engine:
    """The engine for a database URL (`sqlite:///path`), its schema brought up to date.

    Arguments:
        busy_seconds: how long a write waits for another process's write to end.
        disk_reserve: bytes of the disk that are left to what makes room (Transaction.require_room).

    Raises:
        ConfigurationError: when the URL is of no known kind, or the database cannot be opened or migrated.
    """
    from phoenix_grpc.store import sqlite

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
