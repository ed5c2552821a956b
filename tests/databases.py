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
