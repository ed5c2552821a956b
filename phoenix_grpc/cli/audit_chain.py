"""`phoenix-grpc audit verify` and `audit export`: the chain of the audit log, in the database itself or in a file."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from phoenix_grpc.cli.failures import Failure
from phoenix_grpc.cli.keys import DURATION
from phoenix_grpc.cli.output import counted, json_option, note, print_json
from phoenix_grpc.cli.store import database_options, database_settings

if TYPE_CHECKING:
    from phoenix_grpc.config import Settings
    from phoenix_grpc.store.audit_chain import Verified
    from phoenix_grpc.store.engine import Engine

T = TypeVar("T")


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


MOMENT = _Moment()


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@database_options
@json_option
def verify(file: Path | None, working_dir: Path | None, database_url: str | None, as_json: bool) -> None:
    """Check that no event of the audit log was changed or removed.

    Every event is sealed, within a second, by a hash over itself and the event before it. It checks the database, and
    the signature with PHOENIX_SECRET; or FILE, which 'export' or PHOENIX_AUDIT_FILE has written.

    \b
    Examples:
      phoenix-grpc audit verify
      phoenix-grpc audit verify audit.jsonl
    """
    from phoenix_grpc.store.audit_chain import Broken, verify_lines

    try:
        if file is not None:
            with file.open(encoding="utf-8", errors="surrogateescape") as lines:
                count = verify_lines(lines)
            facts: dict[str, object] = {"events": count}
            text = f"{counted(count, 'event')}: none was changed, none is missing between them."
        else:
            found = asyncio.run(_verify(database_settings(working_dir, database_url)))
            facts, text = found._asdict(), _told(found)
    except Broken as broken:
        raise Failure(f"the audit log does not hold: {broken}", 1) from None
    if as_json:
        print_json(facts)
    else:
        click.echo(text)


def _told(found: "Verified") -> str:
    count = found.last - found.first + 1
    until = datetime.fromtimestamp(found.until / 1_000_000, UTC).isoformat(timespec="seconds")
    which = f" ({found.first:,} to {found.last:,})" if count else ""
    events = f"{counted(count, 'event')}{which}: none was changed, none is missing."
    sealed = f" Sealed until {until}; {counted(found.unsealed, 'event')} not yet." if found.last else ""
    signed = "" if found.signed else " The signature was not checked: PHOENIX_SECRET is not set."
    return f"{events}{sealed}{signed}"


async def _verify(settings: "Settings") -> "Verified":
    from phoenix_grpc.server.signing_key import known_key_ring
    from phoenix_grpc.store import audit_chain

    ring = known_key_ring(settings)
    return await _with_engine(settings, lambda engine: audit_chain.verify(engine, ring.verifies if ring else None))


@click.command()
@click.argument("file", type=click.File("wb"), default="-")
@click.option("--since", type=MOMENT, help="From the first event at this time on: 2026-01-31T09:30, or 7d ago.")
@click.option("--until", type=MOMENT, help="To the last event before this time.")
@click.option("--after", type=click.IntRange(0), help="From the event behind this number on, to go on with an export.")
@database_options
def export(
    file: IO[bytes],
    since: datetime | None,
    until: datetime | None,
    after: int | None,
    working_dir: Path | None,
    database_url: str | None,
) -> None:
    """Write the sealed events of the audit log to FILE, or to standard output, as lines of JSON.

    'verify' checks such a file, wherever it is kept. Each line has what was done, its number `seq`, and the hashes of
    the event before and of its own.

    \b
    Examples:
      phoenix-grpc audit export audit.jsonl
      phoenix-grpc audit export --since 2026-01-01 --until 2026-02-01 | gzip > audit-2026-01.jsonl.gz
    """
    from phoenix_grpc.store.audit_chain import Broken

    settings = database_settings(working_dir, database_url)
    try:
        count = asyncio.run(_export(settings, file, _micros(since), _micros(until), after))
    except Broken as broken:
        raise Failure(f"the audit log does not hold: {broken}", 1) from None
    note(f"Exported {counted(count, 'event')}.")


def _micros(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1_000_000)


async def _export(settings: "Settings", file: IO[bytes], start: int | None, end: int | None, after: int | None) -> int:
    from phoenix_grpc.store import audit_chain

    async def export(engine: "Engine") -> int:
        first, last = await engine.read_long(audit_chain.find_range, start, end)
        first = max(first, after + 1) if after is not None else first
        file.write(b"")  # without events, it is an empty file
        async for _, data in audit_chain.lines(engine, first, last):
            file.write(data)
        return max(0, last - first + 1)

    return await _with_engine(settings, export)


async def _with_engine(settings: "Settings", work: "Callable[[Engine], Awaitable[T]]") -> T:
    from phoenix_grpc.store.opening import open_existing

    engine = open_existing(settings.database_url)
    try:
        return await work(engine)
    finally:
        await engine.close()
