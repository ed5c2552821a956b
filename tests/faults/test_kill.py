"""kill -9 of the whole server under load: nothing acknowledged is lost, nothing is torn or done twice."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Team
from tests.faults.cluster import free_port, until
from tests.process import ServerProcess

ROUNDS = 5
PATIENCE = 60.0


def test_nothing_is_lost_when_the_server_is_killed(
    tmp_path: Path, database: str, rounds: int | None, figures: Callable[..., None]
) -> None:
    port = str(free_port())
    settings = {"PHOENIX_SQL_DATABASE_URL": database, "PHOENIX_GRPC_PORT": port}
    server = ServerProcess(tmp_path, **settings)
    back: list[float] = []
    with Team([server.address], "killed", patience=PATIENCE) as team:
        for _ in range(rounds or ROUNDS):
            time.sleep(random.uniform(0.3, 1.5))
            server.kill()
            killed = time.monotonic()
            server = ServerProcess(tmp_path, **settings)
            until(lambda since=killed: team.acknowledged(since), PATIENCE)
            back.append(min(one.end for one in team.acknowledged(killed)) - killed)
        time.sleep(1)
    with server:
        versions = team.check(server.address)
    assert {error.partition(" ")[0] for error in team.errors} <= {"NOT_FOUND", "UNAVAILABLE"}, team.errors
    figures(
        rounds=len(back),
        acknowledged_writes=len(team.acknowledged()),
        versions=len(versions),
        slowest_return_in_seconds=round(max(back), 2),
        errors=dict(team.errors),
    )
