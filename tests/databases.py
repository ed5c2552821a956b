"""The database of a server, as another process sees it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg

_SQLITE = "sqlite:///"


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    if not url.startswith(_SQLITE):
        with psycopg.connect(url) as connection:
            return connection.execute(sql).fetchall()  # type: ignore[arg-type] # a test's own text
    with contextlib.closing(sqlite3.connect(url.removeprefix(_SQLITE))) as file:
        return file.execute(sql).fetchall()


def everything(url: str) -> str:
    """All that the tables hold, as text."""
    catalog = (
        "sqlite_schema WHERE type = 'table'" if url.startswith(_SQLITE) else "pg_tables WHERE schemaname = 'public'"
    )
    column = "name" if url.startswith(_SQLITE) else "tablename"
    tables = [name for (name,) in query(url, f"SELECT {column} FROM {catalog}")]
    return "\n".join(repr(query(url, f"SELECT * FROM {name}")) for name in tables)


@contextlib.contextmanager
def store_waits(url: str) -> Iterator[None]:
    """Lets nobody upload until the block ends; who tries waits."""
    if not url.startswith(_SQLITE):
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE uploads, datasets IN EXCLUSIVE MODE")
            yield
            connection.rollback()
        return
    with contextlib.closing(sqlite3.connect(url.removeprefix(_SQLITE), isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
