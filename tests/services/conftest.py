"""Servicers without a network."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.accounts import Accounts, Clock, accounts_in, use_cheap_passwords, use_clock


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
