"""The clock of one server jumps: leases run on by another clock, revocations hold, and nothing is lost."""

import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_PASSWORD, Metadata, bearer, reason_of
from tests.faults.clients import Team
from tests.faults.cluster import until
from tests.process import ServerProcess
from tests.toolchains import need

HOUR = 3600
JUMPS = [HOUR, -HOUR, 24 * HOUR, 0]
WHO_AM_I = auth_pb2.WhoAmIRequest()


class Clock:
    """The wall clock of a server, see wall_clock.c."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self.jump(0)
        library = folder / "wall_clock.so"
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("wall_clock.c")], check=True
        )
        self.variables = {"LD_PRELOAD": str(library), "WALL_CLOCK_OFFSET": str(self._file)}

    def jump(self, seconds: int) -> None:
        """Sets it ahead of the machine's, or behind."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    need("cc")
    return Clock(tmp_path)


@pytest.fixture
def servers(tmp_path: Path, database: str, clock: Clock) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Two servers on one database, the second with the clock that jumps."""
    with (
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database) as one,
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=database, **clock.variables) as two,
    ):
        yield one, two
        clock.jump(0)


def reason(server: ServerProcess, caller: Metadata) -> str:
    """Why a call is refused; empty when it is served."""
    try:
        server.auth.WhoAmI(WHO_AM_I, metadata=caller, timeout=20)
    except grpc.RpcError as error:
        return reason_of(error)
    return ""


def test_a_revocation_holds_at_once_whatever_the_clocks_say(
    servers: tuple[ServerProcess, ServerProcess], clock: Clock
) -> None:
    one, two = servers
    login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
    session = bearer(one.auth.Login(login).access_token)
    for jump in JUMPS:
        made = one.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name=f"key {jump}"), metadata=session)
        key = bearer(made.key)
        assert reason(two, key) == ""
        clock.jump(jump)
        assert reason(two, key) == ""
        one.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id), metadata=session)
        assert reason(two, key) == "API_KEY_REVOKED"


def test_a_token_is_as_old_as_the_clock_says_and_good_again_when_it_is_set_right(
    servers: tuple[ServerProcess, ServerProcess], clock: Clock
) -> None:
    one, two = servers
    login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
    session = bearer(one.auth.Login(login).access_token)
    assert reason(two, session) == ""
    clock.jump(24 * HOUR)
    assert reason(two, session) == "ACCESS_TOKEN_EXPIRED"
    clock.jump(0)
    assert reason(two, session) == ""
    assert reason(one, session) == ""


def test_clients_see_one_order_while_the_clock_of_a_server_jumps(
    servers: tuple[ServerProcess, ServerProcess], clock: Clock, figures: Callable[..., None]
) -> None:
    addresses = [server.address for server in servers]
    with Team(addresses, "jumping", patience=60) as team:
        for jump in JUMPS:
            clock.jump(jump)
            begun = time.monotonic()
            time.sleep(2)
            until(lambda since=begun: len(team.acknowledged(since)) > 5, 30)
    versions = team.check(addresses[0])
    assert {error.partition(" ")[0] for error in team.errors} <= {"NOT_FOUND", "UNAVAILABLE"}, team.errors
    figures(acknowledged_writes=len(team.acknowledged()), versions=len(versions), errors=dict(team.errors))
