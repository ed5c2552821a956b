"""PostgreSQL alone."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


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
