"""The gRPC door: where the server listens, its limits towards clients, health, and how it drains."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from phoenix_grpc.beside import beside
from phoenix_grpc.certificates import Certificates
from phoenix_grpc.config import Settings
from phoenix_grpc.contract import SERVICES
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.rpc.connections import Connections
from phoenix_grpc.rpc.ending import keep_silent_on_cancelled_calls, remember_makers
from phoenix_grpc.rpc.interceptor import GuardInterceptor
from phoenix_grpc.rpc.reflection import add_reflection

HEALTH = "grpc.health.v1.Health"
_HEALTH_SECONDS = 2.0
_TELLING_SECONDS = 0.2
_STREAMS_PER_CONNECTION = 100
_HANDSHAKE_SECONDS = 20
_IDLE_SECONDS = 600
"""How long a connection may take to begin, and stay open without a call; clients open another when they need it."""

log = structlog.get_logger()


class GrpcDoor:
    """Our services, health and reflection behind the guard: a gRPC server for the network, one for this machine.

    The one for the network limits connections and their streams; Unix sockets have no such limits.

    Arguments:
        interceptor: brings each call before the guard.
        check: raises if the store cannot be read.
        shared: whether other processes listen on the same port.
        certificates: to speak TLS with on the network; None speaks in clear, as Unix sockets do.
    """

    def __init__(
        self,
        settings: Settings,
        interceptor: GuardInterceptor,
        check: Callable[[], Awaitable[None]],
        shared: bool = False,
        certificates: Certificates | None = None,
    ) -> None:
        self.serving = False
        self._settings = settings
        self._check = check
        self._health = HealthServicer()
        network = self._server(interceptor, [*_options(settings, shared), *_bounds(settings)])
        self.port = _listen(network, settings, shared, certificates)
        self._servers = [network]
        if settings.grpc_unix_socket is not None:
            local = self._server(interceptor, _options(settings))
            _listen_on_socket(local, settings.grpc_unix_socket, shared)
            self._servers.append(local)
        self._draining = False
        self._stops: list[asyncio.Task[None]] = []

    def _server(self, interceptor: GuardInterceptor, options: list[tuple[str, int]]) -> grpc.aio.Server:
        # Our own methods are not registered: the guard alone holds what serves them.
        server = grpc.aio.server(interceptors=[interceptor], options=options)
        # Registered methods each wait for their next call, and grpc.aio goes through all that wait at every call.
        server.add_registered_method_handlers = _leave_unregistered  # type: ignore[method-assign]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        add_reflection(server, [*SERVICES, HEALTH])
        return server

    async def start(self) -> None:
        """Begins to serve."""
        remember_makers()
        keep_silent_on_cancelled_calls()
        for server in self._servers:
            await server.start()

    async def leave(self) -> None:
        """Reports NOT_SERVING, and goes on serving."""
        self._draining, self.serving = True, False
        await self._health.enter_graceful_shutdown()

    async def drain(self) -> None:
        """Has clients turn to other connections, and begins the grace of running calls."""
        await self.leave()
        grace = self._settings.shutdown_grace_seconds
        self._stops = [asyncio.create_task(server.stop(grace)) for server in self._servers]
        # Calls that were on their way when the client was told are served.
        await asyncio.sleep(min(grace, _TELLING_SECONDS))

    async def stop(self) -> None:
        """Waits for running calls as long as the grace lasts, then ends them."""
        await asyncio.gather(*self._stops or (server.stop(0) for server in self._servers))

    async def watch(self) -> None:
        """Keeps health at SERVING while the store can be read; runs until it is cancelled."""
        while True:
            try:
                await self._check()
                status = health_pb2.HealthCheckResponse.SERVING
            except Exception as error:
                log.warning("the store does not answer", error=str(error))
                status = health_pb2.HealthCheckResponse.NOT_SERVING
            self.serving = status == health_pb2.HealthCheckResponse.SERVING and not self._draining
            for service in ("", *SERVICES):
                await self._health.set(service, status)
            await asyncio.sleep(_HEALTH_SECONDS)


@contextlib.asynccontextmanager
async def grpc_door(
    settings: Settings,
    interceptor: GuardInterceptor,
    connections: Connections,
    check: Callable[[], Awaitable[None]],
    shared: bool = False,
    certificates: Certificates | None = None,
) -> AsyncIterator[GrpcDoor]:
    """Serves gRPC until the block ends.

    Arguments:
        connections: holds those of the network to their limits.
        check: raises if the store cannot be read.
        shared, certificates: as for GrpcDoor.

    Raises:
        ConfigurationError: when it cannot listen.
    """
    door = GrpcDoor(settings, interceptor, check, shared, certificates)
    await door.start()
    try:
        async with beside(door.watch(), connections.keep(door.port)):
            yield door
    finally:
        await door.stop()


def _options(settings: Settings, shared: bool = False) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # On a fast line C-core would let each stream send megabytes ahead of what anybody reads. A message that is
        # waited for comes whole all the same.
        ("grpc.http2.bdp_probe", 0),
        # C-core refuses metadata above 8 KiB before the guard sees it; with this the guard refuses, with a reason.
        ("grpc.max_metadata_size", 32 << 10),
        ("grpc.absolute_max_metadata_size", 64 << 10),
        # Clients may ping every 30 s.
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", 0),
        # The loop takes calls up in bursts; C-core would drop them when about 1,000 wait.
        ("grpc.server.max_pending_requests", settings.max_concurrent_calls),
        # Two servers on one port would silently share it.
        ("grpc.so_reuseport", int(shared)),
    ]


def _leave_unregistered(service_name: str, method_handlers: object) -> None:
    """Methods are found without being registered."""


def _bounds(settings: Settings) -> list[tuple[str, int]]:
    """The limits of connections from the network."""
    return [
        ("grpc.max_allowed_incoming_connections", settings.grpc_max_connections),
        ("grpc.max_concurrent_streams", _STREAMS_PER_CONNECTION),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_SECONDS * 1000),
        ("grpc.max_connection_idle_ms", _IDLE_SECONDS * 1000),
        # Without a grace, which is for ever: an upload may take longer than anybody would set.
        ("grpc.max_connection_age_ms", round(settings.grpc_max_connection_age_seconds * 1000)),
    ]


def _credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """The certificate that is served at each handshake."""
    given = certificates.loaded

    def configuration() -> grpc.ServerCertificateConfiguration:
        pairs = [(given.key, given.chain)]
        return grpc.ssl_server_certificate_configuration(pairs, given.authorities or None)

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        if given is certificates.loaded:
            return None
        given = certificates.loaded
        return configuration()

    # None means unchanged, which the types of gRPC do not know.
    fetcher = cast(Callable[[], grpc.ServerCertificateConfiguration], changed)
    return grpc.dynamic_ssl_server_credentials(configuration(), fetcher, bool(given.authorities))


def _listen(server: grpc.aio.Server, settings: Settings, shared: bool, certificates: Certificates | None) -> int:
    """Binds the port, and returns it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        if not shared:  # or else the supervisor has found it free, and holds it
            _require_free(settings.host, settings.grpc_port)
        address = f"{host}:{settings.grpc_port}"
        if certificates is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, _credentials(certificates)))
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "gRPC refuses it"
        raise ConfigurationError(
            f"PHOENIX_HOST, PHOENIX_GRPC_PORT: cannot listen on {host}:{settings.grpc_port}: {reason}"
        ) from None


def _require_free(host: str, port: int) -> None:
    """Binds the port for a moment: if gRPC cannot bind it, it writes its own lines on standard error.

    Raises:
        OSError: when an address of the host is taken, or none of them can be bound.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    failures = [error for family, _, _, _, address in addresses if (error := _binding(family, address))]
    for error in failures:
        if error.errno == errno.EADDRINUSE or len(failures) == len(addresses):
            raise error


def _binding(family: socket.AddressFamily, address: Any) -> OSError | None:
    """Why an address cannot be bound."""
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def _listen_on_socket(server: grpc.aio.Server, path: Path, shared: bool) -> None:
    # C-core removes the path when it ends, and so that of the worker that has replaced this one; it gets another.
    at = path.with_name(f".{os.getpid()}") if shared else path
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        server.add_insecure_port(f"unix:{at}")
        at.chmod(0o600)
        at.rename(path)
    except (RuntimeError, OSError):
        raise ConfigurationError(f"PHOENIX_GRPC_UNIX_SOCKET: cannot listen on {path}") from None
