"""PostgreSQL alone."""

import pytest


@pytest.fixture
def kind() -> str:
    """The engine that is tested here."""
    return "postgresql"
