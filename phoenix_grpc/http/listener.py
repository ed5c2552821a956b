"""Runs the door beside the gRPC server: in its event loop, without touching its signals."""

import asyncio
import contextlib
import functools
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from phoenix_grpc.certificates import Certificates
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.http.app import create_app
from phoenix_grpc.http.backend import Backend
from phoenix_grpc.http.connections import Connections
from phoenix_grpc.http.handshake import Handshake, accepting
from phoenix_grpc.http.headers import default_headers
from phoenix_grpc.identity.peers import Peer, names_of

_HEAD_SECONDS = 30
"""How long the head of a request, or the rest of a body that was refused, may take."""

_WAITING_REQUESTS = 8
"""How many a connection may send before the answers to earlier ones; no usual client sends any."""


@contextlib.asynccontextmanager
async def http_door(
    backend: Backend, logins: RateLimit, shared: bool = False, certificates: Certificates | None = None
) -> AsyncIterator[int]:
    """Serves HTTP until the block ends, then lets running requests end within the grace; returns the port.

    Arguments:
        logins: how often one address may log in, by either door.
        shared: whether other processes listen on the same port.
        certificates: to speak TLS with; None speaks in clear.

    Raises:
        ConfigurationError: when it cannot listen.
    """
    settings = backend.settings
    listener = listen(settings.host, settings.port, "PHOENIX_HOST, PHOENIX_PORT", shared, settings.dual_stack)
    port = listener.getsockname()[1]
    open_connections = Connections(
        settings.http_max_connections,
        settings.http_max_connections_per_address,
        TrustedProxies(settings.trusted_proxies),
    )
    speak = functools.partial(
        Protocol,
        max_head_bytes=settings.http_max_header_bytes,
        open_connections=open_connections,
        stall_seconds=settings.download_stall_seconds,
    )
    server = Server(
        guest_config(
            create_app(backend, logins),
            speak,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            headers=default_headers(certificates is not None),
            timeout_graceful_shutdown=max(1, round(settings.shutdown_grace_seconds)),
        )
    )
    if certificates is None:
        async with running(server, [listener]):
            yield port
    else:
        make = functools.partial(server.protocol, speak)
        async with running(server, []), accepting(listener, certificates, open_connections, make):
            yield port


