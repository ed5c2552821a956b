"""`phoenix-grpc audit`: the audit log."""

import itertools
from datetime import datetime
from typing import TYPE_CHECKING

import click

from phoenix_grpc.cli.audit_chain import MOMENT, export, verify
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


@click.group(invoke_without_command=True, commands={"export": export, "verify": verify})
@click.option("--user", default="", metavar="USER", help="Only by the user with this e-mail or id.")
@click.option("--action", default="", help="Only this action: login, dataset.upload, refusal ...")
@click.option("--dataset", default="", metavar="DATASET", help="Only in datasets that had this name, or by its id.")
@click.option("--outcome", type=click.Choice(["allowed", "denied"]), help="Only what was allowed, or what was denied.")
@click.option("--since", type=MOMENT, help="Only from this time on: 2026-01-31T09:30, or 7d ago.")
@click.option("--until", type=MOMENT, help="Only before this time.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Maximum number of events.")
@server_options
@json_option
@click.pass_context
def audit(
    context: click.Context,
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
    if context.invoked_subcommand is not None:
        return

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
