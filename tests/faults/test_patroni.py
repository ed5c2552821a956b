"""Patroni, strictly synchronous: its leader dies, service is back soon, and nothing that was acknowledged is lost."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.faults.clients import Team
from tests.faults.cluster import until
from tests.faults.patroni import TTL_SECONDS, running_patroni
from tests.process import ServerProcess

PROMISED_SECONDS = 10
PATIENCE = TTL_SECONDS + 60.0


def test_service_is_back_and_nothing_is_lost_when_the_leader_dies(tmp_path: Path, figures: Callable[..., None]) -> None:
    with running_patroni() as cluster:
        database = cluster.create_database("teams")
        with ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database) as server:
            with Team([server.address], "kept by patroni", patience=PATIENCE) as team:
                time.sleep(3)
                leader = cluster.leader
                leader.kill_9()
                killed = time.monotonic()
                others = [node for node in cluster.nodes if node is not leader]
                until(lambda: any(node.is_("primary") for node in others), PATIENCE)
                promoted = time.monotonic()
                until(lambda: team.acknowledged(killed + 1), PATIENCE)
                back = min(one.end for one in team.acknowledged(killed + 1))
                time.sleep(3)
            versions = team.check(server.address)
    assert back - promoted < PROMISED_SECONDS
    assert {error.partition(" ")[0] for error in team.errors} <= {"NOT_FOUND", "UNAVAILABLE"}, team.errors
    figures(
        acknowledged_writes=len(team.acknowledged()),
        versions=len(versions),
        seconds_from_kill_to_promotion=round(promoted - killed, 1),
        seconds_from_promotion_to_service=round(back - promoted, 1),
        errors=dict(team.errors),
    )
