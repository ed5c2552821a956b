"""Speed and memory of the server, each figure beside its reference of the same run, as a ratio.

References: a bare grpc.aio echo server that answers the same bytes; sqlite3's executemany of the same rows.
Machines are noisy: a figure counts only beside its reference.
"""

import asyncio
import contextlib
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import grpc
from rich.console import Console
from rich.table import Table

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc

ADMIN_SECRET = "a-benchmark-secret-of-32-characters-1"
LISTS = "/phoenix_grpc.v1.DatasetsService/ListDatasets"
WHO_AM_I = "/phoenix_grpc.v1.AuthService/WhoAmI"
GET_VERSION = "/phoenix_grpc.v1.DatasetsService/GetVersion"
LIST_EXAMPLES = "/phoenix_grpc.v1.DatasetsService/ListExamples"
CHUNK = 256 << 10

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    what: str
    figure: str
    reference: str
    ratio: float | None
    budget: str
    met: bool | None


class Server:
    """A `phoenix-grpc serve` of its own, on a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phoenix_grpc", "serve", "--grpc-port", "0", "--working-dir", str(folder)],
            env={"PHOENIX_ADMIN_SECRET": ADMIN_SECRET, "PATH": "/usr/bin:/bin", "PHOENIX_PORT": "0"},
            stderr=subprocess.PIPE,
        )
        self.address = _address(self.process)
        self.seconds_to_serving = time.perf_counter() - started
        self.channel = grpc.insecure_channel(self.address, [("grpc.max_receive_message_length", -1)])
        self.auth = auth_pb2_grpc.AuthServiceStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetsServiceStub(self.channel)
        self.admin: Metadata = (("authorization", f"Bearer {ADMIN_SECRET}"),)

    def key(self) -> str:
        """A new system key."""
        request = auth_pb2.CreateApiKeyRequest(name="bench")
        return str(self.auth.CreateSystemApiKey(request, metadata=self.admin).key)

    def memory(self, field: str = "VmRSS") -> float:
        """The process's memory in MB, now (VmRSS) or at its highest (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def forget_peak(self) -> None:
        """Makes VmHWM start again from now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def upload(self, name: str, data: Path, action: str = "APPEND") -> datasets_pb2.UploadDatasetResponse:
        """Uploads a JSONL file."""
        header = datasets_pb2.UploadDatasetHeader(name=name, action=f"UPLOAD_ACTION_{action}")
        return self.datasets.UploadDataset(_messages(header, data), metadata=self.admin)

    def download(self, name: str) -> int:
        """Downloads a dataset as JSONL and throws it away; answers its bytes."""
        request = datasets_pb2.DownloadDatasetRequest(name=name)
        return sum(len(message.chunk) for message in self.datasets.DownloadDataset(request, metadata=self.admin))

    def stop(self) -> None:
        """Ends it as an operator would."""
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if b'"event":"serving"' in line:
            _drain(process)
            return str(json.loads(line)["grpc"])
    raise SystemExit("the server did not start")


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Throws the log away, as the log collector of a real server takes it off its hands."""
    threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()


def _messages(header: datasets_pb2.UploadDatasetHeader, data: Path) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    yield datasets_pb2.UploadDatasetRequest(header=header)
    with data.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield datasets_pb2.UploadDatasetRequest(chunk=chunk)


@contextlib.contextmanager
def echo(reply: bytes) -> Iterator[str]:
    """A bare grpc.aio server that answers every unary call with `reply`; gives its address."""
    process = subprocess.Popen([sys.executable, __file__, "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(len(reply).to_bytes(4, "big") + reply)
    process.stdin.flush()
    yield f"127.0.0.1:{int(process.stdout.readline())}"
    process.kill()
    process.wait()


def serve_echo() -> None:
    """The echo server's process: the reply comes in on standard input, the port goes out on standard output."""
    import uvloop

    reply = sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(4), "big"))

    class Anything(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            async def answer(_request: bytes, _context: object) -> bytes:
                return reply

            return grpc.unary_unary_rpc_method_handler(answer)

    async def main() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([Anything()])
        print(server.add_insecure_port("127.0.0.1:0"), flush=True)
        await server.start()
        await asyncio.sleep(3600)

    uvloop.run(main())


def calls_per_second(address: str, path: str, request: bytes, token: str, calls: int = 6000) -> float:
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
            f"http://{address}{path}",
        ]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if f"{calls} succeeded" not in out:
        raise SystemExit(f"h2load: not all calls to {path} succeeded:\n{out}")
    return float(re.search(r"([\d.]+) req/s", out)[1])  # type: ignore[index]


def unary(server: Server, path: str, request: bytes, token: str) -> tuple[float, float]:
    """Calls a second of the server and of an echo of the same bytes; the better of three alternating rounds each."""
    call = server.channel.unary_unary(path)
    replies = {call(request, metadata=(("authorization", f"Bearer {token}"),)) for _ in range(20)}
    with echo(replies.pop()) as address:
        rounds = [
            (calls_per_second(server.address, path, request, token), calls_per_second(address, path, request, token))
            for _ in range(3)
        ]
    return max(mine for mine, _ in rounds), max(bare for _, bare in rounds)


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


