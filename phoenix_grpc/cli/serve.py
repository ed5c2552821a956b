"""`phoenix-grpc serve`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from phoenix_grpc.config import Settings


@click.command()
@click.option("--host", help="Address to listen on. [default: PHOENIX_HOST, or 127.0.0.1]")
@click.option("--port", type=int, help="Port of HTTP, 0 for a free one. [default: PHOENIX_PORT, or 6006]")
@click.option("--grpc-port", type=int, help="Port of gRPC, 0 for a free one. [default: PHOENIX_GRPC_PORT, or 50051]")
@click.option("--unix-socket", type=click.Path(path_type=Path), help="Unix socket on which gRPC is served as well.")
@click.option(
    "--working-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the database and the secret. [default: PHOENIX_WORKING_DIR, or ~/.phoenix_grpc]",
)
@click.option(
    "--database-url", help="sqlite:///PATH. [default: PHOENIX_SQL_DATABASE_URL, or a file in the working folder]"
)
@click.option("--workers", type=int, help="Number of processes that serve together. [default: PHOENIX_WORKERS, or 1]")
@click.option("--worker", type=int, hidden=True, help="Which of them this one is; the supervisor says so.")
def serve(
    host: str | None,
    port: int | None,
    grpc_port: int | None,
    unix_socket: Path | None,
    working_dir: Path | None,
    database_url: str | None,
    workers: int | None,
    worker: int | None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    At its first start it creates the database and the first admin, admin@localhost, and prints the admin's password.
    All settings can be given as PHOENIX_* variables; options override them.

    \b
    Examples:
      phoenix-grpc serve
      phoenix-grpc serve --port 6007 --grpc-port 50052 --working-dir /srv/phoenix
      phoenix-grpc serve --workers 4
      PHOENIX_ENABLE_AUTH=false phoenix-grpc serve
    """
    from phoenix_grpc.config import load_settings, prefer_grpc_experiments

    settings = load_settings(
        host=host,
        port=port,
        grpc_port=grpc_port,
        grpc_unix_socket=unix_socket,
        working_dir=working_dir,
        sql_database_url=database_url,
        workers=workers,
    )
    if settings.workers > 1 and worker is None:
        _supervise(settings, working_dir, database_url, unix_socket)
    prefer_grpc_experiments()
    from phoenix_grpc.server.process import run
    from phoenix_grpc.server.worker import Worker

    run(settings, Worker(worker or 1, settings.workers if worker else 1))


def _supervise(
    settings: "Settings", working_dir: Path | None, database_url: str | None, unix_socket: Path | None
) -> NoReturn:
    from phoenix_grpc.server.workers import supervise

    options = {
        "--host": settings.host,
        "--workers": settings.workers,
        "--working-dir": working_dir,
        "--database-url": database_url,
        "--unix-socket": unix_socket,
    }
    given = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    sys.exit(supervise(settings, given))
