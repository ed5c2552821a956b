"""A server whose database is away when it starts."""

import asyncio
from pathlib import Path

import grpc
import httpx
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.server.serving import serving
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import Api, api_of, make_settings, refused
from tests.faults.cluster import until
from tests.postgres import empty_database, shared_server
from tests.postgres_proxy import proxied

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health_of(api: Api) -> int:
    """What the server says of its health."""
    answer = await health_pb2_grpc.HealthStub(api.channel).Check(health_pb2.HealthCheckRequest())
    return int(answer.status)


async def test_a_server_without_its_database_is_not_serving_and_comes_up_by_itself(tmp_path: Path) -> None:
    with proxied(empty_database()) as proxy:
        proxy.close()
        async with api_of(make_settings(tmp_path, sql_database_url=proxy.url)) as api:
            assert await health_of(api) == NOT_SERVING
            async with httpx.AsyncClient(base_url=api.server.http_address) as http:
                assert (await http.get("/readyz")).status_code == 503
            for call in (
                api.auth.Login(auth_pb2.LoginRequest(email="a@example.com", password="a good password")),
                api.datasets.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=api.admin),
            ):
                assert (await refused(call)).code() is grpc.StatusCode.UNAVAILABLE
            proxy.open()
            async with asyncio.timeout(20):
                while await health_of(api) != SERVING:
                    await asyncio.sleep(0.1)
            assert (await api.login()).access_token


async def test_a_database_of_a_newer_release_stops_the_start(tmp_path: Path) -> None:
    url = empty_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at BIGINT, phase TEXT)")
        connection.execute("INSERT INTO schema_migrations VALUES ('m999_later', 0, 'after')")
    with pytest.raises(ConfigurationError, match="newer release"):
        async with serving(make_settings(tmp_path, sql_database_url=url)):
            pass


REFUSED = {
    "a wrong password": ("guarded:bad-secret@/postgres", "password authentication failed"),
    "no password": ("guarded@/postgres", "no password supplied"),
    "an unknown user": ("nobody@/postgres", 'role "nobody" does not exist'),
    "an unknown database": ("phoenix@/nowhere", 'database "nowhere" does not exist'),
    "a user who is kept out": ("outsider@/postgres", "pg_hba.conf rejects"),
}


def refusal(url: str) -> str:
    """Why a database lets nobody in; empty when it does."""
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def guarded() -> str:
    """The folder of a server that asks the user "guarded" for a password, and keeps "outsider" out."""
    server = shared_server()
    rules = server.data / "pg_hba.conf"
    rules.write_text(f"local all guarded scram-sha-256\nlocal all outsider reject\n{rules.read_text()}")
    server.execute("CREATE ROLE guarded LOGIN PASSWORD 'a-good-secret'")
    server.execute("SELECT pg_reload_conf()")
    until(lambda: "password" in refusal(server.url("postgres").replace("phoenix@", "guarded:bad@")))
    return str(server.folder)


@pytest.mark.parametrize("case", REFUSED)
async def test_a_database_that_lets_nobody_in_stops_the_start(tmp_path: Path, guarded: str, case: str) -> None:
    place, reason = REFUSED[case]
    with pytest.raises(ConfigurationError, match=f"PHOENIX_SQL_DATABASE_URL: .*{reason}") as caught:
        async with serving(make_settings(tmp_path, sql_database_url=f"postgresql://{place}?host={guarded}")):
            pass
    assert "bad-secret" not in str(caught.value)


async def test_a_password_that_is_changed_later_stops_no_server(tmp_path: Path, guarded: str) -> None:
    """It is not the start any more: whoever changes the password may change it back."""
    url = empty_database()
    with psycopg.connect(url) as connection:
        connection.execute("GRANT ALL ON SCHEMA public TO guarded")
    theirs = url.replace("phoenix@", "guarded:a-good-secret@")
    async with api_of(make_settings(tmp_path, sql_database_url=theirs)) as api:
        assert await health_of(api) == SERVING
        shared_server().execute("ALTER ROLE guarded PASSWORD 'another'")
        with psycopg.connect(url) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'guarded'")
        async with asyncio.timeout(20):
            while await health_of(api) != NOT_SERVING:
                await asyncio.sleep(0.1)
        shared_server().execute("ALTER ROLE guarded PASSWORD 'a-good-secret'")
        async with asyncio.timeout(20):
            while await health_of(api) != SERVING:
                await asyncio.sleep(0.1)
