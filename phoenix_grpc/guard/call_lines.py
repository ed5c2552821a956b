"""One line of the log for each call."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from phoenix_grpc.errors import Error
from phoenix_grpc.guard.call import Call
from phoenix_grpc.logs import CallLine, CallLog


class CallLines:
    """Logs each call when it ends; the line is made off the call's path.

    Arguments:
        status_name: the name of the status that a call ends with.
    """

    def __init__(self, log: CallLog, status_name: Callable[[Error | None], str]) -> None:
        self._log = log
        self._status_name = status_name

    def __call__(self, call: Call, error: Error | None) -> None:
        """Logs how a call has ended, now."""
        self._log.write(partial(self._line, call, error, time.time(), time.perf_counter()))

    def _line(self, call: Call, error: Error | None, time: float, ended: float) -> CallLine:
        principal = call.principal
        return CallLine(
            "call",
            call.path,
            principal.kind,
            principal.user_id,
            self._status_name(error),
            round((ended - call.started) * 1000, 2),
            call.request_id,
            call.address,
            "info",
            datetime.fromtimestamp(time, UTC),
            error.reason if error is not None else "",
            call.trace_id,
            ", ".join(map(str, call.peer.names)) if call.peer is not None else "",
        )
