"""The primary of a replicated PostgreSQL dies: no acknowledged write is lost, none is torn, and service comes back."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.store.datasets.uploads import begin_upload
from phoenix_grpc.store.postgres.engine import PostgresEngine
from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_PASSWORD, Metadata, bearer, reason_of
from tests.faults.clients import Team
from tests.faults.cluster import Cluster, running_cluster, until
from tests.process import ServerProcess

ROUNDS = 3
PROMISED_SECONDS = 10
PAUSES = [0, 12, 4]
"""Seconds without a primary, in turn: calls wait for it, or fail and are repeated; publications go on or are undone."""

PATIENCE = 60.0


@pytest.fixture(scope="module")
def one_cluster() -> Iterator[Cluster]:
    with running_cluster() as made:
        yield made


@pytest.fixture
def cluster(one_cluster: Cluster) -> Cluster:
    """The cluster, with a standby."""
    if not one_cluster.standby.runs:
        one_cluster.add_standby()
    return one_cluster


def test_no_acknowledged_write_is_lost_when_the_primary_dies(
    tmp_path: Path, cluster: Cluster, rounds: int | None, figures: Callable[..., None]
) -> None:
    cluster.primary.execute("CREATE DATABASE failover")
    database = cluster.url("failover")
    back: list[float] = []
    with (
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database) as one,
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database) as two,
    ):
        with Team([one.address, two.address], "replicated", patience=PATIENCE) as team:
            revoked = []
            for turn in range(rounds or ROUNDS):
                time.sleep(2)
                revoked.append(_revoked_key(one))
                promoted = cluster.fail_over(PAUSES[turn % len(PAUSES)])
                until(lambda since=promoted: team.acknowledged(since), PATIENCE)
                back.append(min(one.end for one in team.acknowledged(promoted)) - promoted)
                assert {_reason(server, key) for server in (one, two) for key in revoked} == {"API_KEY_REVOKED"}
                cluster.add_standby()
        versions = team.check(two.address)
    assert max(back) < PROMISED_SECONDS
    assert {error.partition(" ")[0] for error in team.errors} <= {"NOT_FOUND", "UNAVAILABLE"}, team.errors
    figures(
        rounds=len(back),
        acknowledged_writes=len(team.acknowledged()),
        versions=len(versions),
        slowest_return_in_seconds=round(max(back), 2),
        errors=dict(team.errors),
    )


def _revoked_key(server: ServerProcess) -> Metadata:
    """A key that was made, used and revoked just now."""
    login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
    session = bearer(server.auth.Login(login).access_token)
    made = server.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name=secrets.token_hex(4)), metadata=session)
    server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(made.key))
    server.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id), metadata=session)
    return bearer(made.key)


def _reason(server: ServerProcess, caller: Metadata) -> str:
    """Why a call is refused."""
    with pytest.raises(grpc.RpcError) as caught:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=caller)
    return reason_of(caught.value)


async def test_what_a_publisher_has_staged_is_there_after_a_failover(cluster: Cluster) -> None:
    """A publisher outlives the primary: it must not publish rows that died with it."""
    cluster.primary.execute("CREATE DATABASE staged")
    engine = PostgresEngine(cluster.url("staged"))
    await engine.begin()
    try:
        await engine.stage(begin_upload)
        upload_id = await engine.stage(begin_upload)
        cluster.fail_over()
        rows = await engine.read(lambda tx: tx.rows("SELECT id FROM uploads"))
    finally:
        await engine.close()
    assert (upload_id,) in rows


async def test_a_long_outage_does_not_make_the_return_longer(cluster: Cluster) -> None:
    """Those who try again more and more seldom notice late that a new primary is there."""
    cluster.primary.execute("CREATE DATABASE outage")
    engine = PostgresEngine(cluster.url("outage"), pool_size=1)
    await engine.begin()
    try:
        await engine.write(begin_upload)
        await engine.check()
        call = asyncio.create_task(_until_done(engine))
        promoted = await asyncio.to_thread(cluster.fail_over, 20)
        assert await call - promoted < PROMISED_SECONDS / 2
    finally:
        await engine.close()


async def _until_done(engine: PostgresEngine) -> float:
    """When a write was done that begins again as long as it is refused, from after the outage began."""
    await asyncio.sleep(2)
    while True:
        with contextlib.suppress(Unavailable):
            await engine.check()
            await engine.write(begin_upload)
            return time.monotonic()
        await asyncio.sleep(0.2)
