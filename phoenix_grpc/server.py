"""The composition root: builds the server from settings, runs it, drains it. The one module that knows them all."""

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import structlog
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from phoenix_grpc import __version__, maintenance
from phoenix_grpc.access import FILES, Rule, declared_rules
from phoenix_grpc.audit import RefusalRecorder
from phoenix_grpc.authentication import Authenticator, first_start
from phoenix_grpc.config import Settings
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.guard import Guard
from phoenix_grpc.http.runner import http_door
from phoenix_grpc.keyfile import open_key_ring
from phoenix_grpc.logs import CallLog, configure_logs
from phoenix_grpc.reflection import PATHS as REFLECTION_PATHS
from phoenix_grpc.reflection import add_reflection
from phoenix_grpc.services.auth import AuthServicer
from phoenix_grpc.services.datasets import DatasetsServicer
from phoenix_grpc.store.engine import Engine, open_engine
from phoenix_grpc.v1 import access_pb2, auth_pb2_grpc, datasets_pb2_grpc

HEALTH = "grpc.health.v1.Health"
SERVICES = [service.full_name for file in FILES for service in file.services_by_name.values()]
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HEALTH_SECONDS = 2.0

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

    @property
    def http_address(self) -> str:
        """The URL of the HTTP door, without a slash at its end."""
        return f"http://{self.settings.host}:{self.http_port}{self.settings.host_root_path}"


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[RunningServer]:
    """Serves until the block ends, then drains: NOT_SERVING, running calls within the grace, background work written.

    Raises:
        ConfigurationError: when a setting, the database or a port stops the start.
    """
    rules = all_rules(settings)
    async with contextlib.AsyncExitStack() as stack:
        engine = open_engine(settings.database_url, settings.sqlite_busy_seconds)
        stack.push_async_callback(engine.close)
        ring = open_key_ring(settings)
        password = await first_start(engine, settings)
        authenticator, refusals = Authenticator(engine, settings, ring), RefusalRecorder(engine)
        calls = CallLog(settings.log_level)
        stack.push_async_callback(calls.close)
        door_token = secrets.token_urlsafe(32)
        guard = Guard(
            rules,
            authenticator if settings.enable_auth else None,
            engine,
            refusals,
            calls,
            door_token,
            settings.max_concurrent_calls,
        )
        await stack.enter_async_context(maintenance.running(engine, settings, authenticator, refusals))
        auth, datasets = AuthServicer(engine, settings, ring, rules), DatasetsServicer(engine, settings)
        doors = grpc_doors(settings, guard, engine, auth, datasets)
        port, socket = await stack.enter_async_context(doors)
        http_port = await stack.enter_async_context(http_door(settings, f"unix:{socket}", door_token))
        running = RunningServer(settings, f"{settings.host}:{port}", port, http_port, engine, guard)
        _announce(running, password)
        # What the start made stays: the collector need not look through it again and again.
        gc.collect()
        gc.freeze()
        yield running


