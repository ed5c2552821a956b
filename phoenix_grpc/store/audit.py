"""Statements about the audit log."""

from collections.abc import Iterable
from dataclasses import dataclass

from phoenix_grpc.model import AuditEvent, Row
from phoenix_grpc.store.engine import Transaction

COLUMNS = (
    "action",
    "allowed",
    "created_at",
    "actor_user_id",
    "actor_email",
    "actor_kind",
    "credential_id",
    "target_id",
    "method",
    "reason",
    "address",
    "request_id",
    "count",
    "target_name",
    "dataset_id",
    "dataset_name",
    "version_id",
    "created_count",
    "updated_count",
    "deleted_count",
    "byte_count",
    "id",
)
"""As the fields of AuditEvent."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; what is None or empty does not matter. Times are microseconds, `end` is exclusive."""

    actor_user_id: int | None = None
    actor_email: str = ""
    action: str = ""
    dataset_id: int | None = None
    dataset_name: str = ""
    allowed: bool | None = None
    start: int | None = None
    end: int | None = None


def record(tx: Transaction, events: Iterable[AuditEvent]) -> None:
    """Adds events; their ids are given here."""
    rows = list(events)
    if rows:
        first = tx.take_ids("AuditEvent", len(rows))
        tx.append("audit_events", COLUMNS, [_row(event, first + index) for index, event in enumerate(rows)])


def list_events(tx: Transaction, wanted: EventFilter, before: tuple[int, int] | None, limit: int) -> list[AuditEvent]:
    """Events, newest first.

    Arguments:
        before: `created_at` and `id` of the last event of the page before.
    """
    filters = {
        "actor_user_id = :actor_user_id": wanted.actor_user_id,
        "actor_email = :actor_email": wanted.actor_email or None,
        "action = :action": wanted.action or None,
        "dataset_id = :dataset_id": wanted.dataset_id,
        "dataset_name = :dataset_name": wanted.dataset_name or None,
        "allowed = :allowed": None if wanted.allowed is None else int(wanted.allowed),
        "created_at >= :start": wanted.start,
        "created_at < :end": wanted.end,
        "(created_at, id) < (:before_time, :before_id)": before,
    }
    given = {clause: value for clause, value in filters.items() if value is not None}
    before_time, before_id = before or (0, 0)
    rows = tx.rows(
        f"SELECT {', '.join(COLUMNS)} FROM audit_events"
        f"{' WHERE ' if given else ''}{' AND '.join(given)} ORDER BY created_at DESC, id DESC LIMIT :limit",
        {
            **{clause.rpartition(":")[2]: value for clause, value in given.items()},
            "before_time": before_time,
            "before_id": before_id,
            "limit": limit,
        },
    )
    return [event_of(row) for row in rows]


def event_of(row: Row) -> AuditEvent:
    """The event in a row of COLUMNS."""
    return AuditEvent(row[0], bool(row[1]), *row[2:])


def _row(event: AuditEvent, event_id: int) -> tuple[object, ...]:
    values = {name: getattr(event, name) for name in COLUMNS}
    return tuple({**values, "allowed": int(event.allowed), "id": event_id}.values())
