"""Structured log lines on standard error: JSON, or readable ones on a terminal."""

import logging
import sys
from typing import Any

import msgspec
import structlog

_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure_logs(level: str) -> None:
    """Sends our lines and those of the libraries to standard error, from `level` up."""
    number = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if sys.stderr.isatty():
        renderer: Any = structlog.dev.ConsoleRenderer()
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
            structlog.get_logger().log(
                record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
            )

    logging.basicConfig(handlers=[Handler()], level=max(level, logging.WARNING), force=True)
