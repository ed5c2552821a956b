"""The engines that the store's contract is tested on: another engine is another parameter here."""

from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from tests.store.keeper import Keeper


@pytest.fixture(params=["sqlite"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes URLs of empty databases."""
    numbers = count(1)
    urls = {"sqlite": lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.db'}"}
    return urls[request.param]


@pytest_asyncio.fixture
async def engine(new_url: Callable[[], str]) -> AsyncIterator[Engine]:
    """An engine on an empty database."""
    engine = open_engine(new_url())
    yield engine
    await engine.close()


@pytest.fixture
def keeper(engine: Engine) -> Keeper:
    """Shortcuts to the store's functions."""
    return Keeper(engine)
