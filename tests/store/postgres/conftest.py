"""PostgreSQL alone."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from tests.postgres import new_database
from tests.postgres_proxy import Proxy, proxied


@pytest.fixture
def database() -> str:
    """The URL of a new database."""
    return new_database()


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    """The line to it."""
    with proxied(database) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def engine_behind(proxy: Proxy) -> AsyncIterator[Engine]:
    """An engine behind the line."""
    engine = open_engine(proxy.url)
    yield engine
    proxy.go_on()
    await engine.close()


@pytest.fixture
def kind() -> str:
    """The engine that is tested here."""
    return "postgresql"


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user of a PostgreSQL server reaches, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="phoenix-grpc-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
