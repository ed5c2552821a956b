"""The gRPC door: where the server listens, its limits towards clients, health, and how it drains."""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from phoenix_grpc.config import Settings
from phoenix_grpc.contract import SERVICES
from phoenix_grpc.ending import remember_makers
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.guard import Guard
from phoenix_grpc.reflection import add_reflection
from phoenix_grpc.services.auth import AuthServicer
from phoenix_grpc.services.datasets import DatasetsServicer
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.v1 import auth_pb2_grpc, datasets_pb2_grpc

HEALTH = "grpc.health.v1.Health"
_HEALTH_SECONDS = 2.0
_STREAMS_PER_CONNECTION = 1000
_FOLDERS = Path("/tmp")  # noqa: S108 - mkdtemp makes folders in it that are their owner's alone
_FOLDER_PREFIX = "phoenix-grpc-"
_SOCKET = "door"

log = structlog.get_logger()


class GrpcDoor:
    """A gRPC server with both services, health and reflection behind the guard.

    Arguments:
        private: where to open the socket of the HTTP door.
    """

    def __init__(
        self, settings: Settings, guard: Guard, auth: AuthServicer, datasets: DatasetsServicer, private: Path
    ) -> None:
        self.private = private
        self._grace = settings.shutdown_grace_seconds
        self._guard = guard
        self._health = HealthServicer()
        self._server = grpc.aio.server(interceptors=[guard], options=_options(settings))
        auth_pb2_grpc.add_AuthServiceServicer_to_server(auth, self._server)
        datasets_pb2_grpc.add_DatasetsServiceServicer_to_server(datasets, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        add_reflection(self._server, [*SERVICES, HEALTH])
        self.port = _listen(self._server, settings, private)
        self._ends_at = 0.0

    async def start(self) -> None:
        """Begins to serve."""
        remember_makers()
        await self._server.start()

    async def drain(self) -> None:
        """Says NOT_SERVING and takes no new calls; the grace of those that run begins."""
        self._guard.drain()
        self._ends_at = time.monotonic() + self._grace
        await self._health.enter_graceful_shutdown()

    async def stop(self) -> None:
        """Waits for running calls as long as the grace lasts, then ends them."""
        await self._server.stop(max(0.0, self._ends_at - time.monotonic()))

    async def watch(self, engine: Engine) -> None:
        """Keeps health at SERVING while the store answers; runs until it is cancelled."""
        while True:
            try:
                await engine.check()
                status = health_pb2.HealthCheckResponse.SERVING
            except Exception as error:
                log.warning("the store does not answer", error=str(error))
                status = health_pb2.HealthCheckResponse.NOT_SERVING
            for service in ("", *SERVICES):
                await self._health.set(service, status)
            await asyncio.sleep(_HEALTH_SECONDS)


@contextlib.asynccontextmanager
async def grpc_door(
    settings: Settings, guard: Guard, engine: Engine, auth: AuthServicer, datasets: DatasetsServicer
) -> AsyncIterator[GrpcDoor]:
    """Serves gRPC until the block ends.

    Raises:
        ConfigurationError: when it cannot listen.
    """
    _remove_leftovers()
    # mkdtemp makes a folder for its owner alone; its path is short, since a socket's ends at 107 bytes.
    with tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX, dir=_FOLDERS, ignore_cleanup_errors=True) as folder:
        door = GrpcDoor(settings, guard, auth, datasets, Path(folder) / _SOCKET)
        await door.start()
        watch = asyncio.create_task(door.watch(engine))
        try:
            yield door
        finally:
            watch.cancel()
            await door.stop()


def _remove_leftovers() -> None:
    """Removes the folders of servers that were killed: ours, with a socket that nobody answers at."""
    for folder in _FOLDERS.glob(f"{_FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if folder.stat().st_uid == os.getuid() and (folder / _SOCKET).exists():
                try:
                    probe.connect(str(folder / _SOCKET))
                except ConnectionRefusedError:
                    shutil.rmtree(folder)


def _options(settings: Settings) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        # On a fast line C-core would let each stream send megabytes ahead of what anybody reads. A message that is
        # waited for comes whole all the same.
        ("grpc.http2.bdp_probe", 0),
        # C-core refuses metadata above 8 KiB before the guard sees it; with this the guard refuses, with a reason.
        ("grpc.max_metadata_size", 32 << 10),
        ("grpc.absolute_max_metadata_size", 64 << 10),
        # Clients that ping every 30 s are welcome.
        ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.max_concurrent_streams", _STREAMS_PER_CONNECTION),
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
