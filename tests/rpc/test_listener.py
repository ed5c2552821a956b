"""The doors of gRPC: private folders of servers that were killed, and the bounds on connections."""

import asyncio
import contextlib
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc
from tests.conftest import api_of, eventually, make_settings
from tests.http2 import Connection, connected


async def opened(stack: contextlib.AsyncExitStack, address: str, count: int) -> list[Connection]:
    """So many connections."""
    return [await stack.enter_async_context(connected(address)) for _ in range(count)]


async def serves(target: str) -> bool:
    """Whether a new connection is served."""
    async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        try:
            await auth_pb2_grpc.AuthServiceStub(channel).GetServerConfig(auth_pb2.GetServerConfigRequest(), timeout=10)
        except grpc.aio.AioRpcError:
            return False
        return True


async def test_connections_beyond_the_bound_are_closed_and_the_socket_and_the_other_door_are_free_of_it(
    tmp_path: Path,
) -> None:
    socket_path = tmp_path / "s"
    settings = make_settings(tmp_path, grpc_max_connections=3, grpc_unix_socket=socket_path)
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(settings))
        await opened(stack, api.server.address, 3)
        await asyncio.sleep(0.1)
        assert not await serves(api.server.address)
        await opened(stack, f"unix:{socket_path}", 5)
        assert await serves(f"unix:{socket_path}")
        reader, writer = await asyncio.open_connection("127.0.0.1", api.server.http_port)
        writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(("proxies", "left"), [("", 4), ("127.0.0.0/8", 9)])
async def test_one_address_has_its_share_of_connections_unless_it_is_a_proxy(
    tmp_path: Path, proxies: str, left: int
) -> None:
    settings = make_settings(tmp_path, grpc_max_connections_per_address=4, trusted_proxies=proxies)
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(settings))
        connections = await opened(stack, api.server.address, 9)
        await asyncio.sleep(1.2)
        await eventually(lambda: sum(not connection.closed for connection in connections) == left)
        assert await serves(api.server.address)


async def test_a_connection_has_so_many_streams_and_one_through_a_socket_more(tmp_path: Path) -> None:
    socket_path = tmp_path / "s"
    async with api_of(make_settings(tmp_path, grpc_unix_socket=socket_path)) as api:
        async with connected(api.server.address) as connection:
            await eventually(lambda: connection.most_streams is not None)
            assert connection.most_streams == 100
        async with connected(f"unix:{socket_path}") as connection:
            await eventually(lambda: connection.most_streams is not None)
            assert (connection.most_streams or 0) > 1000
