"""Servicers without a network."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.accounts import Accounts, Clock, accounts_in, use_cheap_passwords, use_clock
from tests.conftest import api_of, make_settings
from tests.services.caller import DatasetCaller


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands still until it is advanced."""
    return use_clock(monkeypatch)


@pytest_asyncio.fixture
async def accounts(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Accounts]:
    """AuthService on a new store, at a time that stands still."""
    use_cheap_passwords(monkeypatch)
    async with accounts_in(tmp_path) as accounts:
        yield accounts


@pytest_asyncio.fixture
async def datasets(tmp_path: Path) -> AsyncIterator[DatasetCaller]:
    """DatasetsService over a channel, on a new store; authentication is off."""
    async with api_of(make_settings(tmp_path, enable_auth=False)) as api:
        yield DatasetCaller(api, ())
