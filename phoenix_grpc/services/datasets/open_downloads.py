"""The downloads that are open: how many a caller may have, and how much of a file each may hold in memory."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from phoenix_grpc.config import Settings
from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.guard.capacity import ByteBudget, Hold

# What one download reads at once: enough that a page costs its bytes and hardly more.
_MOST_CHARS = 128 << 10
_LEAST_CHARS = 16 << 10
# What all of them read at once; a stalled reader holds its page about four times: as text, message, bytes on the wire.
_ALL_CHARS = 8 << 20
# An example may be larger than a page; what large ones hold is counted.
_LARGE_BYTES = 1 << 20
_ALL_LARGE_BYTES = 64 << 20
_PATIENCE_SECONDS = 20.0
# A page read takes about 1 ms of the loop: with all of them in one turn of it, the other calls would wait for each.
_READING_AT_ONCE = 4


class Downloads:
    """Counts the downloads of a server.

    Attributes:
        examples, file_bytes: of those that have ended, how many examples and bytes they had.
    """

    def __init__(self, settings: Settings) -> None:
        self._per_caller = settings.max_downloads_per_caller
        self._open: Counter[str] = Counter()
        self.examples = 0
        self.file_bytes = 0
        self.reading = asyncio.Semaphore(_READING_AT_ONCE)
        self.large = ByteBudget(max(_ALL_LARGE_BYTES, 2 * settings.max_record_bytes), _PATIENCE_SECONDS)

    @contextlib.contextmanager
    def begin(self) -> "Iterator[Share]":
        """A download of this caller, open until the block ends.

        Raises:
            LimitExceeded: when it has as many as it may.
        """
        who = current_call.get().identity
        if self._open[who] >= self._per_caller:
            raise LimitExceeded(
                f"{self._per_caller} downloads of this caller are open (PHOENIX_MAX_DOWNLOADS_PER_CALLER)",
                retry_after=1,
            )
        self._open[who] += 1
        try:
            with self.large.hold() as hold:
                yield (share := Share(self, hold))
            self.examples += share.examples
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]

    @property
    def page_chars(self) -> int:
        """How many characters each may read at once: the more are open, the fewer."""
        return max(_LEAST_CHARS, min(_MOST_CHARS, _ALL_CHARS // max(1, self._open.total())))


class Share:
    """What one download may hold.

    Attributes:
        examples: how many it has read.
    """

    def __init__(self, downloads: Downloads, hold: Hold) -> None:
        self._downloads = downloads
        self._hold = hold
        self.reading = downloads.reading
        self.examples = 0

    @property
    def page_chars(self) -> int:
        """How many characters it may read at once now."""
        return self._downloads.page_chars

    async def take(self, size: int) -> None:
        """Holds `size` bytes of the file, in place of those before: a page of large examples may be large.

        Raises:
            LimitExceeded: when others hold so many that there is no room in time.
        """
        self._downloads.file_bytes += size
        self._hold.shrink(0)
        if size > _LARGE_BYTES:
            try:
                await self._hold.grow(min(size, self._downloads.large.limit))
            except LimitExceeded:
                text = "downloads of large examples use all of their memory; try again"
                raise LimitExceeded(text, retry_after=_PATIENCE_SECONDS) from None
