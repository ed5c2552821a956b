"""`phoenix-grpc copy`: a whole store from one database to another."""

import asyncio
from typing import TYPE_CHECKING

import click

from phoenix_grpc.cli.output import note, progress_bar

if TYPE_CHECKING:
    from phoenix_grpc.store.engine import Engine


@click.command()
@click.argument("source")
@click.argument("target", required=False)
@click.option("--give-up", is_flag=True, help="Let SOURCE be written again, instead of copying it.")
def copy(source: str, target: str | None, give_up: bool) -> None:
    """Copy the store in SOURCE to the new database TARGET.

    Both are URLs: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME. From the beginning SOURCE takes no writes; a
    server on it goes on reading. When the copy is interrupted, run it again. In the end both are compared row by row.
    Users, keys and datasets keep their ids. Sessions go on if the servers on TARGET have the same PHOENIX_SECRET.

    \b
    Examples:
      phoenix-grpc copy sqlite:////srv/phoenix/phoenix_grpc.db postgresql://phoenix@db.example.com/phoenix
      phoenix-grpc copy --give-up sqlite:////srv/phoenix/phoenix_grpc.db
    """
    if give_up == (target is not None):
        raise click.UsageError("name SOURCE and TARGET, or --give-up and SOURCE alone")
    if target is None:
        asyncio.run(_give_up(source))
        return
    if source == target:
        raise click.UsageError("SOURCE and TARGET are the same")
    rows = asyncio.run(_copy(source, target))
    note(f"Copied and compared {rows:,} rows. SOURCE takes no writes any more, and no server starts on it.")
    note("Give the servers on TARGET the PHOENIX_SECRET of those on SOURCE, or else everybody has to log in again.")
    note("If SOURCE had none, it is in the file 'secret' in the working folder. API keys work in any case.")


async def _copy(source_url: str, target_url: str) -> int:
    from phoenix_grpc.store.moving import move
    from phoenix_grpc.store.opening import open_engine, open_existing, without_secrets

    source = open_existing(source_url)
    try:
        target = open_engine(target_url)
        try:
            with progress_bar("Copy", "rows") as show:
                names = without_secrets(source_url), without_secrets(target_url)
                return await move(source, target, *names, lambda _table, done, total: show(done, total))
        finally:
            await target.close()
    finally:
        await source.close()


async def _give_up(url: str) -> None:
    from phoenix_grpc.store.moving import give_up
    from phoenix_grpc.store.opening import open_existing

    engine: Engine = open_existing(url)
    try:
        given = await give_up(engine)
    finally:
        await engine.close()
    note("It takes writes again. Do not use the target." if given else "It was not being moved.")