@contextlib.asynccontextmanager
async def grpc_doors(
    settings: Settings, guard: Guard, engine: Engine, auth: AuthServicer, datasets: DatasetsServicer
) -> AsyncIterator[tuple[int, Path]]:
    """Serves gRPC until the block ends, then drains; gives the port, and the private socket of the HTTP door."""
    server = grpc.aio.server(interceptors=[guard], options=_options(settings))
    auth_pb2_grpc.add_AuthServiceServicer_to_server(auth, server)
    datasets_pb2_grpc.add_DatasetsServiceServicer_to_server(datasets, server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    add_reflection(server, [*SERVICES, HEALTH])
    # mkdtemp makes a folder for its owner alone; its path is short, since a socket's ends at 107 bytes.
    with tempfile.TemporaryDirectory(prefix="phoenix-grpc-", dir="/tmp") as folder:
        private = Path(folder) / "door"
        port = _listen(server, settings, private)
        await server.start()
        watch = asyncio.create_task(_watch_health(engine, health))
        try:
            yield port, private
        finally:
            watch.cancel()
            guard.drain()
            await health.enter_graceful_shutdown()
            await server.stop(settings.shutdown_grace_seconds)


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: as `serving`.
    """
    configure_logs(settings.log_level)
    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    # What goes to threads computes, so more of them than cores would only take memory, each with a heap of its own.
    loop.set_default_executor(ThreadPoolExecutor((os.cpu_count() or 1) + 1, thread_name_prefix="worker"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with serving(settings):
        await stopped.wait()
        log.info("stopping", grace_seconds=settings.shutdown_grace_seconds)
    log.info("stopped")


def all_rules(settings: Settings) -> Mapping[str, Rule]:
    """The rules of every method this server serves: ours declare them, those of health and reflection are here.

    Raises:
        ConfigurationError: when a method of ours declares none.
    """
    public = Rule(access_pb2.ACCESS_PUBLIC)
    reflection = public if settings.grpc_reflection else Rule(access_pb2.ACCESS_READ)
    return {
        **declared_rules(),
        **{f"/{HEALTH}/{name}": public for name in ("Check", "Watch", "List")},
        **dict.fromkeys(REFLECTION_PATHS, reflection),
    }


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # C-core refuses metadata above 8 KiB before the guard sees it; with this the guard refuses, with a reason.
        ("grpc.max_metadata_size", 32 << 10),
        ("grpc.absolute_max_metadata_size", 64 << 10),
        # Clients that ping every 30 s are welcome.
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", 0),
        # The loop takes calls up in bursts; C-core would drop them when about 1,000 wait.
        ("grpc.server.max_pending_requests", settings.max_concurrent_calls),
        # Two servers on one port would share it in silence.
        ("grpc.so_reuseport", 0),
    ]


def _listen(server: grpc.aio.Server, settings: Settings, private: Path) -> int:
    """Binds the port and the sockets; answers the port."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    server.add_insecure_port(f"unix:{private}")
    if settings.grpc_unix_socket is not None:
        _listen_on_socket(server, settings.grpc_unix_socket)
    try:
        return int(server.add_insecure_port(f"{host}:{settings.grpc_port}"))
    except RuntimeError:
        raise ConfigurationError(
            f"PHOENIX_HOST, PHOENIX_GRPC_PORT: cannot listen on {host}:{settings.grpc_port}; is it in use?"
        ) from None


def _listen_on_socket(server: grpc.aio.Server, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        server.add_insecure_port(f"unix:{path}")
        path.chmod(0o600)
    except (RuntimeError, OSError):
        raise ConfigurationError(f"PHOENIX_GRPC_UNIX_SOCKET: cannot listen on {path}") from None


def _announce(running: RunningServer, password: str | None) -> None:
    settings = running.settings
    log.info(
        "serving",
        version=__version__,
        grpc=running.address,
        http=running.http_address,
        database=settings.database_url.split("@")[-1],
        authentication=settings.enable_auth,
    )
    if settings.enable_auth and settings.host not in _LOOPBACK:
        log.warning("credentials cross the network in clear: listening beyond loopback without TLS", host=settings.host)
    if not settings.enable_auth:
        log.warning("authentication is off: anyone who reaches this server reads and writes its datasets")
    if password is not None:
        # Not through the log: it is kept, and this is shown once.
        sys.stderr.write(f"\n  First admin: admin@localhost\n  Password:    {password}\n  Shown once: change it.\n\n")
        sys.stderr.flush()


async def _watch_health(engine: Engine, health: HealthServicer) -> None:
    """Keeps health at SERVING while the store answers."""
    while True:
        try:
            await engine.check()
            status = health_pb2.HealthCheckResponse.SERVING
        except Exception as error:
            log.warning("the store does not answer", error=str(error))
            status = health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", *SERVICES):
            await health.set(service, status)
        await asyncio.sleep(_HEALTH_SECONDS)
