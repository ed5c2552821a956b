"""A real streaming replica: what is read from it, and what callers notice of it, which is nothing."""

import asyncio
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import psycopg
import pytest

from phoenix_grpc.client import Client, PhoenixError
from phoenix_grpc.errors import ConfigurationError, Invalid
from phoenix_grpc.store.engine import NoReplica, Transaction
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import ADMIN_SECRET
from tests.faults.cluster import Cluster, running_cluster, until
from tests.postgres_proxy import Proxy, proxied
from tests.process import ServerProcess

ROWS = b"FROM revisions"
"""In the statements that read examples."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A primary and its standby."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> str:
    """The name of a database of both."""
    name = f"replica{time.monotonic_ns()}"
    cluster.primary.execute(f"CREATE DATABASE {name}")
    until(lambda: cluster.standby.ask(f"SELECT count(*) FROM pg_database WHERE datname = '{name}'"))
    return name


@pytest.fixture
def replica(cluster: Cluster, database: str) -> Iterator[Proxy]:
    """The line to the replica."""
    with proxied(cluster.standby.url(database)) as proxy:
        yield proxy
    if not cluster.standby.runs:
        cluster.standby.start()
    cluster.standby.execute("SELECT pg_wal_replay_resume()")


@pytest.fixture
def primary(cluster: Cluster, database: str) -> Iterator[Proxy]:
    """The line to the primary."""
    with proxied(cluster.primary.url(database)) as proxy:
        yield proxy


@pytest.fixture
def server(tmp_path: Path, primary: Proxy, replica: Proxy) -> Iterator[ServerProcess]:
    """A server on both."""
    urls = {"PHOENIX_SQL_DATABASE_URL": primary.url, "PHOENIX_SQL_REPLICA_URL": replica.url}
    with ServerProcess(tmp_path, **urls) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    """An admin of the server."""
    with Client(server.address, ADMIN_SECRET) as client:
        yield client


def upload(client: Client, numbers: range, name: str = "qa") -> None:
    """Adds an example for each number."""
    client.upload([json.dumps({"input": {"n": number}}).encode() + b"\n" for number in numbers], name)


def download(client: Client, name: str = "qa", version: str = "") -> list[int]:
    """The numbers in a dataset."""
    file = io.BytesIO()
    client.download(name, file, version=version)
    return [json.loads(line)["input"]["n"] for line in file.getvalue().splitlines()]


def listed(client: Client, name: str = "qa", **choices: object) -> list[int]:
    """The numbers on a page of a dataset."""
    request = datasets_pb2.ListExamplesRequest(name=name, page_size=1000, **choices)  # type: ignore[arg-type]
    return [int(example.input["n"]) for example in client.datasets.ListExamples(request).examples]


def pause(cluster: Cluster) -> None:
    """Leaves the replica as it is now, whatever is committed."""
    cluster.standby.execute("SELECT pg_wal_replay_pause()")
    until(lambda: cluster.standby.ask("SELECT pg_get_wal_replay_pause_state()") == "paused")


def catch_up(cluster: Cluster) -> None:
    """Waits until the replica has all that is committed."""
    lsn = cluster.primary.ask("SELECT pg_current_wal_insert_lsn()::text")
    until(lambda: cluster.standby.ask(f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn"))


class Watch:
    """Which of the two lines examples were read by since it was made."""

    def __init__(self, primary: Proxy, replica: Proxy) -> None:
        self._lines = {"primary": primary, "replica": replica}
        for line in self._lines.values():
            line.sent.clear()
            line.keep()

    @property
    def used(self) -> set[str]:
        """Their names."""
        return {name for name, line in self._lines.items() if any(ROWS in order for order in line.sent)}


def test_examples_come_from_the_replica(client: Client, cluster: Cluster, primary: Proxy, replica: Proxy) -> None:
    upload(client, range(3000))
    catch_up(cluster)
    watch = Watch(primary, replica)
    assert download(client) == list(range(3000))
    assert listed(client) == list(range(1000))
    versions = client.datasets.ListVersions(datasets_pb2.ListVersionsRequest(name="qa")).versions
    assert [version.live_count for version in versions] == [3000]
    assert watch.used == {"replica"}


def test_a_caller_sees_what_is_committed_although_the_replica_is_behind(
    client: Client, cluster: Cluster, primary: Proxy, replica: Proxy
) -> None:
    upload(client, range(10))
    catch_up(cluster)
    assert download(client) == list(range(10))
    pause(cluster)
    watch = Watch(primary, replica)
    upload(client, range(10, 20))
    assert download(client) == list(range(20))
    assert listed(client) == list(range(20))
    assert watch.used == {"primary"}
    split = datasets_pb2.CreateSplitRequest(name="qa", split_name="test")
    example = client.datasets.ListExamples(datasets_pb2.ListExamplesRequest(name="qa")).examples[3].example_id
    split.example_ids.append(example)
    client.datasets.CreateSplit(split)
    assert listed(client, splits=["test"]) == [3]
    client.datasets.DeleteExamples(datasets_pb2.DeleteExamplesRequest(name="qa", example_ids=[example]))
    assert listed(client) == [number for number in range(20) if number != 3]
    client.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name="qa"))
    for read in (download, listed):
        with pytest.raises(PhoenixError) as caught:
            read(client)
        assert caught.value.reason == "DATASET_NOT_FOUND"


def test_a_dataset_that_did_not_change_is_read_from_a_replica_that_is_behind(
    client: Client, cluster: Cluster, primary: Proxy, replica: Proxy
) -> None:
    upload(client, range(10))
    catch_up(cluster)
    pause(cluster)
    upload(client, range(5), "other")
    watch = Watch(primary, replica)
    assert download(client) == list(range(10))
    assert watch.used == {"replica"}


def test_old_versions_and_split_changes_are_the_same_on_both(client: Client, cluster: Cluster) -> None:
    upload(client, range(10))
    upload(client, range(10, 30))
    versions = client.datasets.ListVersions(datasets_pb2.ListVersionsRequest(name="qa")).versions
    first = versions[-1].version_id
    catch_up(cluster)
    assert download(client, version=first) == list(range(10))
    pause(cluster)
    upload(client, range(30, 40))
    assert download(client, version=first) == list(range(10))
    assert download(client) == list(range(40))


def test_nobody_notices_a_replica_that_goes_and_comes(
    server: ServerProcess, client: Client, cluster: Cluster, primary: Proxy, replica: Proxy
) -> None:
    upload(client, range(100))
    catch_up(cluster)
    assert download(client) == list(range(100))
    cluster.standby.kill_9()
    # A commit would wait for it.
    cluster.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
    cluster.primary.execute("SELECT pg_reload_conf()")
    try:
        for _ in range(5):
            assert download(client) == list(range(100))
        assert sum('"replica unused"' in line for line in server.lines) == 1
    finally:
        cluster.standby.start()
        cluster.wait_for_standby()
    watch = Watch(primary, replica)
    until(lambda: download(client) == list(range(100)) and "replica" in watch.used)


def test_a_replica_that_does_not_answer_costs_two_seconds_once(
    client: Client, cluster: Cluster, replica: Proxy
) -> None:
    upload(client, range(100))
    catch_up(cluster)
    assert download(client) == list(range(100))
    replica.stall()
    begun = time.monotonic()
    for _ in range(20):
        assert download(client) == list(range(100))
    assert time.monotonic() - begun < 8
    replica.go_on()


async def test_a_read_that_is_given_up_while_the_replica_is_silent_ends(
    cluster: Cluster, database: str, replica: Proxy
) -> None:
    engine = open_engine(cluster.primary.url(database), replica_url=replica.url)

    def give_up(tx: Transaction) -> None:
        replica.stall()
        raise Invalid("name", "is none")

    await engine.auth_revision()
    catch_up(cluster)
    with pytest.raises(NoReplica):
        await engine.read_replica(lambda _: True, give_up)
    closing = asyncio.create_task(engine.close())
    done, _ = await asyncio.wait({closing}, timeout=10)
    replica.go_on()
    await closing
    assert done


async def test_a_read_that_is_in_the_way_of_what_is_replayed_is_made_on_the_primary(
    cluster: Cluster, database: str, replica: Proxy
) -> None:
    """The replica cancels it, which says nothing about the next."""
    url = cluster.primary.url(database)
    engine = open_engine(url, replica_url=replica.url)
    try:
        await engine.auth_revision()
        catch_up(cluster)
        cluster.standby.execute("ALTER SYSTEM SET max_standby_streaming_delay = 0")
        cluster.standby.execute("SELECT pg_reload_conf()")

        def slow(tx: Transaction) -> None:
            tx.row("SELECT COUNT(*) FROM examples")
            tx.row("SELECT pg_sleep(1.5)")

        reading = asyncio.create_task(engine.read_replica(lambda _: True, slow))
        await asyncio.sleep(0.3)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM FULL examples")
        with pytest.raises(NoReplica):
            await reading
        assert await engine.read_replica(lambda _: True, lambda tx: tx.one("SELECT COUNT(*) FROM examples")) == (0,)
    finally:
        await engine.close()
        cluster.standby.execute("ALTER SYSTEM RESET max_standby_streaming_delay")
        cluster.standby.execute("SELECT pg_reload_conf()")


def test_credentials_never_come_from_the_replica(
    server: ServerProcess, client: Client, cluster: Cluster, replica: Proxy
) -> None:
    upload(client, range(3))
    key = client.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name="k"))
    catch_up(cluster)
    with Client(server.address, key.key) as other:
        assert download(other) == [0, 1, 2]
        pause(cluster)
        replica.sent.clear()
        replica.keep()
        client.auth.RevokeSystemApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=key.api_key.api_key_id))
        with pytest.raises(PhoenixError) as caught:
            download(other)
        assert caught.value.status is grpc.StatusCode.UNAUTHENTICATED
    assert not any(b"api_keys" in order or b"users" in order or b"auth_" in order for order in replica.sent)


def test_a_primary_is_no_replica(tmp_path: Path, cluster: Cluster, database: str) -> None:
    url = cluster.primary.url(database)
    urls = {"PHOENIX_SQL_DATABASE_URL": url, "PHOENIX_SQL_REPLICA_URL": url}
    with ServerProcess(tmp_path, **urls) as server, Client(server.address, ADMIN_SECRET) as client:
        upload(client, range(5))
        assert download(client) == list(range(5))
        assert any('"replica unused"' in line and "it is no replica" in line for line in server.lines)


async def test_a_replica_that_is_promoted_under_open_connections_is_read_no_more() -> None:
    """What is committed there from then on is committed nowhere else, and the connections work as before."""
    with running_cluster() as cluster:
        cluster.primary.execute("CREATE DATABASE servers")
        until(lambda: cluster.standby.ask("SELECT count(*) FROM pg_database WHERE datname = 'servers'"))
        engine = open_engine(cluster.primary.url("servers"), replica_url=cluster.standby.url("servers"))
        try:
            await engine.auth_revision()
            catch_up(cluster)
            for _ in range(3):
                assert await engine.read_replica(lambda _: True, lambda tx: tx.one("SELECT 1")) == (1,)
            cluster.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
            cluster.primary.execute("SELECT pg_reload_conf()")
            cluster.standby.execute("SELECT pg_promote(true, 60)")
            for _ in range(3):
                with pytest.raises(NoReplica):
                    await engine.read_replica(lambda _: True, lambda tx: tx.one("SELECT 1"))
        finally:
            await engine.close()


@pytest.mark.parametrize(
    ("url", "replica"),
    [
        ("sqlite:///{folder}/a.db", "postgresql://db.example.com/phoenix"),
        ("postgresql://db.example.com/phoenix", "sqlite:///{folder}/a.db"),
        ("postgresql://db.example.com/phoenix", "db.example.com"),
        ("postgresql://db.example.com/phoenix", "postgresql://db.example.com/phoenix?nonsense=1"),
    ],
)
def test_a_replica_is_one_of_a_postgresql_database(tmp_path: Path, url: str, replica: str) -> None:
    with pytest.raises(ConfigurationError, match="PHOENIX_SQL_REPLICA_URL: must be") as caught:
        open_engine(url.format(folder=tmp_path), replica_url=replica.format(folder=tmp_path), waits=True)
    assert "db.example.com" not in str(caught.value)


def test_a_replica_of_another_system_is_told_apart(tmp_path: Path, cluster: Cluster, database: str) -> None:
    """It replays, as a replica does, and has a dataset of the same number that has changed more often."""
    with running_cluster() as other:
        other.primary.execute(f"CREATE DATABASE {database}")
        with (
            ServerProcess(tmp_path / "other", PHOENIX_SQL_DATABASE_URL=other.primary.url(database)) as foreign,
            Client(foreign.address, ADMIN_SECRET) as client,
        ):
            for number in range(20):
                upload(client, range(1000 + number, 1001 + number))
        catch_up(other)
        urls = {
            "PHOENIX_SQL_DATABASE_URL": cluster.primary.url(database),
            "PHOENIX_SQL_REPLICA_URL": other.standby.url(database),
        }
        with ServerProcess(tmp_path / "own", **urls) as server, Client(server.address, ADMIN_SECRET) as client:
            upload(client, range(5))
            assert download(client) == list(range(5))
            assert any("it is a replica of another database" in line for line in server.lines)
