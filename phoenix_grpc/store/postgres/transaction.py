"""A transaction on a PostgreSQL connection: for plain functions in a thread, or in a greenlet over the event loop."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import sql as composed

from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import NO_PARAMS, Params
from phoenix_grpc.store.postgres.ids import IdSource
from phoenix_grpc.store.postgres.statements import definition, for_psycopg

T = TypeVar("T")

CHANNEL = "phoenix_grpc_auth"
"""Where a process is told that the auth revision has moved."""

_REFUSE = """
    CREATE OR REPLACE FUNCTION phoenix_grpc_refuse_writes() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'PG001'; END $$
"""

_FORBID = """
    CREATE OR REPLACE FUNCTION phoenix_grpc_forbid() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$
"""

_TOLERANCE = 4
"""How many times more rows than PostgreSQL expects there may be before it has to count."""

_FIRST_FETCH = 64
_LEAST_FETCH = 8
_FETCH_GROWTH = 16
_FETCH_CHARS = 1 << 20


class PostgresTransaction:
    """See engine.Transaction.

    Arguments:
        wait: returns what an awaitable comes to; None when the connection is synchronous.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Row] | psycopg.AsyncConnection[Row],
        ids: IdSource,
        wait: Callable[[Awaitable[Any]], Any] | None = None,
    ) -> None:
        self._connection: Any = connection
        self._ids = ids
        self._wait = wait
        self._cursors = 0
        self.auth_has_changed = False
        self.waits_out_leases = False

    def rows(self, sql: str, params: Params = NO_PARAMS) -> list[Row]:
        found: list[Row] = self._fetched(sql, params, "fetchall")
        return found

    def row(self, sql: str, params: Params = NO_PARAMS) -> Row | None:
        found: Row | None = self._fetched(sql, params, "fetchone")
        return found

    def one(self, sql: str, params: Params = NO_PARAMS) -> Row:
        row = self.row(sql, params)
        if row is None:
            raise LookupError(f"no row: {sql}")
        return row

    def scan(self, sql: str, params: Params = NO_PARAMS, chars: int = _FETCH_CHARS) -> Iterator[Row]:
        # The server would send the whole result: the rows are fetched in pieces, the longer the rows, the fewer.
        self._cursors += 1
        name = f"scan{self._cursors}"
        self._execute(f"DECLARE {name} NO SCROLL CURSOR FOR {sql}", params)
        count, left = _FIRST_FETCH, chars
        while rows := self.rows(f"FETCH {count} FROM {name}"):
            yield from rows
            if len(rows) < count:
                break
            size = sum(len(value) for row in rows for value in row if isinstance(value, str | bytes))
            left = max(0, left - size)
            fitting = min(left + left // 8, _FETCH_CHARS) * count // max(1, size)
            count = max(_LEAST_FETCH if size < _FETCH_CHARS else 1, min(count * _FETCH_GROWTH, fitting))

    def run(self, sql: str, params: Params = NO_PARAMS) -> int:
        changed: int = self._execute(sql, params).rowcount
        return changed

    def define(self, sql: str) -> None:
        self._execute(definition(sql), NO_PARAMS)

    def columns(self, table: str) -> list[str]:
        rows = self.rows(
            "SELECT column_name FROM information_schema.columns"
            " WHERE table_schema = CURRENT_SCHEMA() AND table_name = :table ORDER BY ordinal_position",
            {"table": table},
        )
        return [name for (name,) in rows]

    def refuse_writes(self, tables: Sequence[str]) -> None:
        self.run(_REFUSE)
        for table in tables:
            # It waits for the writes that are under way.
            self.run(
                f"CREATE TRIGGER refuse_writes BEFORE INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION phoenix_grpc_refuse_writes()"
            )

    def allow_writes(self, tables: Sequence[str]) -> None:
        for table in tables:
            self.run(f"DROP TRIGGER IF EXISTS refuse_writes ON {table}")

    def forbid(self, table: str, verb: str, condition: str, message: str) -> None:
        self.run(_FORBID)
        self.run(
            f"CREATE TRIGGER forbid_{verb} BEFORE {verb} ON {table} FOR EACH ROW WHEN ({condition})"
            f" EXECUTE FUNCTION phoenix_grpc_forbid('{message}')"
        )

    def permit(self, table: str, verb: str) -> None:
        self.run(f"DROP TRIGGER forbid_{verb} ON {table}")

    def append(self, table: str, columns: Sequence[str], rows: Iterable[Row]) -> int:
        count = 0
        names = composed.SQL(", ").join(map(composed.Identifier, columns))
        statement = composed.SQL("COPY {} ({}) FROM STDIN").format(composed.Identifier(table), names)
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
        return count

    def expect(self, count: int, table: str, columns: Sequence[str], condition: str, params: Params) -> None:
        # Where it expects one row and there are thousands, it joins by comparing each with each.
        plan = self.one(f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {table} WHERE {condition}", params)[0][0]["Plan"]
        if plan["Plan Rows"] * _TOLERANCE < count:
            self.run(f"ANALYZE {table} ({', '.join(columns)})")

    def take_ids(self, kind: str, count: int = 1) -> int:
        return self._ids.take(kind, count)

    def used_bytes(self) -> int:
        return 0

    def require_room(self, growth: int = 0) -> None:
        """The disk is the database server's affair, which refuses what does not fit (StoreFull)."""

    def give_back(self, limit: int) -> int:
        return 0

    def auth_changed(self) -> None:
        self.auth_has_changed = True
        self.run(f"NOTIFY {CHANNEL}")

    def wait_out_leases(self) -> None:
        self.waits_out_leases = True

    def _execute(self, sql: str, params: Params) -> Any:
        result = self._connection.execute(for_psycopg(sql), params)
        return result if self._wait is None else self._wait(result)

    def _fetched(self, sql: str, params: Params, method: str) -> Any:
        """The rows of a statement, by a method of the cursor."""
        if self._wait is not None:
            # One wait for both, though the second has nothing left to wait for.
            return self._wait(_fetch(self._connection, for_psycopg(sql), params, method))
        return getattr(self._connection.execute(for_psycopg(sql), params), method)()


async def _fetch(connection: psycopg.AsyncConnection[Row], sql: str, params: Params, method: str) -> Any:
    cursor = await connection.execute(sql, params)
    return await getattr(cursor, method)()
