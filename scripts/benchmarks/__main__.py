"""Speed and memory of the server, each figure beside its reference of the same run, as a ratio.

References: a bare grpc.aio echo server that returns the same bytes; sqlite3's executemany, or PostgreSQL's COPY by
psycopg, of the same rows.
Machines are noisy: a figure counts only beside its reference.
"""

import contextlib
import functools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import parts_attacks
import parts_extras
import parts_growth
import parts_grpc
import parts_http
import parts_publishing
import parts_soak
import parts_workers
from rich.console import Console
from rich.table import Table
from servers import Server, serve_echo

sys.path.append(str(Path(__file__).parents[2]))  # tests/postgres.py

# As an operator leaves it, whatever makes tests fast.
SAFE = {"fsync": "on", "full_page_writes": "on"}
PARTS = {
    "start": parts_grpc.bench_start,
    "calls": parts_grpc.bench_calls,
    "streams": parts_grpc.bench_streams,
    "million": parts_grpc.bench_million,
    "growth": parts_growth.bench_growth,
    "workers": parts_workers.bench_workers,
    "publishing": parts_publishing.bench_publishing,
    "http": parts_http.bench_http,
    "tls": parts_extras.bench_tls,
    "metrics": parts_extras.bench_metrics,
    "traces": parts_extras.bench_traces,
    "checks": parts_extras.bench_checks,
    "tokens": parts_extras.bench_tokens,
    "watchdog": parts_extras.bench_watchdog,
    "attacks": parts_attacks.bench_attacks,
    "soak": parts_soak.bench_soak,
}
_BY_H2LOAD = {"calls", "checks", "growth", "http", "metrics", "tls", "tokens", "traces", "watchdog", "workers"}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "echo"]))
@click.option("--seconds", default=60, show_default=True, help="How long soak lasts; ten minutes tell most.")
@click.option("--engine", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option(
    "--plots", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A folder to draw growth into."
)
def main(parts: tuple[str, ...], seconds: float, engine: str, plots: Path | None) -> None:
    """Measures PARTS (all of them by default), each on a server of its own."""
    if parts == ("echo",):
        serve_echo()
        return
    if _BY_H2LOAD.intersection(parts or PARTS) and not shutil.which("h2load"):
        raise SystemExit(f"h2load is needed for {', '.join(sorted(_BY_H2LOAD))}: apt-get install nghttp2-client")
    measured = {
        **PARTS,
        "soak": functools.partial(parts_soak.bench_soak, seconds=seconds),
        "growth": functools.partial(parts_growth.bench_growth, plots=plots),
    }
    table = Table("what", "figure", "beside", "ratio", "budget", "met")
    for part in parts or PARTS:
        with tempfile.TemporaryDirectory() as folder, _database(Path(folder), engine) as url:
            server = Server(Path(folder) / "work", url)
            try:
                for line in measured[part](server, Path(folder)):
                    met = {True: "yes", False: "NO", None: ""}[line.met]
                    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
                    table.add_row(line.what, line.figure, line.reference, ratio, line.budget, met)
                    print(
                        f"{line.what}: {line.figure} {line.reference} {ratio} (budget {line.budget}) {met}", flush=True
                    )
            finally:
                server.stop()
    Console().print(table)


@contextlib.contextmanager
def _database(folder: Path, engine: str) -> Iterator[str]:
    """The URL of an empty database; of SQLite, the server makes its own."""
    if engine == "sqlite":
        yield ""
        return
    from tests.postgres import PostgresServer

    folder.chmod(0o755)  # its server runs as another user
    server = PostgresServer(folder / "postgres", **SAFE, shared_buffers="512MB")
    server.initialize()
    server.start()
    try:
        yield server.create_database()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
