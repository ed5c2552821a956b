"""Statements about API keys that end soon, or later than they may."""

from dataclasses import dataclass

from phoenix_grpc import model
from phoenix_grpc.store.engine import Transaction

DAY = 86_400_000_000

NOTICE_DAYS = (1, 7)
"""How many days before a key ends a mail is sent; the most urgent first."""


@dataclass(frozen=True, slots=True)
class ExpiringKey:
    """A key whose expiry its owner is to learn of; `email` is None when there is nobody to write to."""

    id: int
    name: str
    hint: str
    expires_at: int
    system: bool
    email: str | None
    days: int  # of NOTICE_DAYS


def next_expiring_key(tx: Transaction) -> ExpiringKey | None:
    """The key whose end is to be told next; None when there is none.

    The owner is told; of a system key, the user who made it. Nobody is told more days before than the key had to live.
    """
    now = model.now()
    for days in NOTICE_DAYS:
        row = tx.row(
            "SELECT k.id, k.name, k.hint, k.expires_at, u.role = 'SYSTEM', m.email FROM api_keys k"
            " JOIN users u ON u.id = k.user_id LEFT JOIN users m ON m.role <> 'SYSTEM' AND m.id ="
            " CASE WHEN u.role = 'SYSTEM' THEN k.created_by ELSE k.user_id END"
            " WHERE k.revoked_at IS NULL AND k.expires_at > :now AND k.expires_at <= :until"
            " AND k.created_at <= k.expires_at - :span AND (k.noticed_days IS NULL OR k.noticed_days > :days)"
            " ORDER BY k.expires_at LIMIT 1",
            {"now": now, "until": now + days * DAY, "span": days * DAY, "days": days},
        )
        if row:
            key_id, name, hint, expires_at, system, email = row
            return ExpiringKey(key_id, name, hint, expires_at, bool(system), email, days)
    return None


def mark_noticed(tx: Transaction, key: ExpiringKey) -> bool:
    """Records that the end of a key is told; False when another process did, or the key has changed meanwhile."""
    return bool(
        tx.run(
            "UPDATE api_keys SET noticed_days = :days WHERE id = :id AND revoked_at IS NULL"
            " AND expires_at = :expires_at AND (noticed_days IS NULL OR noticed_days > :days)",
            {"id": key.id, "expires_at": key.expires_at, "days": key.days},
        )
    )


def count_outliving(tx: Transaction, time: int) -> int:
    """How many keys end after that time, or never."""
    row = tx.row(
        "SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > :time)",
        {"time": time},
    )
    return int(row[0]) if row else 0