@contextlib.asynccontextmanager
async def running(server: "Server", listeners: list[socket.socket]) -> AsyncIterator[None]:
    """Runs a server until the block ends, and then until it has ended."""
    serving = asyncio.create_task(server.serve(sockets=listeners))
    started = asyncio.create_task(server.up.wait())
    try:
        await asyncio.wait((serving, started), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        yield
    finally:
        started.cancel()
        server.should_exit = True
        await serving


def guest_config(app: ASGIApp, speak: Callable[..., asyncio.Protocol], **more: Any) -> uvicorn.Config:
    """How uvicorn serves in an event loop that is not its own, and keeps no log.

    Arguments:
        speak: makes the protocol of a connection.
        more: further arguments of uvicorn.Config.
    """
    return uvicorn.Config(
        app,
        http=speak,  # type: ignore[arg-type]
        loop="none",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        **more,
    )


def listen(host: str, port: int, named: str, shared: bool = False, dual_stack: bool = False) -> socket.socket:
    """Binds a port.

    Arguments:
        named: the settings of the address.

    Raises:
        ConfigurationError: when it cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=2048, reuse_port=shared, dualstack_ipv6=dual_stack
        )
    except OSError as error:
        raise ConfigurationError(f"{named}: cannot listen on {host}:{port}: {error.strerror}") from None


class Server(uvicorn.Server):
    """uvicorn as a guest: it would install signal handlers of its own, and die before the drain."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Does not change the signals."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to serve, and says so."""
        await super().startup(sockets)
        self.up.set()

    def protocol(self, speak: Callable[..., asyncio.Protocol], handshake: Handshake) -> asyncio.Protocol:
        """The protocol of a connection that uvicorn did not accept itself."""
        return speak(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state, handshake=handshake
        )


class Protocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on connections, and on what surrounds a body, which uvicorn does not set.

    Arguments:
        max_head_bytes: of the head of a request; also of what comes without being body after it: trailers, extensions.
        open_connections: those of the server.
        stall_seconds: how long a client may take for what was written; a slower one is cut off.
        handshake: what was counted before the connection spoke TLS.
    """

    def __init__(
        self,
        *args: Any,
        max_head_bytes: int,
        open_connections: Connections,
        stall_seconds: float,
        handshake: Handshake | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._handshake = handshake
        self._max_head_bytes = max_head_bytes
        self._open = open_connections
        self._bodiless_bytes = 0
        self._in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_seconds = stall_seconds
        self._stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the clock of the first head; a connection beyond the limit is closed, or closes an idle one."""
        super().connection_made(transport)
        # What the app finds in each scope's state.
        self.app_state = {**self.app_state, "peer": _peer(transport)}
        # The system's own buffer is enough; and so writing is paused as long as anything is held here. By a bound of 0,
        # writing over TLS would be paused for ever.
        transport.set_write_buffer_limits(1, 0)
        if self._handshake is not None:
            self._open.leave(self._handshake)
        if not self._open.enter(self, self.client[0] if self.client else ""):
            self._refuse(503, "Too many connections.")
            return
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        self._stop_head_timer()
        self._stop_stall_timer()
        self._open.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Limits the time in which the client must read what was written; closing would wait for ever."""
        self._stop_stall_timer()
        self._stall_timer = self.loop.call_later(self._stall_seconds, self.cut_off)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Stops that clock: everything was read."""
        self._stop_stall_timer()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Refuses a head, and ends what follows one without being body, that goes on beyond the bound."""
        if self._bodiless_bytes > self._max_head_bytes:
            self._refuse_head() if self._in_head else self.transport.close()
            return
        self._bodiless_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Begins a head."""
        super().on_message_begin()
        self._in_head = True
        self._bodiless_bytes = 0
        self._start_head_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a field of the head; those of trailers nobody reads."""
        if self._in_head:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Takes a piece of the body."""
        self._bodiless_bytes = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Ends a head; one that came in a single piece is measured here."""
        self._in_head = False
        self._stop_head_timer()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        self._bodiless_bytes = 0
        if size > self._max_head_bytes:
            self._refuse_head()
            return
        if len(self.pipeline) >= _WAITING_REQUESTS:
            # uvicorn would keep all that were read at once, and reads on at every answer. A refusal would be taken for
            # the answer to an earlier one.
            self.transport.close()
            return
        self._open.busy(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Lets a client finish a body that was refused, or it would not see the response; but for a limited time."""
        if self.cycle.more_body:
            self._start_head_timer()
        super().on_response_complete()
        if self.cycle.response_complete:
            self._open.idle(self)

    def cut_off(self) -> None:
        """Closes at once: without lingering, or the system would keep what nobody takes for minutes."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _refuse_head(self) -> None:
        self._refuse(431, f"The head of a request may have {self._max_head_bytes:,} bytes at most.")

    def _refuse(self, status: int, text: str) -> None:
        headers = [*self.server_state.default_headers, (b"content-type", b"text/plain; charset=utf-8")]
        headers += [(b"content-length", b"%d" % len(text)), (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + text.encode())
        self.transport.close()

    def _start_head_timer(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


def _peer(transport: asyncio.Transport) -> Peer:
    """Who is at the other end, by the certificate that was verified, if there is one."""
    address = transport.get_extra_info("peername")
    certificate = transport.get_extra_info("peercert") or {}
    found = certificate.get("subjectAltName", ())
    uris, dns = ([value for kind, value in found if kind == wanted] for wanted in ("URI", "DNS"))
    common = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return Peer(address[0] if address else "", names_of(uris, dns, common[0] if len(common) == 1 else ""))
