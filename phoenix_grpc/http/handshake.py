"""TLS for the HTTP door: connections are counted, and bounded in time, from the moment on that they are accepted.

asyncio's own servers tell nobody of a connection before it has shaken hands.
"""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable

import structlog

from phoenix_grpc.beside import beside
from phoenix_grpc.certificates import Certificates
from phoenix_grpc.http.connections import Connections

HANDSHAKE_SECONDS = 10
"""How long a client may take to begin TLS."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE_SECONDS = 1.0
"""How long nothing is accepted after the system had no room for another connection."""

log = structlog.get_logger()


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


class _Acceptor:
    """Accepts connections, and has each shake hands; see `accepting`."""

    def __init__(
        self,
        listener: socket.socket,
        certificates: Certificates,
        open_connections: Connections,
        make: Callable[[Handshake], asyncio.Protocol],
    ) -> None:
        self._listener = listener
        self._certificates = certificates
        self._open = open_connections
        self._make = make
        self._under_way: set[asyncio.Task[None]] = set()

    async def accept(self) -> None:
        """Accepts until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                line, peer = await loop.sock_accept(self._listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._begin(line, peer[0])

    def _begin(self, line: socket.socket, address: str) -> None:
        handshake = Handshake()
        if not self._open.enter(handshake, address):
            line.close()
            return
        shaking = asyncio.create_task(self._shake(line, handshake))
        handshake.begin(shaking)
        self._under_way.add(shaking)
        shaking.add_done_callback(self._under_way.discard)

    async def _shake(self, line: socket.socket, handshake: Handshake) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._make(handshake),
                line,
                ssl=self._certificates.loaded.context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError):  # of which timeouts are one; strangers are nothing to log
            line.close()
        except Exception as error:  # or else nobody would learn of it
            line.close()
            log.error("a connection could not be taken over", exc_info=error)
        finally:
            self._open.leave(handshake)

    async def close(self) -> None:
        """Ends the handshakes that are under way."""
        for shaking in self._under_way:
            shaking.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


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
    listener.setblocking(False)
    acceptor = _Acceptor(listener, certificates, open_connections, make)
    try:
        async with beside(acceptor.accept()):
            yield
    finally:
        listener.close()
        await acceptor.close()
