"""Floods of halves and of dense messages: memory stays bounded, and others are served meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc
from tests.attackers import APPEND, LARGEST, LOGIN, REFLECTION, UPLOAD, send_dense, send_halves
from tests.conftest import bearer
from tests.process import ServerProcess

MOST = 300 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server as a process of its own."""
    with ServerProcess(Path(tmp_path_factory.mktemp("attacked"))) as server:
        yield server


def attacked(server: ServerProcess, attack: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """By how many bytes the server grew during an attack; another caller is served all the time."""
    key = bearer(server.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name="other"), metadata=server.admin).key)

    async def run() -> None:
        attacking = asyncio.create_task(attack())
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = auth_pb2_grpc.AuthServiceStub(channel)
            while not attacking.done():
                await stub.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=key, timeout=20)
                await asyncio.sleep(0.05)
        await attacking

    return server.grown(lambda: asyncio.run(run()))


@pytest.mark.parametrize(
    ("path", "known", "size", "connections", "streams"),
    [
        (LOGIN, False, LARGEST, 4, 32),
        (REFLECTION, False, LARGEST, 4, 32),
        (APPEND, True, LARGEST, 4, 50),
        (UPLOAD, True, LARGEST, 4, 32),
        (LOGIN, False, 0, 20, 100),
    ],
)
def test_halves_of_messages_take_a_bounded_share_of_memory(
    server: ServerProcess, path: str, known: bool, size: int, connections: int, streams: int
) -> None:
    metadata = server.admin if known else ()
    grown = attacked(server, lambda: send_halves(server.address, path, metadata, size, connections, streams))
    assert grown < MOST, f"{grown:,}"


def test_a_flood_of_calls_without_credentials_is_cut_off(server: ServerProcess) -> None:
    grown = attacked(server, lambda: send_halves(server.address, LOGIN, (), 0, 180, 100))
    # 170 MB when each call was refused by itself.
    assert grown < 100 << 20, f"{grown:,}"


def test_dense_messages_take_a_bounded_share_of_memory(server: ServerProcess) -> None:
    async def send() -> None:
        statuses = await send_dense(server.address, server.admin, 10)
        assert set(statuses) <= {"NOT_FOUND", "RESOURCE_EXHAUSTED"}
        assert statuses["NOT_FOUND"]

    grown = attacked(server, send)
    assert grown < MOST, f"{grown:,}"