def raw_insert(folder: Path, data: Path) -> float:
    """Rows a second that sqlite3's executemany writes of the same file into one table, parsing left out."""
    rows = [tuple(json.dumps(part) for part in json.loads(line).values()) for line in data.open()]
    connection = sqlite3.connect(folder / "raw.db", isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE raw (input, output, metadata)"
    )
    started = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO raw VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    return len(rows) / (time.perf_counter() - started)


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def bench_calls(server: Server, _folder: Path) -> Iterator[Line]:
    """Unary calls beside the echo."""
    for number in range(10):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=f"calls-{number}"), metadata=server.admin)
    key = server.key()
    for what, path, request, budget in (
        ("ListDatasets, 10 datasets, API key", LISTS, datasets_pb2.ListDatasetsRequest(page_size=10), 0.55),
        ("guard alone: WhoAmI, API key", WHO_AM_I, auth_pb2.WhoAmIRequest(), 0.85),
    ):
        mine, bare = unary(server, path, request.SerializeToString(), key)
        ratio = mine / bare
        yield Line(what, f"{mine:,.0f}/s", f"echo {bare:,.0f}/s", ratio, f"{budget}", ratio >= budget)


def bench_streams(server: Server, folder: Path) -> Iterator[Line]:
    """Uploads and downloads of 100,000 examples."""
    count = 100_000
    first, second = write_records(folder / "a.jsonl", count), write_records(folder / "b.jsonl", count, "again ")
    raw = raw_insert(folder, first)
    idle = server.memory()
    server.forget_peak()
    for what, work, budget in (
        ("upload into a new dataset", lambda: server.upload("streams", first), 60_000),
        ("upload into an existing dataset", lambda: server.upload("streams", second), 60_000),
        ("mirror upload, nothing changed", lambda: server.upload("copy", first, "UPDATE"), 50_000),
        ("download as JSONL", lambda: server.download("copy"), 300_000),
    ):
        if budget == 50_000:
            server.upload("copy", first)
        seconds = timed(work)
        rate = count / seconds
        yield Line(what, f"{rate:,.0f}/s", f"executemany {raw:,.0f}/s", rate / raw, f"{budget:,}/s", rate >= budget)
    growth = server.memory("VmHWM") - idle
    yield Line("memory of all these above idle", f"{growth:.0f} MB", "", None, "60 MB", growth < 60)


def bench_million(server: Server, folder: Path) -> Iterator[Line]:
    """Memory of 1,000,000 examples in both directions."""
    data = write_records(folder / "million.jsonl", 1_000_000)
    idle = server.memory()
    for what, work in (
        ("upload", lambda: server.upload("million", data)),
        ("download", lambda: server.download("million")),
    ):
        server.forget_peak()
        rate = 1_000_000 / timed(work)
        growth = server.memory("VmHWM") - idle
        what = f"{what} of 1,000,000: memory above idle"
        yield Line(what, f"{growth:.0f} MB", f"at {rate:,.0f}/s", None, "60 MB", growth < 60)


def bench_growth(server: Server, _folder: Path) -> Iterator[Line]:
    """Cost of one page, one point read and one key check as datasets and versions grow."""
    name, key = "growth", server.key()
    dataset = server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=server.admin)
    _append(server, name, 100)
    page = datasets_pb2.ListExamplesRequest(dataset_id=dataset.dataset_id, page_size=50).SerializeToString()
    point = datasets_pb2.GetVersionRequest(dataset_id=dataset.dataset_id).SerializeToString()
    lists = datasets_pb2.ListDatasetsRequest(page_size=10).SerializeToString()
    probes = {
        "page of 10 datasets": (LISTS, lists),
        "page of 50 examples": (LIST_EXAMPLES, page),
        "point read: GetVersion": (GET_VERSION, point),
        "key check: WhoAmI": (WHO_AM_I, b""),
    }
    few = {what: _best(server, path, request, key) for what, (path, request) in probes.items()}
    for number in range(10_000):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=f"many-{number}"), metadata=server.admin)
    for number in range(1000):
        _append(server, name, 1, number)
    for what, (path, request) in probes.items():
        many = _best(server, path, request, key)
        ratio = many / few[what]
        note = f"with few {few[what]:,.0f}/s"
        yield Line(f"{what}; 10,000 datasets, 1,000 versions", f"{many:,.0f}/s", note, ratio, "same", ratio > 0.8)


def _append(server: Server, name: str, count: int, salt: int = -1) -> None:
    request = datasets_pb2.AppendExamplesRequest(name=name)
    for number in range(count):
        request.examples.add().input.update({"number": number, "salt": salt})
    server.datasets.AppendExamples(request, metadata=server.admin)


def _best(server: Server, path: str, request: bytes, key: str) -> float:
    return max(calls_per_second(server.address, path, request, key, 3000) for _ in range(3))


def bench_start(server: Server, _folder: Path) -> Iterator[Line]:
    """Start on an existing database, and memory at rest."""
    again = Server(server.folder)
    memory = again.memory()
    again.stop()
    seconds = again.seconds_to_serving
    yield Line("start to serving, existing database", f"{seconds:.2f} s", "", None, "1.5 s", seconds < 1.5)
    yield Line("memory at rest", f"{memory:.0f} MB", "", None, "120 MB", memory < 120)


PARTS = {
    "start": bench_start,
    "calls": bench_calls,
    "streams": bench_streams,
    "million": bench_million,
    "growth": bench_growth,
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice([*PARTS, "echo"]))
def main(parts: tuple[str, ...]) -> None:
    """Measures PARTS (all of them by default), each on a server of its own."""
    if parts == ("echo",):
        serve_echo()
        return
    if not shutil.which("h2load"):
        raise SystemExit("h2load is needed: apt-get install nghttp2-client")
    table = Table("what", "figure", "beside", "ratio", "budget", "met")
    for part in parts or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder) / "work")
            try:
                for line in PARTS[part](server, Path(folder)):
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
