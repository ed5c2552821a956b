"""The process of a server: its loop, its signals, its memory and its files."""

import asyncio
import contextlib
import ctypes
import os
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import structlog
import uvloop

from phoenix_grpc.config import Settings
from phoenix_grpc.logs import LogWriter, configure_logs
from phoenix_grpc.server.ending import end_at_once, reaping
from phoenix_grpc.server.serving import ALONE, LOOPBACK, RunningServer, serving
from phoenix_grpc.server.worker import Worker, follow_supervisor, tell_supervisor

_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 1 << 20
"""The name of the threshold in malloc.h, and its value in bytes."""

log = structlog.get_logger()


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


def _invite(running: RunningServer) -> None:
    """Prints the address to open, at a terminal."""
    host, prefix = running.settings.host, running.settings.host_root_path
    here = "localhost" if host in (*LOOPBACK, "0.0.0.0", "::") else host  # noqa: S104 - nothing is bound here
    scheme = "https" if running.settings.tls_for_http else "http"
    url = running.settings.root_url or f"{scheme}://{here}:{running.http_port}{prefix}"
    if sys.stderr.isatty():
        sys.stderr.write(f"\n  Open {url}\n\n")
        sys.stderr.flush()
