"""The slowest rate of a sender: the same for the body of a request and for a stream of chunks."""

import asyncio
import time

SLOWEST = 1024
"""Bytes per second that must come at least, on average."""


class Pace:
    """Measures a sender, which may send nothing, or be behind the slowest rate, for `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._behind = 0.0
        self._began = 0.0

    def patience(self) -> asyncio.Timeout:
        """Waits as long as the next piece may take: raises TimeoutError if the block has not ended by then."""
        self._began = time.monotonic()
        return asyncio.timeout(self.seconds - max(0, self._behind))

    def arrived(self, size: int) -> None:
        """Counts the bytes of a piece that arrived."""
        self._behind += time.monotonic() - self._began - size / SLOWEST
