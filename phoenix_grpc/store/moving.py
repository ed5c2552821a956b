"""Moves a whole store from one database to another, of either engine, with every id and counter.

The source takes no writes from the moment the move begins until it is given up. Rows go in the order of their keys, in
transactions of their own, so a move that is killed goes on where it was. When the two agree, table by table, the source
is marked as moved for good.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import Engine, Transaction

TABLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sequences", ("kind",)),
    ("users", ("id",)),
    ("login_failures", ("email",)),
    ("sessions", ("id",)),
    ("refresh_tokens", ("session_id", "digest")),
    ("password_resets", ("digest",)),
    ("api_keys", ("id",)),
    ("api_key_secrets", ("digest",)),
    ("api_key_datasets", ("api_key_id", "dataset_id")),
    ("auth_revision", ("revision",)),
    ("auth_changes", ("revision",)),
    ("audit_events", ("id",)),
    ("audit_chain", ("id",)),
    ("datasets", ("id",)),
    ("versions", ("dataset_id", "id")),
    ("examples", ("dataset_id", "id")),
    ("revisions", ("dataset_id", "example_id", "born")),
    ("splits", ("dataset_id", "id")),
    ("split_members", ("dataset_id", "split_id", "example_id")),
    ("labels", ("id",)),
    ("dataset_labels", ("dataset_id", "label_id")),
    ("requests", ("principal", "method", "request_id")),
)
"""What is moved, with the key of each table; what others refer to comes first."""

LEFT_BEHIND = {"schema_migrations", "moves", "uploads", "staged_examples", "staged_splits", "upload_matches"}
"""What is not: both have the same schema, and what was being uploaded is uploaded again."""

_PAGE_ROWS = 2000
_PAGE_CHARS = 4 << 20
_MOVING, _MOVED, _ARRIVING = "moving", "moved", "arriving"

Progress = Callable[[str, int, int], None]
"""Is told how many rows of a table are done, and how many there are."""


class _Mark(NamedTuple):
    """What a database says of a move.

    Arguments:
        id: of the move; both databases have it.
        other: the other database, without its password.
    """

    id: str
    state: str
    other: str


class _Table(NamedTuple):
    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]


async def move(source: Engine, target: Engine, source_name: str, target_name: str, progress: Progress) -> int:
    """Moves all rows, or goes on with a move that was interrupted; returns how many rows there are.

    Arguments:
        source_name, target_name: what the other database is called in marks and errors; without passwords.

    Raises:
        ConfigurationError: when the source was moved elsewhere, the target is in use, or the two do not agree in the
            end, which a target that somebody else writes to explains.
    """
    mark = await source.write(_depart, target_name)
    await target.write(_arrive, mark.id, source_name)
    total = 0
    tables = await source.read(_tables)
    for table in tables:
        total += await _copy(source, target, table, progress)
    for table in tables:
        await _compare(source, target, table, progress)
    await source.write(_mark_as, mark.id, _MOVED)
    await target.write(lambda tx: tx.run("DELETE FROM moves"))
    return total


async def give_up(source: Engine) -> bool:
    """Lets the source be written again; returns whether it was being moved, or was moved."""
    return await source.write(_stay)


def require_here(tx: Transaction) -> None:
    """Raises ConfigurationError when the store was moved to another database, or is still arriving from one."""
    mark = _read_mark(tx)
    if mark is not None and mark.state == _MOVED:
        raise ConfigurationError(f"the store was moved to {mark.other}: set PHOENIX_SQL_DATABASE_URL to that")
    if mark is not None and mark.state == _ARRIVING:
        raise ConfigurationError(
            f"the store is being copied from {mark.other}: wait until 'phoenix-grpc copy' ends, or run it again"
        )


def require_unmarked(tx: Transaction) -> None:
    """Raises ConfigurationError when the store takes no part of its own: it is being moved, was moved, or arrives."""
    mark = _read_mark(tx)
    if mark is not None:
        what = {_MOVING: "is being moved to", _MOVED: "was moved to", _ARRIVING: "is being copied from"}[mark.state]
        raise ConfigurationError(f"the store {what} {mark.other}; 'phoenix-grpc copy --give-up' ends that")


def _read_mark(tx: Transaction) -> _Mark | None:
    row = tx.row("SELECT id, state, other FROM moves")
    return _Mark(*row) if row else None


def _depart(tx: Transaction, target: str) -> _Mark:
    mark = _read_mark(tx)
    if mark is None:
        mark = _Mark(secrets.token_hex(16), _MOVING, target)
        tx.run("INSERT INTO moves (id, state, other) VALUES (:id, :state, :other)", mark._asdict())
        tx.refuse_writes([name for name, _ in TABLES] + ["uploads"])
    if (mark.state, mark.other) != (_MOVING, target):
        what = {_MOVING: "is being moved", _MOVED: "was moved", _ARRIVING: "is being copied here"}[mark.state]
        other = f"from {mark.other}" if mark.state == _ARRIVING else f"to {mark.other}"
        raise ConfigurationError(f"the source {what} {other}")
    return mark


def _arrive(tx: Transaction, move_id: str, source: str) -> None:
    mark = _read_mark(tx)
    if mark is None:
        if tx.row("SELECT 1 FROM users") or tx.row("SELECT 1 FROM datasets"):
            raise ConfigurationError("the target is not empty; copy into a new database")
        tx.run("DELETE FROM auth_revision")
        tx.run("DELETE FROM audit_chain")
        mark = _Mark(move_id, _ARRIVING, source)
        tx.run("INSERT INTO moves (id, state, other) VALUES (:id, :state, :other)", mark._asdict())
    if (mark.id, mark.state) != (move_id, _ARRIVING):
        raise ConfigurationError("the target has begun to take another store in; copy into a new database")


def _mark_as(tx: Transaction, move_id: str, state: str) -> None:
    tx.run("UPDATE moves SET state = :state WHERE id = :id", {"id": move_id, "state": state})


def _stay(tx: Transaction) -> bool:
    mark = _read_mark(tx)
    if mark is None or mark.state == _ARRIVING:
        return False
    tx.allow_writes([name for name, _ in TABLES] + ["uploads"])
    tx.run("DELETE FROM moves")
    return True


def _tables(tx: Transaction) -> list[_Table]:
    return [_Table(name, tuple(tx.columns(name)), key) for name, key in TABLES]


async def _copy(source: Engine, target: Engine, table: _Table, progress: Progress) -> int:
    """Copies the rows that the target has not got yet; returns how many the source has."""
    count = await source.read_long(_count, table)
    done = await target.read_long(_count, table)
    after = await target.read(_last_key, table)
    progress(table.name, done, count)
    while rows := await source.read_long(_page, table, after):
        await target.stage(_add, table, rows)
        after = _key_of(table, rows[-1])
        done += len(rows)
        progress(table.name, done, count)
    return count


async def _compare(source: Engine, target: Engine, table: _Table, progress: Progress) -> None:
    here, there = await source.read_long(_digest, table), await target.read_long(_digest, table)
    if here != there:
        raise ConfigurationError(
            f"{table.name}: the source has {here[0]:,} rows and the target {there[0]:,}, and they differ;"
            " did anything else write to the target? Copy into a new database"
        )
    progress(f"{table.name}: the same", here[0], here[0])


def _add(tx: Transaction, table: _Table, rows: list[Row]) -> int:
    return tx.append(table.name, table.columns, rows)


def _count(tx: Transaction, table: _Table) -> int:
    return int(tx.one(f"SELECT COUNT(*) FROM {table.name}")[0])


def _last_key(tx: Transaction, table: _Table) -> Row | None:
    order = ", ".join(f"{column} DESC" for column in table.key)
    return tx.row(f"SELECT {', '.join(table.key)} FROM {table.name} ORDER BY {order} LIMIT 1")


def _page(tx: Transaction, table: _Table, after: Row | None) -> list[Row]:
    """The next rows in the order of the key: so many, or so long."""
    key = ", ".join(table.key)
    marks = {f"after{place}": value for place, value in enumerate(after or ())}
    where = f" WHERE ({key}) > ({', '.join(f':{mark}' for mark in marks)})" if after else ""
    rows, chars = [], 0
    for row in tx.scan(
        f"SELECT {', '.join(table.columns)} FROM {table.name}{where} ORDER BY {key} LIMIT :limit",
        {**marks, "limit": _PAGE_ROWS},
    ):
        rows.append(row)
        chars += sum(len(value) for value in row if isinstance(value, str | bytes))
        if chars > _PAGE_CHARS:
            break
    return rows


def _key_of(table: _Table, row: Row) -> Row:
    return tuple(row[table.columns.index(column)] for column in table.key)


def _digest(tx: Transaction, table: _Table) -> tuple[int, str]:
    """How many rows there are, and what they come to in the order of the key."""
    count, digest = 0, hashlib.sha256()
    for row in _all_rows(tx, table):
        digest.update(msgspec.msgpack.encode(row))
        count += 1
    return count, digest.hexdigest()


def _all_rows(tx: Transaction, table: _Table) -> Iterator[Row]:
    after: Any = None
    while rows := _page(tx, table, after):
        yield from rows
        after = _key_of(table, rows[-1])
