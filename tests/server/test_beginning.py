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
from tests.postgres import empty_database
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
        connection.execute("CREATE TABLE schema_migrations (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)")
        connection.execute("INSERT INTO schema_migrations VALUES ('m999_later', 0)")
    with pytest.raises(ConfigurationError, match="newer release"):
        async with serving(make_settings(tmp_path, sql_database_url=url)):
            pass
