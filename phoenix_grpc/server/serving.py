"""The composition root: builds the server from settings, runs it, drains it. The one module that knows them all."""

import asyncio
import contextlib
import ctypes
import gc
import math
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
import uvloop
from grpc_health.v1 import health_pb2

from phoenix_grpc import __version__, contract
from phoenix_grpc.beside import beside
from phoenix_grpc.certificates import Certificates
from phoenix_grpc.config import Settings
from phoenix_grpc.contract import Method, Rule
from phoenix_grpc.credentials.signing_keys import SigningKeys
from phoenix_grpc.guard.admission import Behavior, Guard
from phoenix_grpc.guard.authentication import Authenticator
from phoenix_grpc.guard.capacity import ByteBudget, Rooms
from phoenix_grpc.guard.foreign_tokens import ForeignTokens
from phoenix_grpc.guard.overload import Watchdog
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.guard.rates import CallRates, RateLimit
from phoenix_grpc.guard.refusals import RefusalRecorder
from phoenix_grpc.http.admin import admin_door
from phoenix_grpc.http.backend import Backend, no_keys
from phoenix_grpc.http.listener import http_door
from phoenix_grpc.identity.workloads import Workloads
from phoenix_grpc.logs import LogWriter, configure_logs
from phoenix_grpc.rpc import reflection
from phoenix_grpc.rpc.connections import Connections
from phoenix_grpc.rpc.interceptor import GuardInterceptor
from phoenix_grpc.rpc.listener import GrpcDoor, grpc_door
from phoenix_grpc.rpc.reception import Reception
from phoenix_grpc.server import background
from phoenix_grpc.server.beginning import Beginning
from phoenix_grpc.server.ending import end_at_once, reaping
from phoenix_grpc.server.metrics import Metrics, Reading
from phoenix_grpc.server.observing import Observing
from phoenix_grpc.server.signing_key import follow as follow_keys
from phoenix_grpc.server.signing_key import open_key_ring
from phoenix_grpc.server.worker import Worker, follow_supervisor, tell_supervisor
from phoenix_grpc.services import external
from phoenix_grpc.services.auth.servicer import AuthServicer
from phoenix_grpc.services.datasets.servicer import DatasetsServicer
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine, without_secrets
from phoenix_grpc.v1 import access_pb2

ALONE = Worker()
"""A server of one process."""

_HURRYING = 0.8
"""The part of the grace after which streams that still run are ended."""

