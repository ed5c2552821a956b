"""Log lines: written by a thread of their own, and no reason to wait for or to end anything."""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from phoenix_grpc import logs
from phoenix_grpc.logs import CallLine, CallLog, LogWriter
from tests.conftest import eventually


def line(request_id: str) -> Callable[[], CallLine]:
    return lambda: CallLine(
        "call", "/service/Method", "SESSION", 1, "OK", 0.5, request_id, "192.0.2.1", "info", datetime.now(UTC)
    )


class Disk:
    """A file that is full for a while, and that may be slow."""

    def __init__(self) -> None:
        self.full = False
        self.free = threading.Event()
        self.free.set()
        self.data = b""

    def write(self, data: bytes) -> None:
        self.free.wait(10)
        if self.full:
            raise OSError(28, "No space left on device")
        self.data += data

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.data.splitlines()]


async def test_a_log_that_cannot_be_written_goes_on_when_it_can_and_says_what_is_missing() -> None:
    disk = Disk()
    disk.full = True
    writer = LogWriter(disk.write)
    log = CallLog("INFO", writer)
    log.write(line("lost"))
    log.flush()
    writer.close()
    disk.full = False
    log.write(line("kept"))
    log.flush()
    await eventually(lambda: len(disk.lines) == 2)
    kept, warning = disk.lines
    assert (kept["request_id"], warning["level"]) == ("kept", "warning")
    assert warning["count"] >= 1


async def test_a_log_that_nobody_reads_keeps_nobody_waiting_and_fills_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "MAX_GATHERED", 10)
    monkeypatch.setattr(logs, "_CLOSE_SECONDS", 0.1)
    disk = Disk()
    disk.free.clear()
    writer = LogWriter(disk.write)
    log = CallLog("INFO", writer)
    for number in range(100):
        log.write(line(str(number)))
    assert len(log._calls) == 10
    for _ in range(100):
        writer.put(lambda: b"x\n")
    writer.close()
    disk.free.set()


async def test_calls_are_not_logged_above_info() -> None:
    log = CallLog("WARNING", None)
    log.write(line("unwanted"))
    assert log._calls == []


def test_metadata_that_grpc_repeats_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    class Log:
        def log(self, _level: int, message: str, **_: Any) -> None:
            seen.append(message)

    monkeypatch.setattr(logs, "log", Log())
    record = logging.LogRecord(
        "grpc", logging.WARNING, "", 0, "Invalid encoding on %s", (b"Bearer phgrpc_SECRET\xff",), None
    )
    logs.LibraryHandler().emit(record)
    assert seen == ["metadata that is not ASCII was refused"]
