"""Commands on the database itself, without a server: `migrate`, `backup`, `restore`."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phoenix_grpc.cli.output import json_option, note, print_json, progress_bar
from phoenix_grpc.cli.passwords import require_terminal

if TYPE_CHECKING:
    from phoenix_grpc.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


def database_options(command: F) -> F:
    """Adds the options that name a database to a command, as `working_dir` and `database_url`."""
    folder = click.option(
        "--working-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the database. [default: PHOENIX_WORKING_DIR, or ~/.phoenix_grpc]",
    )
    url = click.option(
        "--database-url", help="sqlite:///PATH. [default: PHOENIX_SQL_DATABASE_URL, or a file in the working folder]"
    )
    return folder(url(command))


def database_settings(working_dir: Path | None, database_url: str | None) -> "Settings":
    """The settings of the environment, overridden by these options."""
    from phoenix_grpc.config import load_settings

    return load_settings(working_dir=working_dir, sql_database_url=database_url)


@click.command()
@database_options
@click.option("--finish", is_flag=True, help="Also what only works once no server of an earlier release runs.")
@json_option
def migrate(working_dir: Path | None, database_url: str | None, finish: bool, as_json: bool) -> None:
    """Create the database, or bring it up to date.

    'serve' does the same when it starts, but for --finish.

    \b
    Examples:
      phoenix-grpc migrate
      phoenix-grpc migrate --database-url sqlite:////srv/phoenix/phoenix_grpc.db --json
    """
    import asyncio

    from phoenix_grpc.store.opening import without_secrets

    settings = database_settings(working_dir, database_url)
    url = settings.database_url
    applied = asyncio.run(_migrate(url, settings.sql_migration_url, finish))
    url = without_secrets(url)
    if as_json:
        print_json({"database_url": url, "applied": applied})
    elif applied:
        click.echo(f"Applied to {url}: {', '.join(applied)}")
    else:
        click.echo(f"Up to date: {url}")


async def _migrate(url: str, migration_url: str, finish: bool) -> list[str]:
    """Opens the database, which migrates it; returns the names of the migrations that were applied."""
    from phoenix_grpc.model import now
    from phoenix_grpc.store.migrations import applied_since
    from phoenix_grpc.store.opening import open_engine

    started = now()
    engine = open_engine(url, migration_url=migration_url, finish=finish)
    try:
        return await engine.read(applied_since, started)
    finally:
        await engine.close()


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@database_options
def backup(file: Path, working_dir: Path | None, database_url: str | None) -> None:
    """Copy the database to the new FILE.

    The copy is consistent, even while servers run.

    \b
    Examples:
      phoenix-grpc backup phoenix-2026-01-31.db
      phoenix-grpc backup --working-dir /srv/phoenix /backups/phoenix.db
    """
    from phoenix_grpc.store import sqlite_backup
    from phoenix_grpc.store.opening import sqlite_path

    path = sqlite_path(_file_url(working_dir, database_url))
    with _pages_bar("Backup") as progress:
        sqlite_backup.backup(path, file, progress)
    note(f"Wrote {file} ({file.stat().st_size:,} bytes). It holds password hashes: keep it safe.")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Replace an existing database without asking.")
@click.option("--with-accounts", is_flag=True, help="Take users, keys and the audit log from the backup, too.")
@database_options
def restore(file: Path, yes: bool, with_accounts: bool, working_dir: Path | None, database_url: str | None) -> None:
    """Replace the database with the backup FILE.

    It replaces all or nothing, even when it is interrupted. Stop the server first. A damaged database is kept as
    NAME.damaged.

    Users, keys and the audit log stay as they are, so that nobody gets in by a key that was revoked since the backup.
    All sessions end: everybody logs in again.

    \b
    Examples:
      phoenix-grpc restore phoenix-2026-01-31.db
      phoenix-grpc restore --yes --working-dir /srv/phoenix /backups/phoenix.db
    """
    from phoenix_grpc.store import sqlite_backup
    from phoenix_grpc.store.opening import sqlite_path

    path = sqlite_path(_file_url(working_dir, database_url))
    if path.exists() and not yes:
        require_terminal("--yes")
        click.confirm(f"Replace {path} with {file}?", abort=True, err=True)
    with _pages_bar("Restore") as progress:
        restored = sqlite_backup.restore(file, path, progress, keep_accounts=not with_accounts)
    note(f"Restored {path} from {file}. All sessions have ended.")
    if restored.kept:
        note("Users, keys and the audit log are those of the database that was replaced.")
    else:
        because = f" (those of the database before could not be kept: {restored.reason})" if restored.reason else ""
        note(
            f"Users, keys and the audit log are those of the backup{because}."
            " Keys that were revoked and users who were deleted since then count again: revoke and delete them."
        )


def _file_url(working_dir: Path | None, database_url: str | None) -> str:
    """The URL of the database, which is to be a file."""
    from phoenix_grpc.errors import ConfigurationError
    from phoenix_grpc.store.opening import is_postgres

    url = database_settings(working_dir, database_url).database_url
    if is_postgres(url):
        raise ConfigurationError(
            "'backup' and 'restore' are for SQLite files. PostgreSQL has its own: pg_dump and pg_restore for a copy of"
            " the moment, WAL archiving for a restore to any moment; then run 'phoenix-grpc end-sessions'."
            " See docs/operations.md, Backups"
        )
    return url


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@database_options
def end_sessions(yes: bool, working_dir: Path | None, database_url: str | None) -> None:
    """End all sessions: everybody logs in again.

    Sessions and links to set a password end, also those that a restore of PostgreSQL has brought back. API keys are
    not concerned. Servers may run.

    \b
    Examples:
      phoenix-grpc end-sessions
      phoenix-grpc end-sessions --yes --database-url postgresql://phoenix@db.example.com/phoenix
    """
    import asyncio

    url = database_settings(working_dir, database_url).database_url
    if not yes:
        require_terminal("--yes")
        click.confirm("End all sessions?", abort=True, err=True)
    count = asyncio.run(_end_sessions(url))
    note(f"Ended {count:,} session{'' if count == 1 else 's'}.")


async def _end_sessions(url: str) -> int:
    from phoenix_grpc.store.accounts.sessions import end_all_sessions
    from phoenix_grpc.store.opening import open_existing

    engine = open_existing(url)
    try:
        return await engine.write(end_all_sessions)
    finally:
        await engine.close()


@contextlib.contextmanager
def _pages_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for the pages of a database: a function of the pages left and the total."""
    with progress_bar(label, "pages") as show:
        yield lambda left, total: show(total - left, total)