_LOGINS_AT_ONCE = 30
_LOGINS_PER_MINUTE = 30
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 1 << 20
"""The name of the threshold in malloc.h, and its value in bytes."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

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
    methods = served_methods(settings)
    async with contextlib.AsyncExitStack() as stack:
        observing = Observing(settings, methods, log_writer)
        stack.push_async_callback(observing.close)
        engine = observing.engine(_open(settings))
        stack.push_async_callback(engine.close)
        keys = SigningKeys(settings.signing_keys_dir) if settings.signing_keys_dir else None
        ring = open_key_ring(settings, keys)
        await stack.enter_async_context(beside(*([follow_keys(keys)] if keys else ())))
        beginning = Beginning(engine, settings)
        await stack.enter_async_context(beginning.running())
        workloads = Workloads(settings.identity_file) if settings.identity_file else None
        foreign = ForeignTokens(workloads) if workloads else None
        authenticator = Authenticator(engine, settings, ring, foreign)
        refusals = RefusalRecorder(engine, methods)
        await stack.enter_async_context(
            background.running(engine, settings, authenticator, refusals, ring, worker.maintains)
        )
        auth, datasets = AuthServicer(engine, settings, ring, methods), DatasetsServicer(engine, settings)
        stack.push_async_callback(auth.close)
        # One of each for both doors: memory and passwords are the same for both.
        budget = ByteBudget(settings.max_inflight_bytes)
        reception = Reception(budget, settings.max_message_bytes)
        logins = _login_rate(settings, worker)
        watchdog = Watchdog(settings.max_loop_lag_seconds)
        await stack.enter_async_context(beside(watchdog.watch()))
        rooms = Rooms(settings.max_concurrent_calls)
        trace = observing.traces.begin if observing.traces else None
        if workloads is not None:
            await stack.enter_async_context(beside(workloads.follow()))
            observing.readings["identity_file_valid"] = lambda: workloads.valid
            observing.readings["forwarded_certificates"] = lambda: workloads.forwarded
        served = _behaviors(auth, datasets)
        if workloads is not None:
            asked = external.ExternalAuthorization(workloads, refusals)
            served[external.CHECK] = lambda request: asked.check(guard.judge, request)
        guard = Guard(
            methods,
            served,
            authenticator if settings.enable_auth else None,
            engine,
            rooms,
            logins,
            (*observing.observers(), refusals),
            _call_rates(settings, worker),
            watchdog,
            trace,
            workloads,
        )
        certificates = Certificates(settings) if settings.tls_for_grpc or settings.tls_for_http else None
        if certificates is not None:
            await stack.enter_async_context(beside(certificates.follow()))
        proxies = TrustedProxies(settings.trusted_proxies)
        connections = Connections(settings.grpc_max_connections_per_address, proxies.speak_for_many)
        interceptor = GuardInterceptor(guard, reception, settings.download_stall_seconds, proxies, connections)
        door = await stack.enter_async_context(
            grpc_door(
                settings,
                interceptor,
                connections,
                beginning.check,
                worker.shares_ports,
                certificates if settings.tls_for_grpc else None,
            )
        )
        backend = Backend(
            settings, guard, budget, lambda: door.serving, trace=trace, published=keys.published if keys else no_keys
        )
        http_port = await stack.enter_async_context(
            http_door(backend, logins, worker.shares_ports, certificates if settings.tls_for_http else None)
        )
        # Both doors begin to drain at once, and share one grace.
        stack.push_async_callback(_drain, settings, guard, door)
        observing.readings.update(_readings(door, rooms, watchdog, certificates, authenticator, datasets))
        await stack.enter_async_context(observing.sampling())
        if observing.metrics is not None and not worker.shares_ports:
            await stack.enter_async_context(_admin_door(settings, observing.metrics, door))
        running = RunningServer(
            settings, f"{settings.host}:{door.port}", door.port, http_port, engine, guard, reception, door
        )
        _announce(running, worker)
        # Objects of the start live on: the collector need not traverse them again and again.
        gc.collect()
        gc.freeze()
        yield running


def _readings(
    door: GrpcDoor,
    rooms: Rooms,
    watchdog: Watchdog,
    certificates: Certificates | None,
    authenticator: Authenticator,
    datasets: DatasetsServicer,
) -> dict[str, Reading]:
    """What each gauge and each total of the metrics reads."""
    downloads = datasets.downloads
    return {
        "serving": lambda: door.serving,
        "calls_in_flight": lambda: rooms.running,
        "loop_lag_seconds": lambda: watchdog.lag,
        "shedding": lambda: watchdog.sheds,
        "certificate_seconds_left": lambda: certificates.seconds_left if certificates else None,
        "credential_lookups": lambda: authenticator.lookups,
        "examples": lambda: {"uploaded": datasets.uploaded_examples, "downloaded": downloads.examples},
        "file_bytes": lambda: {"uploaded": datasets.uploaded_bytes, "downloaded": downloads.file_bytes},
    }


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


def _open(settings: Settings) -> Engine:
    return open_engine(
        settings.database_url,
        settings.sqlite_busy_seconds,
        settings.disk_reserve_bytes,
        settings.sql_pool_size,
        settings.sql_prepared_statements,
        settings.sql_replica_url,
        settings.sql_migration_url,
        waits=True,
    )


def _login_rate(settings: Settings, worker: Worker) -> RateLimit:
    """This worker's share of how often one address may log in."""
    at_once = math.inf if settings.disable_rate_limit else max(1, _LOGINS_AT_ONCE // worker.count)
    return RateLimit(at_once, _LOGINS_PER_MINUTE / worker.count)


def _call_rates(settings: Settings, worker: Worker) -> CallRates:
    """This worker's share of how often calls may begin."""
    return CallRates(
        settings.max_calls_per_second_per_caller / worker.count,
        settings.max_calls_per_second_per_address / worker.count,
        settings.call_burst_seconds,
    )


def run(settings: Settings, worker: Worker = ALONE) -> None:
    """Serves until SIGTERM or SIGINT, or until the supervisor is gone.

    Raises:
        ConfigurationError: as `serving`.
    """
    writer = configure_logs(settings.log_level)
    _allow_open_files()
    _give_back_large_blocks()
    # How long a thread computes before the loop runs; the default is 5 ms, and a call waits for it several times.
    sys.setswitchinterval(0.001)
    try:
        uvloop.run(_run(settings, writer, worker))
    finally:
        if writer is not None:
            writer.close()


def _allow_open_files() -> None:
    """Raises the soft limit of open files, often 1,024, to the hard one: every connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS says "unlimited" and refuses to set it.
    with contextlib.suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _give_back_large_blocks() -> None:
    """Has glibc take memory for large records from the system, and give it back at once.

    Left alone, it raises its threshold to 32 MB when the first is freed, and the heap of each thread keeps them from
    then on.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


async def _run(settings: Settings, log_writer: LogWriter | None, worker: Worker) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(order: signal.Signals) -> None:
        # A worker is told by its supervisor, and perhaps by systemd as well.
        if stopped.is_set() and not worker.shares_ports:
            end_at_once(order, log_writer)
        stopped.set()

    # Work in threads computes, so more threads than cores would only take memory, each with a heap of its own.
    loop.set_default_executor(ThreadPoolExecutor((os.cpu_count() or 1) + 1, thread_name_prefix="worker"))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    if worker.shares_ports:
        follow_supervisor(stopped)
    async with reaping(), serving(settings, log_writer, worker) as running:
        if worker.shares_ports:
            tell_supervisor(running.address, running.http_address)
        else:
            _invite(running)
        await stopped.wait()
        log.info(
            "stopping", delay_seconds=settings.shutdown_delay_seconds, grace_seconds=settings.shutdown_grace_seconds
        )
        await running.door.leave()
        await asyncio.sleep(settings.shutdown_delay_seconds)
    log.info("stopped")


def _behaviors(auth: AuthServicer, datasets: DatasetsServicer) -> dict[str, Behavior]:
    """The servicer's method for each of our methods, by path."""
    services = {"AuthService": auth, "DatasetsService": datasets}
    return {
        path: getattr(services[method.service.rpartition(".")[2]], method.name)
        for path, method in contract.METHODS.items()
    }


def served_methods(settings: Settings) -> Mapping[str, Method]:
    """Every method this server serves, by path: ours, and those of health, reflection and external authorization."""
    reflects = contract.PUBLIC if settings.grpc_reflection else Rule(access_pb2.ACCESS_READ)
    return {
        **contract.METHODS,
        **contract.declared([health_pb2.DESCRIPTOR], contract.PUBLIC),
        **contract.declared(reflection.descriptors(), reflects),
        **(external.METHODS if settings.identity_file else {}),
    }


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
    if settings.enable_auth and settings.host not in _LOOPBACK and in_clear:
        log.warning(
            "credentials cross the network unencrypted: listening beyond loopback without TLS;"
            " set PHOENIX_TLS_ENABLED, or end TLS at a proxy on this machine",
            host=settings.host,
            doors=in_clear,
        )
    if not settings.enable_auth:
        log.warning("authentication is off: anyone who reaches this server reads and writes its datasets")


def _invite(running: RunningServer) -> None:
    """Prints the address to open, at a terminal."""
    host, prefix = running.settings.host, running.settings.host_root_path
    here = "localhost" if host in (*_LOOPBACK, "0.0.0.0", "::") else host  # noqa: S104 - nothing is bound here
    scheme = "https" if running.settings.tls_for_http else "http"
    url = running.settings.root_url or f"{scheme}://{here}:{running.http_port}{prefix}"
    if sys.stderr.isatty():
        sys.stderr.write(f"\n  Open {url}\n\n")
        sys.stderr.flush()
