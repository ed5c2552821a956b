"""Structured log lines on standard error: JSON, or readable ones on a terminal.

JSON lines are written by a thread of their own, so that a log that nobody reads, or that cannot be written, blocks
nothing and fills no memory: lines that do not fit are dropped and counted. Lines of calls are gathered and formatted
together.
"""

import asyncio
import logging
import queue
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

FLUSH_SECONDS = 0.1
MAX_GATHERED = 20_000
_CLOSE_SECONDS = 2.0
_OF_EVERY_LINE = ("event", "level", "timestamp")
_OF_SOME_LINES = ("reason", "trace_id", "certificate")

_encode = msgspec.json.Encoder(enc_hook=str).encode
log = structlog.get_logger()


class CallLine(msgspec.Struct, omit_defaults=True):
    """The line of a call, with its fields in their order.

    Arguments:
        timestamp: when it ended, in UTC.
        principal, user: the kind of credential, and the number of the user, if any.
        ms: how long it took, milliseconds.
        reason: why it was refused or failed; empty when it was not.
        trace_id: the trace that it belongs to; empty when there is none.
        certificate: the names in the certificate of the peer, where workloads are known; whoever it was that called.
    """

    event: str
    method: str
    principal: str
    user: int | None
    status: str
    ms: float
    request_id: str
    address: str
    level: str
    timestamp: datetime
    reason: str = ""
    trace_id: str = ""
    certificate: str = ""

    def fields(self) -> dict[str, object]:
        """The fields that say something of the call."""
        fields = {name: value for name, value in msgspec.structs.asdict(self).items() if name not in _OF_EVERY_LINE}
        return {name: value for name, value in fields.items() if value or name not in _OF_SOME_LINES}


class LogWriter:
    """Writes to standard error in a thread of its own; `put` never waits."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._waiting: queue.Queue[Callable[[], bytes]] = queue.Queue(MAX_GATHERED)
        self._dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, line: Callable[[], bytes]) -> None:
        """Writes the result of `line` in the thread, or drops it if too many lines wait."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Waits a moment until everything that was put is written."""
        written = threading.Event()
        self.put(lambda: written.set() or b"")  # type: ignore[func-returns-value]
        written.wait(_CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            data = self._waiting.get()()
            dropped, self._dropped = self._dropped, 0
            if dropped:
                data += _line("warning", "lines were dropped: the log could not be written", count=dropped)
            try:
                self._write(data)
            except (OSError, ValueError):  # a full disk, a reader that is gone, a closed file
                self._dropped += dropped + 1


def _write_to_stderr(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.buffer.flush()


class _Logger:
    """Receives finished lines from structlog."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def msg(self, line: bytes) -> None:
        self._writer.put(lambda: line + b"\n")

    debug = info = warning = error = critical = exception = log = msg


def configure_logs(level: str) -> LogWriter | None:
    """Sends our log and that of libraries to standard error, from `level` up.

    Returns:
        the writer of JSON lines, to be closed at the end; None on a terminal.
    """
    number = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    writer = None
    if sys.stderr.isatty():
        # Plain tracebacks: rich ones show local variables, and so credentials.
        renderer: Any = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    else:
        writer = LogWriter(_write_to_stderr)
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer(serializer=lambda event, **_: _encode(event))
        factory = lambda *_: _Logger(writer)  # noqa: E731
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[LibraryHandler()], level=max(number, logging.WARNING), force=True)
    return writer


class LibraryHandler(logging.Handler):
    """Passes the records of libraries, which use the standard library's logging, on to our log."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("Invalid encoding on"):  # gRPC repeats the metadata entry, which may be a credential
            message = "metadata that is not ASCII was refused"
        log.log(record.levelno, message, logger=record.name, exc_info=record.exc_info)


class CallLog:
    """Writes one line a call at level INFO. Belongs to one event loop.

    Arguments:
        level: the lowest level that is logged.
        writer: None on a terminal.
    """

    def __init__(self, level: str, writer: LogWriter | None) -> None:
        self._wanted = logging.getLevelNamesMapping()[level] <= logging.INFO
        self._writer = writer
        self._calls: list[Callable[[], CallLine]] = []
        self._dropped = 0

    def write(self, call: Callable[[], CallLine]) -> None:
        """Logs a call. Lines are formatted and written together, within a tenth of a second."""
        if not self._wanted:
            return
        if not self._calls:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        # Only kept here: formatting many lines together, off the calls' path, is cheaper.
        if len(self._calls) < MAX_GATHERED:
            self._calls.append(call)
        else:
            self._dropped += 1

    def flush(self) -> None:
        """Passes the gathered lines to the writer."""
        calls, self._calls = self._calls, []
        if self._dropped:
            log.warning("calls were not logged: too many at once", count=self._dropped)
            self._dropped = 0
        if self._writer is not None and calls:
            self._writer.put(lambda: b"".join(map(_call_line, calls)))
        elif self._writer is None:
            for call in calls:
                log.info("call", **call().fields())


def _call_line(call: Callable[[], CallLine]) -> bytes:
    return _encode(call()) + b"\n"


def _line(level: str, event: str, **fields: object) -> bytes:
    return _encode({"event": event, **fields, "level": level, "timestamp": datetime.now(UTC)}) + b"\n"
