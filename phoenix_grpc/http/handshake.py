"""TLS for the HTTP door: connections are counted, and bounded in time, from the moment on that they are accepted.

asyncio's own servers tell nobody of a connection before it has shaken hands.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable

from phoenix_grpc.certificates import Certificates
from phoenix_grpc.http.connections import Connections

HANDSHAKE_SECONDS = 10
"""How long a client may take to begin TLS."""

_PAUSE_SECONDS = 1.0
"""How long nothing is accepted after the system refused to."""


class Handshake:
    """A connection that does not speak TLS yet."""

    def __init__(self) -> None:
        self._shaking: asyncio.Task[None] | None = None

    def begin(self, shaking: asyncio.Task[None]) -> None:
        """Names the task that makes it speak TLS."""
        self._shaking = shaking

    def cut_off(self) -> None:
        """Closes at once."""
        if self._shaking is not None:
            self._shaking.cancel()


@contextlib.asynccontextmanager
async def accepting(
    listener: socket.socket,
    certificates: Certificates,
    open_connections: Connections,
    make: Callable[[Handshake], asyncio.Protocol],
) -> AsyncIterator[None]:
    """Accepts connections until the block ends.

    Arguments:
        certificates: the one that is served when a connection is accepted counts.
        open_connections: those of the server.
        make: makes the protocol that takes over, and counts the connection in place of its handshake.
    """
    loop = asyncio.get_running_loop()

    async def shake(line: socket.socket, handshake: Handshake) -> None:
        try:
            await loop.connect_accepted_socket(
                lambda: make(handshake),
                line,
                ssl=certificates.loaded.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError):  # of which timeouts are one; strangers are nothing to log
            pass
        finally:
            open_connections.leave(handshake)

    async def accept() -> None:
        while True:
            try:
                line, peer = await loop.sock_accept(listener)
            except OSError:  # too many open files, or the client is gone already
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            handshake = Handshake()
            if open_connections.enter(handshake, peer[0]):
                shaking = tasks.create_task(shake(line, handshake))
                handshake.begin(shaking)
            else:
                line.close()

    async with asyncio.TaskGroup() as tasks:
        listener.setblocking(False)
        acceptor = tasks.create_task(accept())
        try:
            yield
        finally:
            acceptor.cancel()
            listener.close()
