"""Clients that append, upload, update, delete, list and download one dataset at once see one order of it."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Team
from tests.process import ServerProcess

SECONDS = 6


def test_clients_of_two_processes_see_one_order(
    tmp_path: Path, database: str, rounds: int | None, figures: Callable[..., None]
) -> None:
    with (
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database) as one,
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database) as two,
    ):
        with Team([one.address, two.address], "shared") as team:
            time.sleep(SECONDS * (rounds or 1))
        versions = team.check(two.address)
    assert not team.errors.keys() - {"NOT_FOUND EXAMPLE_NOT_FOUND"}, team.errors
    assert len(versions) > 50
    figures(operations=len(team.operations), versions=len(versions))
