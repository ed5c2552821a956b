"""Speed and memory of the server, each figure beside its reference of the same run, as a ratio.

References: a bare grpc.aio echo server that returns the same bytes; sqlite3's executemany of the same rows.
Machines are noisy: a figure counts only beside its reference.
"""

import functools
import shutil
import tempfile
from pathlib import Path

import click
import parts_attacks
import parts_grpc
import parts_http
import parts_soak
from rich.console import Console
from rich.table import Table
from servers import Server, serve_echo

PARTS = {
    "start": parts_grpc.bench_start,
    "calls": parts_grpc.bench_calls,
    "streams": parts_grpc.bench_streams,
    "million": parts_grpc.bench_million,
    "growth": parts_grpc.bench_growth,
    "http": parts_http.bench_http,
    "attacks": parts_attacks.bench_attacks,
    "soak": parts_soak.bench_soak,
}
_BY_H2LOAD = {"calls", "growth", "http"}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "echo"]))
@click.option("--seconds", default=60, show_default=True, help="How long soak lasts; ten minutes tell most.")
def main(parts: tuple[str, ...], seconds: float) -> None:
    """Measures PARTS (all of them by default), each on a server of its own."""
    if parts == ("echo",):
        serve_echo()
        return
    if _BY_H2LOAD.intersection(parts or PARTS) and not shutil.which("h2load"):
        raise SystemExit(f"h2load is needed for {', '.join(sorted(_BY_H2LOAD))}: apt-get install nghttp2-client")
    measured = {**PARTS, "soak": functools.partial(parts_soak.bench_soak, seconds=seconds)}
    table = Table("what", "figure", "beside", "ratio", "budget", "met")
    for part in parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder) / "work")
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


if __name__ == "__main__":
    main()
