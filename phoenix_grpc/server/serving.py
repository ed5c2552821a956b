"""The doors of a server before its core: opens them, and drains them."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog

from phoenix_grpc import __version__
from phoenix_grpc.beside import beside
from phoenix_grpc.certificates import Certificates
from phoenix_grpc.config import Settings
from phoenix_grpc.guard.admission import Guard
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.http.admin import admin_door
from phoenix_grpc.http.backend import Backend, no_keys
from phoenix_grpc.http.listener import http_door
from phoenix_grpc.logs import LogWriter
from phoenix_grpc.rpc.connections import Connections
from phoenix_grpc.rpc.interceptor import GuardInterceptor
from phoenix_grpc.rpc.listener import GrpcDoor, grpc_door
from phoenix_grpc.rpc.reception import Reception
from phoenix_grpc.server.core import Core, core
from phoenix_grpc.server.metrics import Metrics
from phoenix_grpc.server.worker import Worker
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import without_secrets

ALONE = Worker()
"""A server of one process."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")

_HURRYING = 0.8
"""The part of the grace after which streams that still run are ended."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that is serving gRPC at `address` ("host:port"), and HTTP at `http_port`."""

    settings: Settings
    address: str
    grpc_port: int
    http_port: int
    engine: Engine
    guard: Guard
    reception: Reception
    door: GrpcDoor

    @property
    def http_address(self) -> str:
        """The URL of the HTTP door, without a slash at its end."""
        scheme = "https" if self.settings.tls_for_http else "http"
        return f"{scheme}://{self.settings.host}:{self.http_port}{self.settings.host_root_path}"


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, log_writer: LogWriter | None = None, worker: Worker = ALONE
) -> AsyncIterator[RunningServer]:
    """Serves until the block ends, then drains: NOT_SERVING, running calls within the grace, background work written.

    Arguments:
        worker: which of several processes on the same ports this is.

    Raises:
        ConfigurationError: when a setting, the database or a port stops the start.
    """
    settings = worker.share(settings)
    async with contextlib.AsyncExitStack() as stack:
        inside = await stack.enter_async_context(core(settings, log_writer, worker))
        certificates = Certificates(settings) if settings.tls_for_grpc or settings.tls_for_http else None
        await stack.enter_async_context(beside(*([certificates.follow()] if certificates else ())))
        reception = Reception(inside.budget, settings.max_message_bytes)
        door = await stack.enter_async_context(_grpc_door(inside, reception, worker, certificates))
        http_port = await stack.enter_async_context(_http_door(inside, door, worker, certificates))
        # Both doors begin to drain at once, and share one grace.
        stack.push_async_callback(_drain, settings, inside.guard, door)
        await stack.enter_async_context(_observed(inside, door, worker, certificates))
        address = f"{settings.host}:{door.port}"
        running = RunningServer(settings, address, door.port, http_port, inside.engine, inside.guard, reception, door)
        _announce(running, worker)
        # Objects of the start live on: the collector need not traverse them again and again.
        gc.collect()
        gc.freeze()
        yield running


def _grpc_door(
    inside: Core, reception: Reception, worker: Worker, certificates: Certificates | None
) -> contextlib.AbstractAsyncContextManager[GrpcDoor]:
    settings = inside.settings
    proxies = TrustedProxies(settings.trusted_proxies)
    connections = Connections(settings.grpc_max_connections_per_address, proxies.speak_for_many)
    interceptor = GuardInterceptor(inside.guard, reception, settings.download_stall_seconds, proxies, connections)
    return grpc_door(
        settings,
        interceptor,
        connections,
        inside.beginning.check,
        worker.shares_ports,
        certificates if settings.tls_for_grpc else None,
    )


def _http_door(
    inside: Core, door: GrpcDoor, worker: Worker, certificates: Certificates | None
) -> contextlib.AbstractAsyncContextManager[int]:
    settings, keys = inside.settings, inside.identities.keys
    backend = Backend(
        settings,
        inside.guard,
        inside.budget,
        lambda: door.serving,
        trace=inside.observing.trace,
        published=keys.published if keys else no_keys,
    )
    return http_door(backend, inside.logins, worker.shares_ports, certificates if settings.tls_for_http else None)


@contextlib.asynccontextmanager
async def _observed(
    inside: Core, door: GrpcDoor, worker: Worker, certificates: Certificates | None
) -> AsyncIterator[None]:
    """Samples the metrics, and serves the admin port of a server of one process."""
    observing = inside.observing
    observing.readings["serving"] = lambda: door.serving
    observing.readings["certificate_seconds_left"] = lambda: certificates.seconds_left if certificates else None
    async with observing.sampling():
        if observing.metrics is None or worker.shares_ports:
            yield
        else:
            async with _admin_door(inside.settings, observing.metrics, door):
                yield


@contextlib.asynccontextmanager
async def _admin_door(settings: Settings, metrics: Metrics, door: GrpcDoor) -> AsyncIterator[None]:
    async with admin_door(settings.admin_host, settings.admin_port or 0, metrics.text, lambda: door.serving) as port:
        log.info("admin port", address=f"{settings.admin_host}:{port}")
        yield


async def _drain(settings: Settings, guard: Guard, door: GrpcDoor) -> None:
    # Streams are told how to go on while there is time for it.
    asyncio.get_running_loop().call_later(_HURRYING * settings.shutdown_grace_seconds, guard.hurry)
    await door.drain()
    guard.drain()


def _announce(running: RunningServer, worker: Worker) -> None:
    settings = running.settings
    log.info(
        "worker serves" if worker.shares_ports else "serving",
        version=__version__,
        grpc=running.address,
        http=running.http_address,
        database=without_secrets(settings.database_url),
        authentication=settings.enable_auth,
    )
    if not worker.maintains:
        return
    in_clear = [
        door for door, secure in (("gRPC", settings.tls_for_grpc), ("HTTP", settings.tls_for_http)) if not secure
    ]
    if settings.enable_auth and settings.host not in LOOPBACK and in_clear:
        log.warning(
            "credentials cross the network unencrypted: listening beyond loopback without TLS;"
            " set PHOENIX_TLS_ENABLED, or end TLS at a proxy on this machine",
            host=settings.host,
            doors=in_clear,
        )
    if not settings.enable_auth:
        log.warning("authentication is off: anyone who reaches this server reads and writes its datasets")
