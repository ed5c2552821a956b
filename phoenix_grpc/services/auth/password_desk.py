"""The desk for passwords: checked against the policy, hashed and verified off the event loop, one at a time.

argon2id takes 64 MiB and 0.1 s, so a flood of logins waits for its turn or is refused, and memory stays flat.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from phoenix_grpc.config import Settings
from phoenix_grpc.credentials.passwords import MAX_LENGTH, Verified, checked_password, hash_password, verify_password
from phoenix_grpc.errors import Invalid, LimitExceeded, Reason, Unauthenticated
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.services.auth import messages
from phoenix_grpc.services.trail import call_event
from phoenix_grpc.store import audit
from phoenix_grpc.store.accounts import passwords
from phoenix_grpc.store.engine import Engine, Transaction

MAX_WAITING = 64
MAX_WAITING_OF_ONE = 16
"""How many may wait in all, and of one address: a flood from one place leaves room for others."""
UNLIMITED = 2**62


class Owner(NamedTuple):
    """Whose password it is.

    Arguments:
        password_hash: the one it was verified against; a change must find it in place still.
        new_hash: of the same password, when that one is outdated.
    """

    user_id: int
    password_hash: str
    new_hash: str | None


class PasswordDesk:
    """Checks, hashes and verifies passwords for the methods that receive them."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        # One thread: the work of a cancelled call runs to its end, and the next must wait for it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="argon2")
        self._lock = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    @property
    def max_failures(self) -> int:
        """How many failed logins lock an e-mail."""
        if self._settings.disable_brute_force_login_protection:
            return UNLIMITED
        return self._settings.brute_force_login_protection_max_attempts

    def checked(self, password: str, field: str) -> str:
        """A new password, when it meets this server's policy.

        Raises:
            Invalid: naming `field`.
        """
        return checked_password(password, field, self._settings.enable_strong_password_policy)

    async def hashed(self, password: str) -> str:
        """The hash of a password.

        Raises:
            LimitExceeded: when too many wait already.
        """
        async with self._turn():
            return await self._hash(password)

    async def verified(self, email: str, password: str) -> Owner:
        """The user with this e-mail and password; a wrong one is counted against the e-mail.

        Raises:
            Unauthenticated: LOGIN_FAILED, the same for an unknown e-mail and a wrong password.
            LimitExceeded: LOGIN_THROTTLED while the e-mail is locked; or when too many wait already.
        """
        async with self._turn():
            # Within the turn, so that guesses sent together see each other's failures.
            user_id, stored = await self._engine.read(passwords.find_credentials, email, self.max_failures)
            found = await self._verify(stored, password)
            new_hash = await self._hash(password) if found.needs_rehash and found.ok else None
            if not found.ok:
                await self._record_failure(email, user_id)
                raise login_failed()
        return Owner(user_id or 0, stored or "", new_hash)  # both are known: no password is right without them

    async def _record_failure(self, email: str, user_id: int | None) -> None:
        """A failure of a user's login is an audit event; strangers' are not: anybody can send any number of them."""
        event = replace(
            call_event("login"), allowed=False, target_id=messages.user_id(user_id), reason=Reason.LOGIN_FAILED
        )

        def count(tx: Transaction) -> None:
            passwords.count_failure(tx, email, self.max_failures)
            audit.record(tx, [event] if user_id is not None else [])

        await self._engine.write(count)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
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

    async def _hash(self, password: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._thread, hash_password, password)

    async def _verify(self, stored: str | None, password: str) -> Verified:
        return await asyncio.get_running_loop().run_in_executor(self._thread, verify_password, stored, password)

    def close(self) -> None:
        """Ends the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def sent_password(password: str, field: str) -> str:
    """A password as it was sent to be verified: held to no policy but its length.

    Raises:
        Invalid: when it is empty or too long.
    """
    if not 0 < len(password) <= MAX_LENGTH:
        raise Invalid(field, f"must have 1 to {MAX_LENGTH:,} characters")
    return password


def login_failed() -> Unauthenticated:
    """The same for an unknown e-mail and a wrong password."""
    return Unauthenticated("unknown e-mail or wrong password", Reason.LOGIN_FAILED)
