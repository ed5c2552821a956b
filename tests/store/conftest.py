"""The engines that the store's contract is tested on: another engine is another parameter here."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from tests.postgres import empty_database, new_database
from tests.store.keeper import Keeper


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which engine."""
    return str(request.param)


@pytest.fixture
def new_url(kind: str, tmp_path: Path) -> Callable[[], str]:
    """Makes URLs of databases with nothing in them."""
    return new_database if kind == "postgresql" else files(tmp_path)


@pytest.fixture
def unmigrated_url(kind: str, tmp_path: Path) -> str:
    """The URL of a database without a table."""
    return empty_database() if kind == "postgresql" else files(tmp_path)()


def files(folder: Path) -> Callable[[], str]:
    """Makes URLs of files that do not exist yet."""
    numbers = count(1)
    return lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"


@pytest_asyncio.fixture
async def engine(new_url: Callable[[], str]) -> AsyncIterator[Engine]:
    """An engine on an empty database."""
    engine = open_engine(new_url())
    yield engine
    await engine.close()


@pytest_asyncio.fixture
async def new_engine(new_url: Callable[[], str]) -> AsyncIterator[Callable[[], Engine]]:
    """Makes engines, each on a database of its own."""
    made: list[Engine] = []

    def make() -> Engine:
        made.append(open_engine(new_url()))
        return made[-1]

    yield make
    for engine in made:
        await engine.close()


@pytest.fixture
def keeper(engine: Engine) -> Keeper:
    """Shortcuts to the store's functions."""
    return Keeper(engine)
