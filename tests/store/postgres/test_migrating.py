"""Migrations of PostgreSQL: by another role, past others that hold tables, and a server that waits for them."""

import asyncio
import itertools
import time
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from phoenix_grpc.errors import ConfigurationError, Unavailable
from phoenix_grpc.store import migrations
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.v1 import datasets_pb2
from tests.postgres import empty_database, new_database, shared_server
from tests.process import ServerProcess

NUMBERS = itertools.count(1)


@pytest.fixture
def owner() -> str:
    """The URL of an empty database for the owner of its tables."""
    return empty_database()


@pytest.fixture
def role(owner: str) -> str:
    """The URL of that database for a role that may use its tables, and not change their schema."""
    name = f"app{time.monotonic_ns()}{next(NUMBERS)}"
    shared_server().execute(f"CREATE ROLE {name} LOGIN")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute(f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}")
    parts = urlsplit(owner)
    return parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}").geturl()


def serves(server: ServerProcess) -> bool:
    """Whether health says so."""
    check = health_pb2_grpc.HealthStub(server.channel).Check
    return bool(check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING)


def work(server: ServerProcess) -> None:
    """Writes and reads."""
    server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="qa"), metadata=server.admin)
    assert server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"), metadata=server.admin).name == "qa"


def test_a_server_waits_for_a_schema_that_it_may_not_make(tmp_path: Path, owner: str, role: str) -> None:
    with ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=role) as server:
        assert not serves(server)
        with pytest.raises(grpc.RpcError) as caught:
            work(server)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert any("PHOENIX_SQL_MIGRATION_URL" in line for line in server.lines)
        open_engine(owner)
        deadline = time.monotonic() + 20
        while not serves(server):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        work(server)


def test_migrations_run_as_another_role(tmp_path: Path, owner: str, role: str) -> None:
    urls = {"PHOENIX_SQL_DATABASE_URL": role, "PHOENIX_SQL_MIGRATION_URL": owner}
    with ServerProcess(tmp_path, **urls) as server:
        assert serves(server)
        work(server)
        lines = [b'{"input":{"n":%d}}\n' % number for number in range(5000)]
        requests = [
            datasets_pb2.UploadDatasetRequest(
                header=datasets_pb2.UploadDatasetHeader(name="big", action="UPLOAD_ACTION_CREATE")
            ),
            datasets_pb2.UploadDatasetRequest(chunk=b"".join(lines)),
        ]
        assert server.datasets.UploadDataset(iter(requests), metadata=server.admin).record_count == 5000
    with psycopg.connect(owner) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert owners == [(urlsplit(owner).username,)]


@pytest.mark.parametrize("other", ["another database", "sqlite:///a.db", "nonsense"])
def test_migrations_are_of_the_same_database(owner: str, other: str) -> None:
    url = empty_database() if other == "another database" else other
    with pytest.raises(ConfigurationError, match="PHOENIX_SQL_MIGRATION_URL: must"):
        open_engine(owner, migration_url=url)


async def test_a_migration_does_not_hold_up_those_who_use_a_table_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the table, and everybody behind it; so it gives up soon, and tries again."""
    url = new_database()

    def m999_changes(tx: Transaction) -> None:
        tx.define("ALTER TABLE labels ADD COLUMN m999 BIGINT")

    monkeypatch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, m999_changes))
    monkeypatch.setattr("phoenix_grpc.store.postgres.engine._TABLE_LOCK_SECONDS", 1)
    engine = open_engine(url, waits=True)
    try:
        with psycopg.connect(url) as reading, psycopg.connect(url, autocommit=True) as other:
            reading.execute("SELECT * FROM labels")
            beginning = asyncio.create_task(engine.begin())
            await asyncio.sleep(0.3)
            begun = time.monotonic()
            await asyncio.to_thread(other.execute, "SELECT * FROM labels")
            assert time.monotonic() - begun < 2
            with pytest.raises(Unavailable):
                await beginning
        await engine.begin()
        assert "m999" in await engine.read(lambda tx: tx.columns("labels"))
    finally:
        await engine.close()


def test_nothing_is_locked_when_nothing_is_to_be_done() -> None:
    url = new_database()
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE labels IN ACCESS EXCLUSIVE MODE")
        other.execute("SELECT pg_advisory_xact_lock(%s)", [0x70686F656E6978])
        open_engine(url)
