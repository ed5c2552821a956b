"""Floods of halves and of dense messages: memory stays bounded, and others are served meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc
from tests.conftest import Metadata, bearer
from tests.http2 import connected, message
from tests.process import ServerProcess

LOGIN = "/phoenix_grpc.v1.AuthService/Login"
APPEND = "/phoenix_grpc.v1.DatasetsService/AppendExamples"
UPLOAD = "/phoenix_grpc.v1.DatasetsService/UploadDataset"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LARGEST = (4 << 20) - 10
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


async def send_halves(address: str, path: str, metadata: Metadata, size: int, connections: int, streams: int) -> None:
    """Begins calls whose messages lack the last byte, and waits until most were ended, or nothing moves."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(address)) for _ in range(connections)]
        sends = []
        for connection in opened:
            for _ in range(streams):
                stream = connection.begin(path, metadata)
                sends.append(asyncio.create_task(connection.send(stream, message(size, size) if size else b"")))
        async with asyncio.timeout(30):
            while sum(len(connection.statuses) for connection in opened) < connections * streams - 40:
                await asyncio.sleep(0.05)
        for task in sends:
            task.cancel()
        await asyncio.gather(*sends, return_exceptions=True)


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


def test_dense_messages_take_a_bounded_share_of_memory(server: ServerProcess) -> None:
    values = ListValue(values=[Value(list_value=ListValue())] * 900_000)
    example = datasets_pb2.NewExample(input=Struct(fields={"a": Value(list_value=values)}))
    request = datasets_pb2.AppendExamplesRequest(name="nobody's", examples=[example])

    async def append() -> str:
        async with grpc.aio.insecure_channel(
            server.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            try:
                await datasets_pb2_grpc.DatasetsServiceStub(channel).AppendExamples(request, metadata=server.admin)
            except grpc.aio.AioRpcError as error:
                return error.code().name
        raise AssertionError

    async def append_many() -> None:
        codes = await asyncio.gather(*(append() for _ in range(10)))
        assert set(codes) <= {"NOT_FOUND", "RESOURCE_EXHAUSTED"}
        assert "NOT_FOUND" in codes

    grown = attacked(server, append_many)
    assert grown < MOST, f"{grown:,}"
