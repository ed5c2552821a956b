"""Structured log lines on standard error: JSON, or readable ones on a terminal.

Every call writes a line, so these go a way of their own: gathered, and written together by a thread. A log that is not
read must not stand in the way of the calls, nor fill the memory.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import structlog

FLUSH_SECONDS = 0.1
MAX_GATHERED = 20_000

_encode = msgspec.json.Encoder(enc_hook=str).encode
log = structlog.get_logger()


def configure_logs(level: str) -> None:
    """Sends our lines and those of the libraries to standard error, from `level` up."""
    number = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if sys.stderr.isatty():
        # A rich traceback would show local variables, and with them credentials.
        renderer: Any = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        factory: Any = structlog.PrintLoggerFactory(sys.stderr)
    else:
        shared.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer(serializer=lambda event, **_: _encode(event))
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    _route_libraries(number)


def _route_libraries(level: int) -> None:
    class Handler(logging.Handler):
        """Passes a record of the standard library's logging on."""

        def emit(self, record: logging.LogRecord) -> None:
            log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)

    logging.basicConfig(handlers=[Handler()], level=max(level, logging.WARNING), force=True)


class CallLog:
    """Writes one line a call at level INFO. Belongs to one event loop.

    Arguments:
        level: the lowest level that is logged.
    """

    def __init__(self, level: str) -> None:
        self._wanted = logging.getLevelNamesMapping()[level] <= logging.INFO
        self._readable = sys.stderr.isatty()
        self._calls: list[CallLine] = []
        self._dropped = 0
        self._flushing: asyncio.Task[None] | None = None

    def write(self, call: "CallLine") -> None:
        """Logs a call; what is gathered is written within a tenth of a second."""
        if not self._wanted:
            return
        if len(self._calls) >= MAX_GATHERED:
            self._dropped += 1
            return
        # Only kept here: what a line costs is paid for many of them together, off the calls' path.
        self._calls.append(call)
        if self._flushing is None:
            self._flushing = asyncio.get_running_loop().create_task(self._flush_soon())

    async def close(self) -> None:
        """Waits until all is written."""
        if self._flushing is not None:
            await self._flushing

    async def _flush_soon(self) -> None:
        try:
            await asyncio.sleep(FLUSH_SECONDS)
            while self._calls:
                calls, self._calls = self._calls, []
                await self._write(calls)
        finally:
            self._flushing = None

    async def _write(self, calls: "list[CallLine]") -> None:
        """Writes lines; a log that cannot be written, on a full disk say, is no reason to end anything."""
        try:
            if self._dropped:
                log.warning("calls not logged: the log could not be written", count=self._dropped)
                self._dropped = 0
            await asyncio.to_thread(_write_readable if self._readable else _write_json, calls)
        except (OSError, ValueError):  # ValueError: standard error is closed
            self._dropped += len(calls)


class CallLine(NamedTuple):
    """What is logged of a call.

    Arguments:
        time: when it ended, seconds since the epoch.
        ms: how long it took, milliseconds.
        principal, user: the kind of credential, and the number of the user, if any.
        reason: why it was refused or failed; empty when it was not.
    """

    time: float
    method: str
    principal: str
    user: int | None
    status: str
    ms: float
    request_id: str
    address: str
    reason: str = ""

    def fields(self) -> dict[str, object]:
        """The line's fields, without the time."""
        fields: dict[str, object] = self._asdict()
        del fields["time"]
        fields["ms"] = round(self.ms, 2)
        if not self.reason:
            del fields["reason"]
        return fields


def _write_json(calls: list[CallLine]) -> None:
    lines = [
        _encode({"event": "call", **call.fields(), "level": "info", "timestamp": _timestamp(call.time)})
        for call in calls
    ]
    sys.stderr.buffer.write(b"\n".join((*lines, b"")))
    sys.stderr.buffer.flush()


def _write_readable(calls: list[CallLine]) -> None:
    for call in calls:
        log.info("call", **call.fields())


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
