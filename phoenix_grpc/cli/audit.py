"""`phoenix-grpc audit`: the audit log."""

import contextlib
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from phoenix_grpc.cli.keys import DURATION
from phoenix_grpc.cli.output import (
    counted,
    items,
    json_option,
    note,
    plain,
    print_json,
    print_table,
    time_text,
)
from phoenix_grpc.cli.remote import Server, server_options

if TYPE_CHECKING:
    from phoenix_grpc.v1 import auth_pb2

_PAGE = 1000


class _Moment(click.ParamType[datetime]):
    """A time, such as 2026-01-31 or 2026-01-31T09:30, local unless it has a time zone; or how long ago: 7d, 12h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        with contextlib.suppress(ValueError, OverflowError):  # then it may be how long ago
            return datetime.fromisoformat(str(value)).astimezone(UTC)
        try:
            return datetime.now(UTC) - DURATION.convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a time: use 2026-01-31, 2026-01-31T09:30, 7d or 12h", param, ctx)


_MOMENT = _Moment()


@click.command()
@click.option("--user", default="", metavar="USER", help="Only by the user with this e-mail or id.")
@click.option("--action", default="", help="Only this action: login, dataset.upload, refusal ...")
@click.option("--dataset", default="", metavar="DATASET", help="Only in datasets that had this name, or by its id.")
@click.option("--outcome", type=click.Choice(["allowed", "denied"]), help="Only what was allowed, or what was denied.")
@click.option("--since", type=_MOMENT, help="Only from this time on: 2026-01-31T09:30, or 7d ago.")
@click.option("--until", type=_MOMENT, help="Only before this time.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Maximum number of events.")
@server_options
@json_option
def audit(
    server: Server,
    user: str,
    action: str,
    dataset: str,
    outcome: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List audit events, newest first, including refusals.

    It requires an admin.

    \b
    Examples:
      phoenix-grpc audit --since 7d --outcome denied
      phoenix-grpc audit --dataset qa --action dataset.delete
      phoenix-grpc audit --user ada@example.com --since 2026-01-01 --limit 10000 --json
    """
    from phoenix_grpc.ids import id_or_name
    from phoenix_grpc.v1 import auth_pb2

    request = auth_pb2.ListAuditEventsRequest(
        page_size=min(limit + 1, _PAGE),
        action=action,
        start_time=since,
        end_time=until,
        allowed=None if outcome is None else outcome == "allowed",
        **id_or_name("User", user, "actor_user_id", "actor_email"),
        **id_or_name("Dataset", dataset, "dataset_id", "dataset_name"),
    )
    with server.connect() as client:
        pages = items(client.auth.ListAuditEvents, request, "events")
        found, more = list(itertools.islice(pages, limit)), next(pages, None) is not None
    if as_json:
        print_json([plain(event) for event in found])
    else:
        print_table(["WHEN", "WHO", "ACTION", "OUTCOME", "TARGET", "DATASET", "CHANGES", "FROM"], map(_row, found))
    if more:
        note(f"The newest {counted(limit, 'event')}; --limit shows more.")


def _row(event: "auth_pb2.AuditEvent") -> list[str]:
    outcome = "allowed" if event.allowed else f"denied: {event.reason}"
    times = f" (x{event.count:,})" if event.count > 1 else ""
    who = event.actor_email or event.credential_id
    # Of what was refused nothing is known but the method.
    target = event.target_name or event.target_id or ("" if event.allowed else event.method)
    return [
        time_text(event.create_time),
        who,
        event.action,
        outcome + times,
        target,
        event.dataset_name,
        _changes(event),
        event.address,
    ]


def _changes(event: "auth_pb2.AuditEvent") -> str:
    """The counts of examples, as +created ~updated -deleted, or the number of bytes sent."""
    counts = (("+", event.created_count), ("~", event.updated_count), ("-", event.deleted_count))
    parts = [f"{sign}{count:,}" for sign, count in counts if count]
    return " ".join(parts) or (counted(event.byte_count, "byte") if event.byte_count else "")
