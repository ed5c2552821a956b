"""The connections of an address: its share, floods of strangers, and those of identified callers that stay."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from phoenix_grpc.rpc.connections import FLOOD, address_of
from tests.attackers import LOGIN, UPLOAD
from tests.conftest import ADMIN_SECRET, api_of, bearer, eventually, make_settings
from tests.http2 import Connection, connected

ADMIN = bearer(ADMIN_SECRET)
WHO = "/phoenix_grpc.v1.AuthService/WhoAmI"


async def opened(stack: contextlib.AsyncExitStack, address: str, count: int) -> list[Connection]:
    """So many connections."""
    return [await stack.enter_async_context(connected(address)) for _ in range(count)]


async def identified(connection: Connection) -> None:
    """Makes a call with a credential."""
    stream = await connection.call(WHO, b"", ADMIN)
    await eventually(lambda: connection.statuses.get(stream) == "0")


def flood(connections: list[Connection], path: str = LOGIN) -> None:
    """Begins calls that send no message."""
    for connection in connections:
        for _ in range(100):
            connection.begin(path)


def closed(connections: list[Connection]) -> int:
    """How many the server has closed."""
    return sum(connection.closed for connection in connections)


async def test_strangers_who_flood_lose_the_connections_of_their_address_and_identified_callers_do_not(
    tmp_path: Path,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(make_settings(tmp_path)))
        known, *strangers = await opened(stack, api.server.address, 5)
        await identified(known)
        await asyncio.sleep(1.2)  # until connections were looked through
        flood([known])  # as a proxy would that nobody trusts, with its callers' calls beside those of strangers
        flood(strangers)
        await eventually(lambda: closed(strangers) == len(strangers))
        await identified(known)
        assert not known.closed
        # The flood is over: the address may come again.
        await eventually(lambda: sum(known.statuses[n] == "8" for n in known.statuses) >= 100 - 32)
        (again,) = await opened(stack, api.server.address, 1)
        await identified(again)
        await asyncio.sleep(1.2)
        assert not again.closed


async def test_calls_without_a_credential_are_a_flood_by_any_method(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(make_settings(tmp_path)))
        strangers = await opened(stack, api.server.address, 20)
        flood(strangers, UPLOAD)
        await eventually(lambda: closed(strangers) == len(strangers))
        # What they have sent is still being refused, and is no new flood.
        (fresh,) = await opened(stack, api.server.address, 1)
        await asyncio.sleep(0.5)
        assert not fresh.closed


@pytest.mark.parametrize("door", ["socket", "proxy"])
async def test_who_speaks_for_many_is_not_taken_for_a_flood(tmp_path: Path, door: str) -> None:
    socket_path = tmp_path / "s"
    proxies = "127.0.0.0/8" if door == "proxy" else ""
    settings = make_settings(tmp_path, grpc_unix_socket=socket_path, trusted_proxies=proxies)
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(settings))
        address = f"unix:{socket_path}" if door == "socket" else api.server.address
        connections = await opened(stack, address, 7)
        flood(connections)
        # There is room for 256 of all strangers.
        await eventually(lambda: sum(len(connection.statuses) for connection in connections) > FLOOD)
        await asyncio.sleep(0.2)
        assert not closed(connections)


async def test_a_refusal_now_and_then_is_no_flood(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(make_settings(tmp_path)))
        connections = await opened(stack, api.server.address, 2)
        flood(connections)
        await eventually(lambda: sum(len(connection.statuses) for connection in connections) >= 200 - 32)
        await asyncio.sleep(0.2)
        assert not closed(connections)


async def test_connections_of_identified_callers_take_the_share_of_their_address_first(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(make_settings(tmp_path, grpc_max_connections_per_address=3)))
        strangers = await opened(stack, api.server.address, 3)
        await asyncio.sleep(0.1)
        (known,) = await opened(stack, api.server.address, 1)
        await identified(known)
        await eventually(lambda: closed(strangers) == 1)
        await asyncio.sleep(1.2)
        assert closed(strangers) == 1
        await identified(known)


@pytest.mark.parametrize(("host", "at"), [("::1", "::1"), ("::", "127.0.0.1"), ("0.0.0.0", "127.0.0.1")])
async def test_connections_are_found_by_the_names_that_grpc_gives_them(tmp_path: Path, host: str, at: str) -> None:
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(api_of(make_settings(tmp_path, host=host)))
        known, *strangers = await opened(stack, f"{at}:{api.server.grpc_port}", 5)
        await identified(known)
        flood(strangers)
        await eventually(lambda: closed(strangers) == len(strangers))
        assert not known.closed


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:5000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:5000", "2001:db8::1"),
        ("unix:", "unix"),
        ("unix:/run/some.sock", "unix"),
    ],
)
def test_an_address_is_shown_without_scheme_and_port(peer: str, address: str) -> None:
    assert address_of(peer) == address
