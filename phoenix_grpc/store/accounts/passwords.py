"""Statements about passwords: their hashes, failed logins, and the tokens that reset them."""

from typing import NamedTuple

from phoenix_grpc import model
from phoenix_grpc.errors import LimitExceeded, Reason, Unauthenticated
from phoenix_grpc.store.accounts.sessions import end_sessions
from phoenix_grpc.store.engine import Transaction

LOCKOUT = 300_000_000
"""Microseconds for which an e-mail is locked after too many failed logins, and after which failures are forgotten."""

MAX_RESETS = 3
RESETS_WINDOW = 900_000_000
"""How many reset tokens one user gets within how many microseconds, so that nobody's mailbox is flooded."""


class Credentials(NamedTuple):
    """Who has an e-mail, and with which password hash; both None when nobody has, the hash when it has no password."""

    user_id: int | None = None
    password_hash: str | None = None


def find_credentials(tx: Transaction, email: str, max_failures: int) -> Credentials:
    """The credentials of an e-mail.

    Arguments:
        max_failures: how many failed logins lock the e-mail.

    Raises:
        LimitExceeded: LOGIN_THROTTLED while the e-mail is locked, whether or not anybody has it.
    """
    require_unlocked(tx, email, max_failures)
    row = tx.row("SELECT id, password_hash FROM users WHERE email = :email", {"email": email})
    return Credentials(*row) if row else Credentials()


def require_unlocked(tx: Transaction, email: str, max_failures: int) -> None:
    """Raises LimitExceeded (LOGIN_THROTTLED) while the e-mail is locked."""
    now = model.now()
    row = tx.row(
        "SELECT last_failed_at FROM login_failures"
        " WHERE email = :email AND failures >= :max AND last_failed_at > :since",
        {"email": email, "max": max_failures, "since": now - LOCKOUT},
    )
    if row:
        seconds = (row[0] + LOCKOUT - now) / 1_000_000
        raise LimitExceeded("too many failed logins; try again later", Reason.LOGIN_THROTTLED, retry_after=seconds)


def count_failure(tx: Transaction, email: str, max_failures: int) -> None:
    """Counts a failed login of an e-mail.

    Raises:
        LimitExceeded: LOGIN_THROTTLED when others' failures have locked it meanwhile; it is not counted then.
    """
    require_unlocked(tx, email, max_failures)
    now = model.now()
    tx.run(
        "INSERT INTO login_failures (email, failures, last_failed_at) VALUES (:email, 1, :now)"
        " ON CONFLICT (email) DO UPDATE SET last_failed_at = :now, failures ="
        " CASE WHEN login_failures.last_failed_at > :since THEN login_failures.failures + 1 ELSE 1 END",
        {"email": email, "now": now, "since": now - LOCKOUT},
    )


def forget_failures(tx: Transaction, email: str) -> None:
    """Unlocks an e-mail."""
    tx.run("DELETE FROM login_failures WHERE email = :email", {"email": email})


def has_password(tx: Transaction, user_id: int, password_hash: str) -> bool:
    """Whether this is still the user's hash: a login is verified outside of the transaction that it ends in."""
    return bool(
        tx.row("SELECT 1 FROM users WHERE id = :id AND password_hash = :hash", {"id": user_id, "hash": password_hash})
    )


def replace_hash(tx: Transaction, user_id: int, password_hash: str) -> None:
    """Stores another hash of the same password."""
    tx.run("UPDATE users SET password_hash = :hash WHERE id = :id", {"id": user_id, "hash": password_hash})


def set_password(tx: Transaction, user_id: int, password_hash: str, needs_reset: bool, keep_session: str = "") -> None:
    """Gives a user another password: ends the sessions but the one to keep, unlocks the e-mail, voids mailed links."""
    row = tx.row(
        "UPDATE users SET password_hash = :hash, password_needs_reset = :needs_reset, updated_at = :now"
        " WHERE id = :id RETURNING email",
        {"id": user_id, "hash": password_hash, "needs_reset": int(needs_reset), "now": model.now()},
    )
    if row:
        forget_failures(tx, row[0])
    tx.run("DELETE FROM password_resets WHERE user_id = :id", {"id": user_id})
    end_sessions(tx, user_id, keep_session)


def put_reset(tx: Transaction, user_id: int, digest: bytes, expires_at: int, max_resets: int = MAX_RESETS) -> bool:
    """Keeps the digest of a reset token, which voids the user's tokens before.

    Arguments:
        max_resets: how many a user gets within RESETS_WINDOW.

    Returns:
        False when the user has got so many; then nothing changes.
    """
    now = model.now()
    recent = tx.row(
        "SELECT COUNT(*) FROM password_resets WHERE user_id = :user_id AND created_at > :since",
        {"user_id": user_id, "since": now - RESETS_WINDOW},
    )
    if recent and recent[0] >= max_resets:
        return False
    tx.run(
        "UPDATE password_resets SET expires_at = :now WHERE user_id = :user_id AND expires_at > :now",
        {"user_id": user_id, "now": now},
    )
    tx.run(
        "INSERT INTO password_resets (digest, user_id, created_at, expires_at)"
        " VALUES (:digest, :user_id, :now, :expires_at)",
        {"digest": digest, "user_id": user_id, "now": now, "expires_at": expires_at},
    )
    return True


def reset_owner(tx: Transaction, digest: bytes) -> int:
    """The id of the user whom a reset token was mailed to.

    Raises:
        Unauthenticated: RESET_TOKEN_INVALID when it is unknown, used or expired.
    """
    row = tx.row(
        "SELECT user_id FROM password_resets WHERE digest = :digest AND expires_at > :now",
        {"digest": digest, "now": model.now()},
    )
    if row is None:
        raise Unauthenticated("this link is unknown, used or expired; ask for a new one", Reason.RESET_TOKEN_INVALID)
    return int(row[0])


def use_reset(tx: Transaction, digest: bytes, password_hash: str) -> int:
    """Sets the password of the owner of a reset token, and voids the token; returns the user's id.

    Raises:
        Unauthenticated: as `reset_owner`.
    """
    user_id = reset_owner(tx, digest)
    set_password(tx, user_id, password_hash, needs_reset=False)
    return user_id


def sweep_login_failures(tx: Transaction, limit: int) -> int:
    """Removes at most `limit` counts of failed logins that no longer matter; returns how many."""
    return tx.run(
        "DELETE FROM login_failures WHERE email IN"
        " (SELECT email FROM login_failures WHERE last_failed_at <= :before LIMIT :limit)",
        {"before": model.now() - LOCKOUT, "limit": limit},
    )


def sweep_password_resets(tx: Transaction, limit: int) -> int:
    """Removes at most `limit` reset tokens that have expired and count no longer; returns how many."""
    now = model.now()
    return tx.run(
        "DELETE FROM password_resets WHERE digest IN (SELECT digest FROM password_resets"
        " WHERE expires_at <= :now AND created_at <= :since LIMIT :limit)",
        {"now": now, "since": now - RESETS_WINDOW, "limit": limit},
    )
