"""What attacks at their full size cost: memory of the server, and how long the calls of others take meanwhile."""

import asyncio
import contextlib
import gzip
import json
import logging
import multiprocessing
import resource
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from servers import Server
from table import Line

from phoenix_grpc.v1 import datasets_pb2
from tests import attackers

_MEASURED_SECONDS = 5
_BETWEEN_SECONDS = 2
_INTERVAL = 0.01
_DOWNLOADS_PER_KEY = 100
_MB = 1 << 20


def bench_attacks(server: Server, folder: Path) -> Iterator[Line]:
    """Halves and floods of calls, dense messages and bodies, stalled readers, idle connections."""
    _allow_open_files()
    data = folder / "long.jsonl"
    data.write_text("".join(json.dumps({"input": {"number": n, "text": "x" * 4000}}) + "\n" for n in range(20_000)))
    dataset_id = server.upload("long", data).dataset.dataset_id
    server.download("long")
    keys = [server.key() for _ in range(3)]
    known = (("authorization", f"Bearer {keys[0]}"),)
    address, http = server.address, server.http
    attacks: list[tuple[Any, ...]] = [
        ("128 halves of logins", _halves, address, attackers.LOGIN, (), attackers.LARGEST, 4, 32),
        ("200 halves of appends", _halves, address, attackers.APPEND, known, attackers.LARGEST, 4, 50),
        ("128 halves of uploads", _halves, address, attackers.UPLOAD, known, attackers.LARGEST, 4, 32),
        ("20,000 logins without a message", _halves, address, attackers.LOGIN, (), 0, 200, 100),
        ("20,000 such over 2,000 connections", _halves, address, attackers.LOGIN, (), 0, 2000, 10),
        ("20,000 uploads without a credential", _halves, address, attackers.UPLOAD, (), 0, 200, 100),
        ("20 dense messages at once", _dense, address, known, 20),
        ("a JSON body of 96 MB of splits", _post, http, keys[0], _bomb, "splits", 1),
        ("a JSON body of 96 MB of inputs", _post, http, keys[0], _bomb, "inputs", 1),
        ("20 uploads of a record of 15 MB by HTTP", _post, http, keys[0], _large_record, "", 20),
        ("300 stalled downloads by gRPC", _stalled_by_grpc, address, keys),
        ("150 stalled downloads by HTTP", _stalled_by_http, http, dataset_id, keys[:2], 75),
        ("1,100 idle HTTP connections", _idle, http, 1100),
        ("endless HTTP requests over 180 connections", _endless, http, 180),
    ]
    for what, attack, *arguments in attacks:
        yield _measured(server, what, attack, arguments)
        time.sleep(_BETWEEN_SECONDS)


def _measured(server: Server, what: str, attack: Callable[..., None], arguments: list[Any]) -> Line:
    """Measures while the attack lasts, for some seconds at least."""
    server.forget_peak()
    # A process of its own: what attacks must not slow down what measures.
    attacker = multiprocessing.get_context("spawn").Process(target=attack, args=arguments, daemon=True)
    attacker.start()
    times = sorted(waits for seconds in _calls(server, attacker) for waits in _began(seconds))
    attacker.terminate()
    attacker.join()
    slow = times[len(times) * 99 // 100]
    memory = server.memory("VmHWM")
    return Line(
        f"{what}: memory at its peak",
        f"{memory:.0f} MB",
        f"other calls {slow * 1000:.0f} ms at the 99th percentile, {times[-1] * 1000:.0f} ms at most",
        None,
        "400 MB, 500 ms",
        memory < 400 and slow < 0.5,
    )


def _calls(server: Server, attacker: Any) -> Iterator[float]:
    """How long the calls of others take, by both doors."""
    least, most = time.monotonic() + _MEASURED_SECONDS, time.monotonic() + 60
    while time.monotonic() < least or (attacker.is_alive() and time.monotonic() < most):
        for call in (lambda: server.datasets.GetDataset(_LONG, metadata=server.admin), lambda: _get(server.http)):
            started = time.perf_counter()
            call()
            yield time.perf_counter() - started
        time.sleep(_INTERVAL)


def _began(seconds: float) -> Iterator[float]:
    """How long those waited who would have called meanwhile: a server that stands still is not met once only."""
    while seconds > 0:
        yield seconds
        seconds -= _INTERVAL


_LONG = datasets_pb2.GetDatasetRequest(name="long")


def _get(url: str) -> None:
    with urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
        answer.read()


# Each attack runs in a process of its own, and ends by itself.


def _halves(*arguments: Any) -> None:
    _allow_open_files()
    logging.disable()  # asyncio's complaints of connections that the server closes
    with contextlib.suppress(TimeoutError):
        asyncio.run(attackers.send_halves(*arguments))


def _dense(*arguments: Any) -> None:
    asyncio.run(attackers.send_dense(*arguments))


def _post(url: str, key: str, body: Callable[[str, int], bytes], what: str, count: int) -> None:
    """Sends JSON uploads, all at once."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "content-encoding": "gzip"}

    def send(data: bytes) -> None:
        request = urllib.request.Request(f"{url}/v1/datasets/upload?sync=true", data, headers)
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(send, [body(what, number) for number in range(count)]))


def _bomb(key: str, _number: int) -> bytes:
    """About 98 KB."""
    value = {"splits": b"[],", "inputs": b"{},"}[key]
    inputs = b'"inputs":[{"a":1}],' if key != "inputs" else b""
    return gzip.compress(b'{"name":"bomb",%b"%b":[%b]}' % (inputs, key.encode(), (value * (32 * _MB))[:-1]))


def _large_record(_: str, number: int) -> bytes:
    body = {"name": f"large-{number}", "action": "append", "inputs": [{"text": f"{number} " + "x" * 15 * _MB}]}
    return gzip.compress(json.dumps(body).encode(), 1)


def _stalled_by_grpc(address: str, keys: list[str]) -> None:
    request = datasets_pb2.DownloadDatasetRequest(name="long").SerializeToString()

    async def stall() -> None:
        async with contextlib.AsyncExitStack() as stack:
            for key in keys:
                metadata = (("authorization", f"Bearer {key}"),)
                downloads = attackers.stalled_downloads(address, request, metadata, _DOWNLOADS_PER_KEY)
                await stack.enter_async_context(downloads)
            await asyncio.sleep(_MEASURED_SECONDS)

    asyncio.run(stall())


def _stalled_by_http(url: str, dataset_id: str, keys: list[str], count: int) -> None:
    path = f"/v1/datasets/{dataset_id}/examples"
    with contextlib.ExitStack() as stack:
        for key in keys:
            headers = {"authorization": f"Bearer {key}"}
            stack.enter_context(attackers.stalled_requests(url, path, headers, count))
        time.sleep(_MEASURED_SECONDS)


def _idle(url: str, count: int) -> None:
    _allow_open_files()
    parts = urlsplit(url)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
        time.sleep(_MEASURED_SECONDS)


def _endless(url: str, count: int) -> None:
    """Sends requests without a credential, whether or not earlier ones were answered."""
    parts = urlsplit(url)
    requests = b"GET /v1/datasets HTTP/1.1\r\nhost: x\r\n\r\n" * 100

    async def send() -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
                with contextlib.closing(writer):
                    writer.write(requests)
                    while await reader.read(1 << 16):
                        writer.write(requests)

    async def send_all() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MEASURED_SECONDS):
                await asyncio.gather(*(send() for _ in range(count)))

    asyncio.run(send_all())


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
