"""The room on the disk of the embedded database: what grows it leaves some for what makes room again."""

import os
from pathlib import Path
from typing import NamedTuple

from phoenix_grpc.errors import StoreFull

# A reserve for deletes, revocations and logins is a small share of any disk.
_LARGEST_SHARE = 20
_SHORTEST_LOG = 64 << 10
_LONGEST_LOG = 16 << 20
# What the smallest change may take.
_LEAST_BYTES = 256 << 10


class Pages(NamedTuple):
    """The pages of a database, as a transaction sees them, and how many of them are free; `size` is one page's."""

    total: int
    free: int
    size: int

    @property
    def used_bytes(self) -> int:
        """What is kept in them."""
        return (self.total - self.free) * self.size

    @property
    def free_bytes(self) -> int:
        """What can be kept in the free ones."""
        return self.free * self.size


class Disk:
    """The disk that the file at `path` is on.

    Arguments:
        reserve: bytes that growing leaves free, but no more than a twentieth of the disk.
    """

    def __init__(self, path: Path, reserve: int) -> None:
        self._path = path
        self._reserve = reserve

    @property
    def log_bytes(self) -> int:
        """How long the log may grow before it is written into the database, which takes room at the end of the file."""
        return max(_SHORTEST_LOG, min(_LONGEST_LOG, self._share() // 8)) if self._reserve else _LONGEST_LOG

    def require_room(self, pages: Pages, growth: int) -> None:
        """Raises StoreFull unless so many bytes can be added and the reserve is left.

        They are written to the log, and from there to free pages or to the end of the file; until then both are on the
        disk. What is committed and cannot be moved out of the log would let the log grow with every further write.
        """
        log = growth + _LEAST_BYTES
        extension = max(0, log - pages.free_bytes)
        # A change that fits into free pages gives back what it takes: the log is emptied after it.
        if self._left(pages) < extension + (max(log, self._share()) if extension else log):
            raise StoreFull()

    def is_short(self, pages: Pages) -> bool:
        """Whether the disk has less room than the free pages of the file, whose bytes the log could then not take."""
        return bool(self._reserve) and self._left(pages) < self._share() + pages.free_bytes

    def _left(self, pages: Pages) -> int:
        """The free bytes of the disk, without those that the log has still to move to the end of the file."""
        disk = os.statvfs(self._path)
        waiting = max(0, pages.total * pages.size - self._path.stat().st_size)
        return disk.f_bavail * disk.f_frsize - waiting

    def _share(self) -> int:
        """What is to be left free of this disk."""
        disk = os.statvfs(self._path)
        return min(self._reserve, disk.f_blocks * disk.f_frsize // _LARGEST_SHARE)
