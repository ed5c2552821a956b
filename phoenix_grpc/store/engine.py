"""The contract of a database engine: where the store's functions run, and what a transaction offers them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

from phoenix_grpc.model import Row

P = ParamSpec("P")
T = TypeVar("T")
Params = Mapping[str, object]

NO_PARAMS: Params = {}

WRITES_REFUSED = "the database takes no writes: it is being moved, or was moved, to another"
"""What a caller is told after Transaction.refuse_writes."""


class AuthRevision(NamedTuple):
    """How far the changes of credentials are known: a number that grows within an epoch.

    Arguments:
        epoch: grows when the numbers before can no longer be compared: the database may be another, or an older copy.
    """

    epoch: int
    number: int


UNKNOWN_REVISION = AuthRevision(-1, -1)
"""Before any that an engine returns."""


class NoReplica(Exception):
    """There is no replica to read from, or none that has what the read needs: read from the database itself."""


class Transaction(Protocol):
    """One transaction. SQL is the subset that all engines speak, with `:name` parameters."""

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        """All rows of a query, or of a statement with RETURNING."""
        ...

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        """The first row, or None."""
        ...

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row:
        """The first row of a query that always has one, such as an aggregate.

        Raises:
            LookupError: when there is none, which is a defect.
        """
        ...

    def scan(self, sql: str, params: Params = NO_PARAMS, chars: int = 1 << 20) -> Iterator[Row]:
        """The rows of a query one by one, so that a caller who has enough stops, and few more are read.

        Arguments:
            chars: of texts and bytes, with which the caller has about enough.
        """
        ...

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        """Runs a statement; returns how many rows it changed."""
        ...

    def define(self, sql: str) -> None:
        """Runs a statement that defines the schema."""
        ...

    def columns(self, table: str) -> list[str]:
        """The names of a table's columns, in their order; that of the engines may differ."""
        ...

    def refuse_writes(self, tables: Sequence[str]) -> None:
        """Makes every write to these tables, by any process, fail with Unavailable from the commit on."""
        ...

    def allow_writes(self, tables: Sequence[str]) -> None:
        """Ends refuse_writes."""
        ...

    def forbid(self, table: str, verb: str, condition: str, message: str) -> None:
        """Makes each UPDATE or DELETE of a row fail from the commit on for which a condition of OLD and NEW holds."""
        ...

    def permit(self, table: str, verb: str) -> None:
        """Ends forbid."""
        ...

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        """Adds many rows, by the engine's fastest way; returns how many."""
        ...

    def expect(self, count: int, table: str, columns: Sequence[str], condition: str, params: Params) -> None:
        """Makes the plans of statements fit a table of which so many rows meet a condition, if plans depend on that.

        Arguments:
            columns: those that statements choose rows by.
        """
        ...

    def take_ids(self, kind: str, count: int = 1) -> int:
        """Reserves `count` consecutive ids of `kind`, never given before; returns the first."""
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
        """Gives free pages, that many at most, back to a disk that is short of room; returns how many."""
        ...

    def auth_changed(self) -> None:
        """Makes this process read the auth revision before it trusts a credential again, and others soon."""
        ...

    def wait_out_leases(self) -> None:
        """Makes the write of this transaction return only when no process trusts the auth revision before it."""
        ...


class Engine(Protocol):
    """Runs functions of a transaction. All methods belong to one event loop.

    Attributes:
        has_replica: whether it was told of one; `read_replica` says whether that is any use.

    Raises, from read and write: errors.StoreFull, errors.Unavailable (locked, read-only, unreachable or damaged store).
    """

    has_replica: bool

    async def begin(self) -> None:
        """Brings the schema of the database up to date, unless that is done.

        Raises:
            ConfigurationError: when that fails.
            Unavailable: when the database does not answer.
        """
        ...

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `fn(tx, ...)` in a read-only transaction: a snapshot. Keep it short: pages, not scans."""
        ...

    async def read_many(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As read, for a page of hundreds of rows: what it costs for each of them counts, not what the call costs."""
        ...

    async def read_replica(
        self,
        fresh: Callable[[Transaction], bool],
        fn: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """As read_many, from a replica of the database, in a transaction in which `fresh` returns true.

        Raises:
            NoReplica: when there is none of which that is so.
        """
        ...

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `fn(tx, ...)` in a write transaction; when it returns, the result is durable.

        When `fn` has revoked credentials (store.revision), it returns a lease later: no process honours them then.
        `fn` may run more than once when the engine retries, so it must have no effect but through `tx`.
        """
        ...

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As write, but a crash may undo it that ends this process too: for what nobody was told of yet."""
        ...

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As read, for work that takes its time: neither the event loop nor any write waits for it."""
        ...

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        """Adds the rows of a query to a table, but those that conflict; returns how many.

        It may take its time: no other write waits for it. A crash may undo it, or a part of it.

        Arguments:
            table: its rows that are concerned belong to the caller alone.
        """
        ...

    async def auth_revision(self) -> AuthRevision:
        """The auth revision as committed at most a lease ago, by any process; cheap enough for every call.

        Raises:
            Unavailable: when the lease is over and the store does not answer in time.
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
