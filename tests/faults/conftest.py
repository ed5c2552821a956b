"""How long the tests of faults run, where their databases are, and the figures that they end with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ON_POSTGRES
from tests.postgres import new_database


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, help="how many rounds a test of faults runs, in place of a few")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves these tests out where all others run on PostgreSQL: they choose their engines themselves."""
    if ON_POSTGRES:
        here = Path(__file__).parent
        config.hook.pytest_deselected(items=[item for item in items if item.path.is_relative_to(here)])
        items[:] = [item for item in items if not item.path.is_relative_to(here)]


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int | None:
    """The number of rounds that was asked for."""
    asked: int | None = request.config.getoption("--rounds", default=None)
    return asked


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Takes what a test measured, by name; the run shows it at its end."""

    def show(**values: object) -> None:
        record_property("figures", ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in values.items()))

    return show


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid.rpartition('/')[2]}: {value}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database, on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'faults.db'}"
    return new_database()
