"""The statements of the release before work on the schema of this one, while servers of both run.

scripts/record records them when a release is made. The migrations that are marked with `after` run later.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.postgres.statements import for_psycopg

STATEMENTS: list[str] = json.loads((Path(__file__).parent / "released_statements.json").read_text())


def refused(url: str) -> list[str]:
    """The statements that a database refuses, and why."""
    found = []
    with open_for_plans(url) as explain:
        for statement in STATEMENTS:
            try:
                explain(statement)
            except (sqlite3.Error, psycopg.Error) as error:
                found.append(f"{error}\n  {statement}")
    return found


@contextlib.contextmanager
def open_for_plans(url: str) -> Iterator[Callable[[str], object]]:
    """A function that makes a database plan a statement, and run none."""
    if url.startswith("sqlite:///"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            yield lambda sql: file.execute(f"EXPLAIN {sql}", Nulls())
        return
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        yield lambda sql: connection.execute(f"EXPLAIN {for_psycopg(sql)}", Nulls())


class Nulls(dict[str, None]):
    """NULL under every name."""

    def __missing__(self, _: str) -> None:
        return None


async def test_the_schema_carries_the_release_before(new_url: Callable[[], str]) -> None:
    url = new_url()
    await open_engine(url).close()
    assert len(STATEMENTS) > 100
    assert not (found := refused(url)), "\n".join(found)


@pytest.mark.parametrize(
    "change", ["ALTER TABLE labels DROP COLUMN color", "DROP TABLE api_key_datasets", "ALTER TABLE splits RENAME TO s"]
)
async def test_a_schema_that_does_not_is_found_out(new_url: Callable[[], str], change: str) -> None:
    url = new_url()
    engine = open_engine(url)
    await engine.write(lambda tx: tx.define(change))
    await engine.close()
    assert refused(url)
