"""Loads and timings."""

import json
import re
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg
from servers import Echo, Server, echo

LISTS = "/phoenix_grpc.v1.DatasetsService/ListDatasets"


def calls_per_second(
    address: str, path: str, request: bytes, token: str, calls: int = 6000, scheme: str = "http"
) -> float:
    """Calls a second by h2load; all must succeed, which a sample of the same calls by grpcio confirms."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(request).to_bytes(4, "big") + request)
        body.flush()
        headers = ["content-type: application/grpc", "te: trailers", f"authorization: Bearer {token}"]
        options = [option for header in headers for option in ("-H", header)]
        command = [
            "h2load",
            "-n",
            str(calls),
            "-c",
            "4",
            "-m",
            "8",
            "-d",
            body.name,
            *options,
            f"{scheme}://{address}{path}",
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if f"{calls} succeeded" not in out:
        raise SystemExit(f"h2load: not all calls to {path} succeeded:\n{out}")
    return float(re.search(r"([\d.]+) req/s", out)[1])  # type: ignore[index]


class Pace(NamedTuple):
    """Calls a second, and microseconds of the server's CPU for each."""

    rate: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.rate:,.0f}/s, {self.cpu:.0f} us"


def best(rounds: Iterable[Pace]) -> Pace:
    """The fastest rate and the least CPU: whatever else the machine did only adds to both."""
    rates, cpus = zip(*rounds, strict=True)
    return Pace(max(rates), min(cpus))


def pace(server: Server | Echo, path: str, requests: Sequence[bytes], token: str, calls: int = 6000) -> Pace:
    """The pace of as many calls, each request in turn for its share of them."""
    share = calls // len(requests)
    cpu = server.cpu()
    seconds = sum(share / calls_per_second(server.address, path, request, token, share) for request in requests)
    return Pace(share * len(requests) / seconds, (server.cpu() - cpu) / (share * len(requests)) * 1e6)


def unary(server: Server, path: str, requests: Sequence[bytes], token: str) -> tuple[Pace, Pace]:
    """The pace of the server and of an echo of the same bytes, the best of three alternating rounds each."""
    call = server.channel.unary_unary(path)
    reply = call(requests[0], metadata=(("authorization", f"Bearer {token}"),))
    with echo(reply) as bare:
        rounds = [(pace(server, path, requests, token), pace(bare, path, requests, token)) for _ in range(3)]
    return best(mine for mine, _ in rounds), best(bare for _, bare in rounds)


def write_records(path: Path, count: int, salt: str = "") -> Path:
    """A JSONL file of `count` records of about 250 bytes."""
    with path.open("w") as file:
        for number in range(count):
            record = {
                "input": {"question": f"What is {number} plus {number * 7}? {salt}" + "x" * 60, "number": number},
                "output": {"answer": str(number * 8) + "y" * 30},
                "metadata": {"source": "bench", "tags": [1, 2, 3], "score": 0.5},
            }
            file.write(json.dumps(record, separators=(",", ":")) + "\n")
    return path


def raw_insert(server: Server, folder: Path, data: Path) -> tuple[str, float]:
    """How the engine takes many rows at its fastest, and how many a second: of the same file, parsing left out."""
    rows = [tuple(json.dumps(part) for part in json.loads(line).values()) for line in data.open()]
    if server.engine == "postgresql":
        return "COPY", len(rows) / _copy(server.database_url, rows)
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE raw (input, output, metadata)"
    )
    started = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO raw VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    return "executemany", len(rows) / (time.perf_counter() - started)


def _copy(url: str, rows: Sequence[tuple[str, ...]]) -> float:
    """Seconds that psycopg takes to copy rows into one table."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE raw (input TEXT, output TEXT, metadata TEXT)")
        started = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy("COPY raw FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        seconds = time.perf_counter() - started
        connection.execute("DROP TABLE raw")
    return seconds


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
