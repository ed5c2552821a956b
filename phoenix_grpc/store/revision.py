"""The auth revision: a number that grows with every change to what credentials are worth, and the list of the changes.

A process that sees the number move forgets the credentials of the subjects listed since, and all of them when the list
no longer reaches back that far.
"""

import enum
from typing import NamedTuple

from phoenix_grpc.store.engine import Transaction

KEPT_CHANGES = 10_000
"""Changes that the list keeps: a process that missed more of them forgets every credential."""


class Subject(enum.StrEnum):
    """Whose credentials a change is about."""

    SESSION = "session"
    KEY = "key"
    USER = "user"


class AuthChange(NamedTuple):
    """A change to what the credentials of a session, a key or a user are worth."""

    subject: Subject
    id: str


class AuthChanges(NamedTuple):
    """What changed up to `revision`; `changes` is None when the list no longer reaches back."""

    revision: int
    changes: list[AuthChange] | None


def revoke(tx: Transaction, subject: Subject, subject_id: object) -> None:
    """Records that credentials are worth less, or nothing. The write returns when no process trusts them any more."""
    record_change(tx, subject, subject_id)
    tx.wait_out_leases()


def forget_everything(tx: Transaction) -> None:
    """Makes every process forget every credential that it has verified. The write returns when all have."""
    # The list of changes ends before this one, so nobody can tell what it is about.
    tx.run("UPDATE auth_revision SET revision = revision + 1")
    tx.auth_changed()
    tx.wait_out_leases()


def record_change(tx: Transaction, subject: Subject, subject_id: object) -> None:
    """Records a change that nobody waits for: a process learns of it within the lease."""
    row = tx.one("UPDATE auth_revision SET revision = revision + 1 RETURNING revision")
    tx.run(
        "INSERT INTO auth_changes (revision, subject, subject_id) VALUES (:revision, :subject, :id)",
        {"revision": row[0], "subject": subject.value, "id": str(subject_id)},
    )
    tx.auth_changed()


def changes_since(tx: Transaction, revision: int) -> AuthChanges:
    """The changes after `revision`, and the revision they lead to."""
    current = int(tx.one("SELECT revision FROM auth_revision")[0])
    rows = tx.rows(
        "SELECT subject, subject_id FROM auth_changes WHERE revision > :revision ORDER BY revision",
        {"revision": revision},
    )
    complete = len(rows) == current - revision
    return AuthChanges(current, [AuthChange(Subject(kind), found) for kind, found in rows] if complete else None)


def sweep_changes(tx: Transaction, limit: int) -> int:
    """Removes at most `limit` changes beyond those kept; returns how many."""
    return tx.run(
        "DELETE FROM auth_changes WHERE revision IN (SELECT revision FROM auth_changes"
        " WHERE revision <= (SELECT revision FROM auth_revision) - :kept ORDER BY revision LIMIT :limit)",
        {"kept": KEPT_CHANGES, "limit": limit},
    )
