"""One of several processes that serve the same ports, as it sees itself; workers.py has the supervisor's view."""

import asyncio
import contextlib
import json
import math
import os
import sys
from dataclasses import dataclass

from phoenix_grpc.config import Settings

_COPIES = 3
_AROUND = 1 << 20
"""What the longest record takes at once when it comes in a JSON document, and what comes with it."""


@dataclass(frozen=True, slots=True)
class Worker:
    """Which of how many processes this is; the first one sweeps and sends notices for all."""

    number: int = 1
    count: int = 1

    @property
    def shares_ports(self) -> bool:
        """Whether others listen on the same ports."""
        return self.count > 1

    @property
    def maintains(self) -> bool:
        """Whether it does the work that one process is to do."""
        return self.number == 1

    def share(self, settings: Settings) -> Settings:
        """Settings whose limits are this worker's share of the server's."""
        if self.count == 1:
            return settings
        largest = max(settings.max_message_bytes, _COPIES * settings.max_record_bytes + _AROUND)
        inflight = min(settings.max_inflight_bytes, max(largest, settings.max_inflight_bytes // self.count))
        return settings.model_copy(
            update={
                "max_concurrent_calls": math.ceil(settings.max_concurrent_calls / self.count),
                "max_inflight_bytes": inflight,
                # A path can be listened on once.
                "grpc_unix_socket": settings.grpc_unix_socket if self.maintains else None,
            }
        )


def tell_supervisor(grpc: str, http: str) -> None:
    """Says on standard output that this worker serves, and where."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), json.dumps({"grpc": grpc, "http": http}).encode() + b"\n")


def follow_supervisor(stopped: asyncio.Event) -> None:
    """Sets `stopped` when the supervisor is gone, however it ended."""
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 1):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()

    loop.add_reader(sys.stdin.fileno(), look)
