"""No statement on a call's path reads more of a large database than it answers: PostgreSQL counts what it read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from phoenix_grpc.store.accounts import api_keys, passwords, sessions, users
from phoenix_grpc.store.engine import NO_PARAMS, Engine, Params
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.postgres.transaction import PostgresTransaction
from tests.postgres import new_database
from tests.store.keeper import Keeper, record
from tests.store.postgres.large import fill
from tests.store.test_plans import CALLS, make_versions

_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, FORMAT JSON) "


@pytest.fixture(scope="module")
def large_url() -> str:
    """A database with a million examples."""
    url = new_database()

    async def begin() -> None:
        engine = open_engine(url)
        await make_versions(engine)
        await engine.close()

    asyncio.run(begin())
    fill(url)
    return url


@pytest_asyncio.fixture
async def engine(large_url: str) -> AsyncIterator[Engine]:
    engine = open_engine(large_url)
    yield engine
    await engine.close()


class Reads:
    """What statements have read, of tables of a million rows.

    Arguments:
        max_rows, max_blocks: what one may read; the longest reads of pages look 1,000 examples ahead.
    """

    def __init__(self) -> None:
        self.max_rows = 3000
        self.max_blocks = 1500
        self.wide: list[str] = []
        self.count = 0

    def note(self, sql: str, plan: dict[str, Any]) -> None:
        """Takes up a statement that was explained."""
        self.count += 1
        nodes = list(_nodes(plan))
        rows = max((_rows(node) for node in nodes if "Relation Name" in node), default=0)
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        if rows > self.max_rows or blocks > self.max_blocks:
            steps = "\n".join(
                f"  {node['Node Type']} {node.get('Relation Name', '')} {node.get('Index Name', '')} {_rows(node)} rows"
                for node in nodes
            )
            self.wide.append(f"{blocks} blocks:\n{steps}\n{sql}")


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _rows(node: dict[str, Any]) -> float:
    """How many rows a step of a plan has looked at."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return float((node["Actual Rows"] + sum(node.get(which, 0) for which in removed)) * node["Actual Loops"])


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """Runs each statement twice, and undoes the first, which shows what it reads."""
    reads = Reads()
    execute, fetched = PostgresTransaction._execute, PostgresTransaction._fetched

    def explain(tx: PostgresTransaction, sql: str, params: Params) -> None:
        statement = sql.partition(" CURSOR FOR ")[2] or sql
        if statement.split()[0] not in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            return
        writes = not statement.lstrip().startswith("SELECT")
        if writes:
            execute(tx, "SAVEPOINT explaining", NO_PARAMS)
        [[[plan]]] = fetched(tx, _EXPLAIN + statement, params, "fetchall")
        if writes:
            execute(tx, "ROLLBACK TO explaining", NO_PARAMS)
        reads.note(statement, plan["Plan"])

    def explained_execute(tx: PostgresTransaction, sql: str, params: Params) -> Any:
        explain(tx, sql, params)
        return execute(tx, sql, params)

    def explained_fetched(tx: PostgresTransaction, sql: str, params: Params, method: str) -> Any:
        explain(tx, sql, params)
        return fetched(tx, sql, params, method)

    monkeypatch.setattr(PostgresTransaction, "_execute", explained_execute)
    monkeypatch.setattr(PostgresTransaction, "_fetched", explained_fetched)
    return reads


ACCOUNTS = [
    (api_keys.find_owner, (b"\0",)),
    (users.find_user, ("u7",)),
    (users.list_users, (3000, 10)),
    (passwords.find_credentials, ("u7", 5)),
    (passwords.count_failure, ("u7", 5)),
    (sessions.live_session, ("session7",)),
    (sessions.list_sessions, (1007, None, 10)),
]


@pytest.mark.parametrize(("work", "args"), [*CALLS, *ACCOUNTS])
async def test_no_call_reads_more_than_it_answers(engine: Engine, reads: Reads, work: Any, args: Any) -> None:
    await engine.write(work, *args)
    assert reads.count
    assert not reads.wide, "\n".join(reads.wide)


async def test_an_upload_of_some_records_reads_little_of_its_dataset(engine: Engine, reads: Reads) -> None:
    reads.max_blocks = 5000  # it writes, too
    records = [
        *(record(n, f"external{2 * n}", splits=["s"]) for n in range(1, 100)),
        *(record(f"new {n}") for n in range(100)),
        *(record(n, example_id=1000 + 2 * n + 1) for n in range(100, 200)),
    ]
    await Keeper(engine).upload(records)
    assert not reads.wide, "\n".join(reads.wide)


async def test_what_an_upload_reads_grows_as_it_does_where_nothing_was_counted_yet(
    engine: Engine, reads: Reads
) -> None:
    """Of a new dataset PostgreSQL expects one row, and joins by comparing each with each, unless it is told."""
    count = 3000
    reads.max_rows, reads.max_blocks = 10 * count, 50 * count
    keeper = Keeper(engine)
    await keeper.upload([record(n, f"id{n}") for n in range(count)], name="grown")
    await keeper.upload([record(f"changed {n}", f"id{n}", splits=["s"]) for n in range(count)], name="grown")
    await keeper.upload([record(f"moved {n}", f"id{n}", splits=["t"]) for n in range(count)], name="grown")
    await keeper.upload([record(f"new {n}") for n in range(count)], name="grown")
    await keeper.upload([record(f"new {n}") for n in range(count // 2, 2 * count)], name="grown")
    await keeper.upload([record(f"mirrored {n}", f"id{n}") for n in range(count)], "UPDATE", name="grown")
    assert not reads.wide, "\n".join(reads.wide)


async def test_the_watch_sees_what_reads_much(engine: Engine, reads: Reads) -> None:
    async def read(sql: str) -> None:
        reads.wide.clear()
        await engine.read(lambda tx: tx.rows(sql))
        assert reads.wide

    await read("SELECT 1 FROM revisions WHERE dataset_id = 1 AND born = 2 AND died = 9")
    await read("SELECT COUNT(*) FROM examples WHERE dataset_id = 1")
