"""The lines of calls: written together, and no reason to end anything when they cannot be."""

import time

import pytest

from phoenix_grpc import logs
from phoenix_grpc.logs import CallLine, CallLog
from tests.conftest import eventually


def line(request_id: str) -> CallLine:
    return CallLine(time.time(), "/service/Method", "SESSION", 1, "OK", 0.5, request_id, "192.0.2.1")


async def test_a_log_that_cannot_be_written_is_written_again_when_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    full = True

    def write(calls: list[CallLine]) -> None:
        if full:
            raise OSError(28, "No space left on device")
        written.extend(call.request_id for call in calls)

    monkeypatch.setattr(logs, "_write_json", write)
    monkeypatch.setattr(logs, "FLUSH_SECONDS", 0.001)
    log = CallLog("INFO")
    log.write(line("lost"))
    await log.close()
    full = False
    log.write(line("kept"))
    await log.close()
    assert written == ["kept"]


async def test_a_log_that_nobody_reads_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_write_json", lambda calls: None)
    monkeypatch.setattr(logs, "MAX_GATHERED", 10)
    log = CallLog("INFO")
    for number in range(100):
        log.write(line(str(number)))
    assert len(log._calls) == 10
    await eventually(lambda: not log._calls)
    await log.close()


async def test_calls_are_not_logged_above_info() -> None:
    log = CallLog("WARNING")
    log.write(line("unwanted"))
    assert log._calls == []
