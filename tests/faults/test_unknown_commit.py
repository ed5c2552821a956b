"""A call whose commit may or may not have happened: the record of its request id tells."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from phoenix_grpc.v1 import datasets_pb2
from tests.conftest import Api, api_of, details, make_settings, refused
from tests.postgres import new_database
from tests.postgres_proxy import Proxy, proxied


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """The line to a new database."""
    with proxied(new_database()) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def api(tmp_path: Path, proxy: Proxy) -> AsyncIterator[Api]:
    """A server whose line to the database can be cut."""
    async with api_of(make_settings(tmp_path, sql_database_url=proxy.url)) as api:
        yield api


@pytest.mark.parametrize("committed", [False, True])
async def test_a_call_with_a_request_id_is_repeated_safely(api: Api, proxy: Proxy, committed: bool) -> None:
    request = datasets_pb2.CreateDatasetRequest(name="d", request_id=str(uuid.uuid4()))
    await api.datasets.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=api.admin)
    proxy.cut_at(b"COMMIT", after=committed)
    error = await refused(api.datasets.CreateDataset(request, metadata=api.admin))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert "the outcome is unknown" in (error.details() or "")
    assert "RetryInfo" in details(error)
    made = await api.datasets.CreateDataset(request, metadata=api.admin)
    found = await api.datasets.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=api.admin)
    assert [dataset.dataset_id for dataset in found.datasets] == [made.dataset_id]
    assert await api.datasets.CreateDataset(request, metadata=api.admin) == made
