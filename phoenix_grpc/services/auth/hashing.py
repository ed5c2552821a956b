"""Passwords off the event loop: argon2id takes 64 MiB and 0.1 s, so they are hashed one at a time."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from phoenix_grpc.credentials.passwords import Verified, hash_password, verify_password
from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.call import current_call

MAX_WAITING = 64
MAX_WAITING_OF_ONE = 16
"""How many may wait in all, and of one address: a flood from one place leaves room for others."""


class PasswordHashing:
    """Hashes and verifies passwords within a turn; a flood of logins waits or is refused, and memory stays flat."""

    def __init__(self) -> None:
        # One thread: the work of a call that was cancelled goes on, and the next must wait for it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._lock = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for one's turn, within which `hash` and `verify` may be called.

        Raises:
            LimitExceeded: when too many wait already.
        """
        address = current_call.get().address
        if self._waiting.total() >= MAX_WAITING or self._waiting[address] >= MAX_WAITING_OF_ONE:
            raise LimitExceeded("too many passwords are being checked; try again", retry_after=2)
        self._waiting[address] += 1
        try:
            async with self._lock:
                yield
        finally:
            self._waiting[address] -= 1
            self._waiting += Counter()  # drops what is zero: addresses come and go

    async def hash(self, password: str) -> str:
        """See passwords.hash_password."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, hash_password, password)

    async def verify(self, stored: str | None, password: str) -> Verified:
        """See passwords.verify_password."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, verify_password, stored, password)

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)
