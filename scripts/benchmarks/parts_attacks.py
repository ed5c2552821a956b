"""What attacks at their full size cost: memory of the server, and how long the calls of others take meanwhile."""

import contextlib
import json
import resource
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

from servers import Server
from table import Line

from phoenix_grpc.v1 import datasets_pb2
from tests.attackers import stalled_downloads, stalled_requests

_MEASURED_SECONDS = 5
_DOWNLOADS_PER_KEY = 100


def bench_attacks(server: Server, folder: Path) -> Iterator[Line]:
    """Stalled readers of both doors, and idle connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    data = folder / "long.jsonl"
    data.write_text("".join(json.dumps({"input": {"number": n, "text": "x" * 4000}}) + "\n" for n in range(20_000)))
    dataset_id = server.upload("long", data).dataset.dataset_id
    server.download("long")
    yield from _measured(server, "300 stalled downloads by gRPC", _stalled_by_grpc(server, 300))
    yield from _measured(server, "150 stalled downloads by HTTP", _stalled_by_http(server, dataset_id, 150))
    yield from _measured(server, "1,100 idle HTTP connections", _idle(server, 1100))


def _measured(server: Server, what: str, attack: AbstractContextManager[object]) -> Iterator[Line]:
    server.forget_peak()
    with attack:
        times = sorted(_calls(server))
    slow = times[len(times) * 99 // 100]
    memory = server.memory("VmHWM")
    met = memory < 400 and slow < 0.5
    yield Line(
        f"{what}: memory at its peak",
        f"{memory:.0f} MB",
        f"other calls {slow * 1000:.0f} ms at the 99th percentile",
        None,
        "400 MB, 500 ms",
        met,
    )


def _calls(server: Server) -> Iterator[float]:
    """How long the calls of others take, by both doors."""
    until = time.monotonic() + _MEASURED_SECONDS
    while time.monotonic() < until:
        for call in (lambda: server.datasets.GetDataset(_LONG, metadata=server.admin), lambda: _get(server.http)):
            started = time.perf_counter()
            call()
            yield time.perf_counter() - started
        time.sleep(0.01)


_LONG = datasets_pb2.GetDatasetRequest(name="long")


def _get(url: str) -> None:
    with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
        answer.read()


@contextlib.contextmanager
def _stalled_by_grpc(server: Server, count: int) -> Iterator[None]:
    request = datasets_pb2.DownloadDatasetRequest(name="long").SerializeToString()
    with contextlib.ExitStack() as stack:
        for _ in range(0, count, _DOWNLOADS_PER_KEY):
            metadata = (("authorization", f"Bearer {server.key()}"),)
            stack.enter_context(stalled_downloads(server.address, request, metadata, _DOWNLOADS_PER_KEY))
        yield


@contextlib.contextmanager
def _stalled_by_http(server: Server, dataset_id: str, count: int) -> Iterator[None]:
    path = f"/v1/datasets/{dataset_id}/examples"
    with contextlib.ExitStack() as stack:
        for start in range(0, count, _DOWNLOADS_PER_KEY):
            headers = {"authorization": f"Bearer {server.key()}"}
            of_this = min(_DOWNLOADS_PER_KEY, count - start)
            stack.enter_context(stalled_requests(server.http, path, headers, of_this))
        yield


@contextlib.contextmanager
def _idle(server: Server, count: int) -> Iterator[None]:
    parts = urlsplit(server.http)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
        yield
