"""Several processes that serve the same ports: the supervisor starts, watches, replaces and ends them.

The system spreads connections over the processes that listen (SO_REUSEPORT). A worker's standard output says when it
serves, its standard error is relayed line by line, and its standard input ends with the supervisor: so does the worker.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from phoenix_grpc.config import Settings, share_metrics
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.logs import LogWriter, configure_logs
from phoenix_grpc.server.ending import end_at_once, reaping

if TYPE_CHECKING:
    from phoenix_grpc.server.metrics import SharedMetrics

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_PROVEN_SECONDS = 60.0
"""How long a worker that died is waited for, at first and at most; one that served for a minute is new to failing."""

_KILLING_SECONDS = 15.0
"""How much longer than its grace a worker may take to end."""

log = structlog.get_logger()


class _Ended(Exception):
    """A worker ended before it served.

    Arguments:
        code: its exit code; negative for a signal.
    """

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Process:
    """A worker's process.

    Arguments:
        relay: takes each line of its log.
    """

    def __init__(self, process: asyncio.subprocess.Process, relay: Callable[[bytes], None]) -> None:
        self.started = time.monotonic()
        self._process = process
        self.exited = asyncio.ensure_future(self._exit(relay))

    async def serves(self) -> Mapping[str, str]:
        """Where it serves, as soon as it does.

        Raises:
            _Ended: when it ends before.
        """
        line = await self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            raise _Ended(await self.exited)
        place: Mapping[str, str] = json.loads(line)
        return place

    async def end(self, seconds: float) -> None:
        """Has it drain, and kills it if that takes longer than so many seconds."""
        orders: tuple[tuple[signal.Signals, float | None], ...] = ((signal.SIGTERM, seconds), (signal.SIGKILL, None))
        for order, patience in orders:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(order)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.shield(self.exited)
                    return

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def kill(self) -> None:
        """Ends it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def _exit(self, relay: Callable[[bytes], None]) -> int:
        """Its exit code, as soon as it has ended and its log was relayed."""
        await self._relay_log(relay)
        return await self._process.wait()

    async def _relay_log(self, relay: Callable[[bytes], None]) -> None:
        while self._process.stderr is not None:
            with contextlib.suppress(ValueError):  # a line beyond the limit of the stream is lost, the others are not
                line = await self._process.stderr.readline()
                if not line:
                    return
                relay(line)


def relay(writer: LogWriter | None, number: int, line: bytes) -> None:
    """Passes on a line of a worker's log with the worker's number, in the form of our own log.

    Arguments:
        writer: writes JSON lines; None on a terminal.
    """
    if line.startswith(b"{") and writer is None:
        with contextlib.suppress(ValueError):
            fields = json.loads(line)
            log.log(_LEVELS.get(fields.pop("level", ""), 20), fields.pop("event", ""), worker=number, **fields)
            return
    if writer is None:
        with contextlib.suppress(OSError):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
        return
    if line.startswith(b"{"):
        line = b'{"worker":%d,' % number + line[1:]
    writer.put(lambda: line)  # without waiting: a log that nobody reads must not keep us from the workers


