"""Statements about sessions and their refresh tokens."""

import enum
from dataclasses import dataclass

from phoenix_grpc import model
from phoenix_grpc.errors import NotFound, Reason
from phoenix_grpc.model import Role, Row, Session
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.revision import Subject, forget_everything, record_change, revoke

REUSE_GRACE = 10_000_000
"""Microseconds in which a used refresh token may come again (two tabs, a retry) without being taken for stolen."""


@dataclass(frozen=True, slots=True)
class LiveSession:
    """A session that has not ended, with its owner as it is now; `generation` grows with each refresh."""

    id: str
    generation: int
    expires_at: int
    user_id: int
    email: str
    role: Role


class Rotation(enum.Enum):
    """What became of a refresh token that was sent in."""

    ROTATED = enum.auto()
    REUSED = enum.auto()  # used a moment ago: refused
    STOLEN = enum.auto()  # used long ago: its session was ended
    ENDED = enum.auto()  # its session had ended before


def insert_session(tx: Transaction, session: Session, refresh_digest: bytes) -> None:
    """Begins a session of generation 1."""
    tx.run(
        "INSERT INTO sessions (id, user_id, generation, created_at, refreshed_at, expires_at, user_agent, address)"
        " VALUES (:id, :user_id, 1, :created_at, :refreshed_at, :expires_at, :user_agent, :address)",
        {name: getattr(session, name) for name in Session.__slots__},
    )
    _insert_token(tx, session.id, refresh_digest)


def live_session(tx: Transaction, session_id: str) -> LiveSession | None:
    """The session, or None when it has ended."""
    row = tx.row(
        "SELECT s.id, s.generation, s.expires_at, u.id, u.email, u.role"
        " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = :id AND s.expires_at > :now",
        {"id": session_id, "now": model.now()},
    )
    if row is None:
        return None
    session_id, generation, expires_at, user_id, email, role = row
    return LiveSession(session_id, generation, expires_at, user_id, email, Role(role))


def rotate_refresh_token(
    tx: Transaction, session_id: str, used: bytes, fresh: bytes, expires_at: int
) -> tuple[Rotation, LiveSession | None]:
    """Exchanges the digest of a refresh token for that of a new one; of any number of racers one succeeds.

    A success ends the session's access tokens, by its generation. A token that was used longer ago than the grace is
    taken for stolen, and ends the session.

    Returns:
        what happened, and the session as it is after it; after STOLEN as it was, after ENDED None.
    """
    session = live_session(tx, session_id)
    if session is None:
        return Rotation.ENDED, None
    now = model.now()
    token = {"session_id": session_id, "digest": used, "now": now}
    if not tx.run(
        "UPDATE refresh_tokens SET used_at = :now"
        " WHERE session_id = :session_id AND digest = :digest AND used_at IS NULL",
        token,
    ):
        return _reused(tx, session, used, now)
    # What was used before the grace needs no row to be known as used: it is signed, and it is not here.
    tx.run(
        "DELETE FROM refresh_tokens WHERE session_id = :session_id AND used_at <= :before",
        {"session_id": session_id, "before": now - REUSE_GRACE},
    )
    _insert_token(tx, session_id, fresh)
    tx.run(
        "UPDATE sessions SET generation = generation + 1, refreshed_at = :now, expires_at = :expires_at WHERE id = :id",
        {"id": session_id, "now": now, "expires_at": expires_at},
    )
    # No revocation: the caller has the new token, and nobody waits for the old one to end elsewhere.
    record_change(tx, Subject.SESSION, session_id)
    return Rotation.ROTATED, live_session(tx, session_id)


def _reused(tx: Transaction, session: LiveSession, used: bytes, now: int) -> tuple[Rotation, LiveSession]:
    recent = tx.row(
        "SELECT 1 FROM refresh_tokens WHERE session_id = :session_id AND digest = :digest AND used_at > :after",
        {"session_id": session.id, "digest": used, "after": now - REUSE_GRACE},
    )
    if recent:
        return Rotation.REUSED, session
    end_session(tx, session.id)
    return Rotation.STOLEN, session


def end_session(tx: Transaction, session_id: str, user_id: int | None = None) -> Session:
    """Ends a session and returns it.

    Arguments:
        user_id: whose it must be; None for anybody's.

    Raises:
        NotFound: when there is no such session.
    """
    owner = "" if user_id is None else " AND user_id = :user_id"
    row = tx.row(
        f"DELETE FROM sessions WHERE id = :id{owner} RETURNING {_COLUMNS}",
        {"id": session_id, "user_id": user_id},
    )
    if row is None:
        raise NotFound("Session", session_id[:100], Reason.SESSION_NOT_FOUND)
    revoke(tx, Subject.SESSION, session_id)
    return Session(*row)


def end_sessions(tx: Transaction, user_id: int, keep: str = "") -> int:
    """Ends all sessions of a user but the one to keep; returns how many."""
    ended = tx.run("DELETE FROM sessions WHERE user_id = :user_id AND id <> :keep", {"user_id": user_id, "keep": keep})
    revoke(tx, Subject.USER, user_id)
    return ended


def end_all_sessions(tx: Transaction) -> int:
    """Ends the sessions of everybody, and the links that set passwords; returns how many sessions there were."""
    ended = tx.run("DELETE FROM sessions")
    tx.run("DELETE FROM password_resets")
    forget_everything(tx)
    return ended


def list_sessions(tx: Transaction, user_id: int, before: tuple[int, str] | None, limit: int) -> list[Session]:
    """A user's sessions that have not ended, newest first.

    Arguments:
        before: `created_at` and `id` of the last session of the page before.
    """
    after_page = " AND (created_at, id) < (:before_time, :before_id)" if before else ""
    before_time, before_id = before or (0, "")
    rows: list[Row] = tx.rows(
        f"SELECT {_COLUMNS} FROM sessions WHERE user_id = :user_id AND expires_at > :now{after_page}"
        " ORDER BY created_at DESC, id DESC LIMIT :limit",
        {
            "user_id": user_id,
            "now": model.now(),
            "before_time": before_time,
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [Session(*row) for row in rows]


def sweep_sessions(tx: Transaction, limit: int) -> int:
    """Removes at most `limit` sessions whose time is over; returns how many."""
    return tx.run(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= :now LIMIT :limit)",
        {"now": model.now(), "limit": limit},
    )


_COLUMNS = "id, user_id, created_at, refreshed_at, expires_at, user_agent, address"


def _insert_token(tx: Transaction, session_id: str, digest: bytes) -> None:
    tx.run(
        "INSERT INTO refresh_tokens (session_id, digest) VALUES (:session_id, :digest)",
        {"session_id": session_id, "digest": digest},
    )
