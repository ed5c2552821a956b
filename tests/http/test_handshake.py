"""Connections before they speak TLS: whatever happens to one, the door goes on."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import trustme

from phoenix_grpc.certificates import Certificates
from phoenix_grpc.config import load_settings
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.http.connections import Connections
from phoenix_grpc.http.handshake import Handshake, accepting
from tests.certificates import issue

LIMIT = 5


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Door:
    """A door that speaks TLS; `failures` protocols cannot be made."""

    def __init__(self, folder: Path) -> None:
        self.authority = trustme.CA()
        variables = issue(self.authority, folder)
        values = {name.removeprefix("PHOENIX_").lower(): value for name, value in variables.items()}
        self.certificates = Certificates(load_settings(tls_enabled=True, **values))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = Connections(LIMIT, LIMIT, TrustedProxies(()))
        self.failures = 0

    def make(self, _: Handshake) -> asyncio.Protocol:
        """The protocol of a connection."""
        if self.failures:
            self.failures -= 1
            raise RuntimeError("cannot be made")
        return Echo()

    async def ask(self) -> bytes:
        """What comes back."""
        context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        port = self.listener.getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()
        return answer


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A door that is open."""
    door = Door(tmp_path)
    async with accepting(door.listener, door.certificates, door.connections, door.make):
        yield door


async def test_a_connection_that_cannot_be_taken_over_costs_no_other(door: Door) -> None:
    door.failures = 3
    for _ in range(3):
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)):
            await door.ask()
    for _ in range(2 * LIMIT):
        assert await door.ask() == b"hello"


async def test_clients_that_go_at_once_leave_their_place(door: Door) -> None:
    for _ in range(4 * LIMIT):
        with socket.create_connection(door.listener.getsockname()) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # ends by a reset
        await asyncio.sleep(0.01)
    assert await door.ask() == b"hello"
    assert not door.connections._addresses


async def test_whoever_waits_in_the_handshake_longest_makes_room(door: Door) -> None:
    silent = [socket.create_connection(door.listener.getsockname()) for _ in range(LIMIT)]
    await asyncio.sleep(0.1)
    assert await door.ask() == b"hello"
    silent[0].settimeout(5)
    assert await asyncio.to_thread(silent[0].recv, 1) == b""
    for line in silent:
        line.close()


async def test_the_end_of_the_door_ends_handshakes(tmp_path: Path) -> None:
    door = Door(tmp_path)
    async with accepting(door.listener, door.certificates, door.connections, door.make):
        line = socket.create_connection(door.listener.getsockname())
        await asyncio.sleep(0.1)
        ending = asyncio.get_running_loop().time()
    line.close()
    assert asyncio.get_running_loop().time() - ending < 5
