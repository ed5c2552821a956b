"""How long a process trusts the auth revision that it read, and how a revocation outlasts that trust.

A lease is counted from before the read. A change that revokes returns only when a whole lease has passed since its
commit, so by then every process has read the revision anew, or has to before it serves another call. No call pays for a
read of its own, and yet none that begins after it returned is served with what was revoked.
"""

import asyncio
import time
from collections.abc import Callable

from phoenix_grpc.store.engine import UNKNOWN_REVISION, AuthRevision

# It runs on while the machine is suspended or the process is stopped, so that a lease does not outlive either.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds since the machine was booted."""
    return time.clock_gettime(_CLOCK)


class RevisionLease:
    """The auth revision as it was read last, for as long as it may be trusted.

    Arguments:
        read: reads the revision as committed now, by any process.
        seconds: how long what it returned is trusted.
    """

    def __init__(self, read: Callable[[], AuthRevision], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._revision = UNKNOWN_REVISION
        self._ends = 0.0

    def revision(self) -> AuthRevision:
        """The auth revision: the one read last, or read anew when the lease is over.

        Raises:
            whatever `read` raises; the lease stays over then.
        """
        now = boottime()
        if now >= self._ends:
            self._revision = self._read()
            self._ends = now + self._seconds
        return self._revision

    def end(self) -> None:
        """Makes the next call read: this process has written, and sees its own changes at once."""
        self._ends = 0.0

    async def wait_out(self, committed: float) -> None:
        """Returns when every lease that began before a commit is over.

        Arguments:
            committed: the boot time after the commit.
        """
        while (left := committed + self._seconds - boottime()) > 0:
            await asyncio.sleep(left)