_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Supervisor:
    """Keeps as many workers as the settings say.

    Arguments:
        options: those of the command line that the workers repeat.
        writer: writes the workers' JSON lines; None on a terminal.
    """

    def __init__(self, settings: Settings, options: Sequence[str], writer: LogWriter | None) -> None:
        self._settings = settings
        self._options = options
        self._writer = writer
        self._patience = settings.shutdown_delay_seconds + settings.shutdown_grace_seconds + _KILLING_SECONDS
        self._workers: dict[int, _Process] = {}
        # Also those that do not serve yet, and those that still drain.
        self._running: set[_Process] = set()
        self._metrics: SharedMetrics | None = None
        self._stopping = asyncio.Event()
        self._rolls = asyncio.Event()

    async def run(self) -> int:
        """Serves until SIGTERM or SIGINT; returns the exit code.

        Raises:
            ConfigurationError: when a port is taken.
        """
        loop = asyncio.get_running_loop()
        for order in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(order, self._stop, order)
        loop.add_signal_handler(signal.SIGHUP, self._rolls.set)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._admin_door())
            ports = stack.enter_context(_reserved(self._settings))
            await stack.enter_async_context(reaping(lambda pid: any(process.pid == pid for process in self._running)))
            self._options = [*self._options, *ports]
            serving = asyncio.create_task(self._serve())
            stopping = asyncio.create_task(self._stopping.wait())
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            ended = serving.done()
            for task in (serving, stopping):
                task.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)
            if not ended:
                log.info(
                    "stopping",
                    delay_seconds=self._settings.shutdown_delay_seconds,
                    grace_seconds=self._settings.shutdown_grace_seconds,
                )
            await asyncio.gather(*(process.end(self._patience) for process in list(self._running)))
            if self._settings.grpc_unix_socket is not None:
                self._settings.grpc_unix_socket.unlink(missing_ok=True)
        try:
            if ended:
                await serving
        except _Ended as failure:
            return failure.code if failure.code > 0 else 1
        log.info("stopped")
        return 0

    @contextlib.asynccontextmanager
    async def _admin_door(self) -> AsyncIterator[None]:
        """Serves the admin port, if there is to be one, for all workers together."""
        settings = self._settings
        if settings.admin_port is None:
            yield
            return
        settings.working_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix="metrics-", dir=settings.working_dir) as folder:
            share_metrics(Path(folder))
            from phoenix_grpc.http.admin import admin_door
            from phoenix_grpc.server.metrics import SharedMetrics

            self._metrics = metrics = SharedMetrics(Path(folder))

            def ready() -> bool:
                return len(self._workers) == settings.workers and not self._stopping.is_set() and metrics.serving()

            async with admin_door(settings.admin_host, settings.admin_port, metrics.text, ready) as port:
                log.info("admin port", address=f"{settings.admin_host}:{port}")
                yield

    def _ended(self, worker: _Process) -> None:
        self._running.discard(worker)
        if self._metrics is not None:
            self._metrics.forget(worker.pid)

    def _stop(self, order: signal.Signals) -> None:
        """Begins to stop; whoever says it twice does not want to wait."""
        if self._stopping.is_set():
            for process in list(self._running):
                process.kill()
            end_at_once(order, self._writer)
        self._stopping.set()

    async def _serve(self) -> None:
        """Starts all workers, and keeps them, until it is cancelled.

        Raises:
            _Ended: when one does not start in the first place.
        """
        place: Mapping[str, str] = {}
        # One alone first: it brings the schema up to date, and shows the first password.
        for number in range(1, self._settings.workers + 1):
            place = await self._start(number)
        log.info("serving", workers=self._settings.workers, **place)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._roll())
            for number in self._workers:
                tasks.create_task(self._keep(number))

    async def _start(self, number: int) -> Mapping[str, str]:
        """Starts a worker in this place, and then ends the one before it; returns where it serves.

        Raises:
            _Ended: when it ends before it serves; the one before it stays.
            OSError: when the system cannot start it.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "phoenix_grpc", "serve", *self._options, "--worker", str(number)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
            start_new_session=True,  # Ctrl-C is for the supervisor
        )
        worker = _Process(process, partial(relay, self._writer, number))
        self._running.add(worker)
        worker.exited.add_done_callback(lambda _: self._ended(worker))
        place = await worker.serves()
        before, self._workers[number] = self._workers.get(number), worker
        if before is not None:
            await before.end(self._patience)
        return place

    async def _starts(self, number: int) -> bool:
        """Starts a worker in this place; whether it serves. If not, the log says why."""
        try:
            await self._start(number)
        except _Ended as failure:
            log.error("a worker ended before it served", worker=number, exit_code=failure.code)
            return False
        except OSError as error:
            log.error("a worker cannot be started", worker=number, error=str(error))
            return False
        return True

    async def _keep(self, number: int) -> None:
        """Starts the worker in this place again whenever it ends by itself."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            worker = self._workers[number]
            code = await asyncio.shield(worker.exited)
            if worker is self._workers[number]:  # and was not replaced
                log.error("a worker ended; it is started again", worker=number, exit_code=code)
            if time.monotonic() - worker.started > _PROVEN_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            while worker is self._workers[number]:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
                if worker is self._workers[number]:
                    await self._starts(number)

    async def _roll(self) -> None:
        """Replaces the workers one by one, whenever it is asked to; each serves before the one before it ends."""
        while True:
            await self._rolls.wait()
            self._rolls.clear()
            for number in list(self._workers):
                if not await self._starts(number):
                    log.error("the workers from this one on stay as they are", worker=number)
                    break
                log.info("a worker was replaced", worker=number)


@contextlib.contextmanager
def _reserved(settings: Settings) -> Iterator[list[str]]:
    """Holds both ports until the block ends, so that nobody else takes them; the options that name them."""
    with contextlib.ExitStack() as stack:
        options = []
        for setting, port in (("grpc-port", settings.grpc_port), ("port", settings.port)):
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            try:
                # Without sharing at first: with it, another server of this user would be joined in silence.
                with socket.create_server((settings.host, port), family=family, dualstack_ipv6=settings.dual_stack):
                    pass
                holder = stack.enter_context(socket.socket(family))
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if family == socket.AF_INET6:
                    holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not settings.dual_stack)
                holder.bind((settings.host, port))
            except OSError as error:
                name, reason = setting.replace("-", "_").upper(), os.strerror(error.errno or 0)
                raise ConfigurationError(
                    f"PHOENIX_HOST, PHOENIX_{name}: cannot listen on {settings.host}:{port}: {reason}"
                ) from None
            options += [f"--{setting}", str(holder.getsockname()[1])]
        yield options


def supervise(settings: Settings, options: Sequence[str]) -> int:
    """Runs the workers that the settings ask for until SIGTERM or SIGINT; returns the exit code.

    Raises:
        ConfigurationError: when a port is taken.
    """
    writer = configure_logs(settings.log_level)
    try:
        return asyncio.run(Supervisor(settings, options, writer).run())
    finally:
        if writer is not None:
            writer.close()
