"""What is measured over HTTP, beside the same work by gRPC in the same run."""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from load import LISTS, Pace, best, pace, timed, write_records
from phoenix.client import Client
from servers import ADMIN_SECRET, Server, echo
from table import Line

from phoenix_grpc.v1 import datasets_pb2


def bench_http(server: Server, folder: Path) -> Iterator[Line]:
    """The HTTP door beside the same work by gRPC."""
    count = 100_000
    data = write_records(folder / "http.jsonl", count)
    by_grpc = count / timed(lambda: server.upload("by-grpc", data))
    body = _document("by-http", data)
    rate = count / timed(lambda: _http(server, "POST", "/v1/datasets/upload?sync=true", body))
    yield Line(
        "HTTP: upload as one JSON body",
        f"{rate:,.0f}/s",
        f"gRPC {by_grpc:,.0f}/s",
        rate / by_grpc,
        "30,000/s",
        rate >= 30_000,
    )
    by_grpc = count / timed(lambda: server.download("by-grpc"))
    dataset = json.loads(_http(server, "GET", "/v1/datasets?name=by-http"))["data"][0]["id"]
    first, seconds = _timed_download(server, f"/v1/datasets/{dataset}/examples")
    rate = count / seconds
    yield Line(
        "HTTP: GET /examples", f"{rate:,.0f}/s", f"gRPC {by_grpc:,.0f}/s", rate / by_grpc, "200,000/s", rate >= 200_000
    )
    yield Line("HTTP: first byte of it", f"{first * 1000:.0f} ms", "", None, "100 ms", first < 0.1)
    yield from _bench_http_calls(server)
    yield _bench_official_client(server)


def _bench_http_calls(server: Server) -> Iterator[Line]:
    for number in range(10):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=f"page-{number}"), metadata=server.admin)
    key = server.key()
    request = datasets_pb2.ListDatasetsRequest(page_size=10).SerializeToString()
    command = [
        "h2load",
        "--h1",
        "-n",
        "4000",
        "-c",
        "32",
        "-H",
        f"authorization: Bearer {key}",
        f"{server.http}/v1/datasets?limit=10",
    ]
    by_grpc = server.channel.unary_unary(LISTS)(request, metadata=server.admin)
    with echo(by_grpc) as bare:
        rounds = [(_http_pace(server, command), pace(bare, LISTS, [request], key)) for _ in range(3)]
    mine, bare_pace = best(mine for mine, _ in rounds), best(bare for _, bare in rounds)
    ratio = mine.rate / bare_pace.rate
    yield Line("HTTP: GET /v1/datasets?limit=10", str(mine), f"echo {bare_pace}", ratio, "0.35", ratio >= 0.35)


def _http_pace(server: Server, command: list[str]) -> Pace:
    cpu = server.cpu()
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "4000 2xx" not in out:
        raise SystemExit(f"h2load: not all requests succeeded:\n{out}")
    return Pace(float(re.search(r"([\d.]+) req/s", out)[1]), (server.cpu() - cpu) / 4000 * 1e6)  # type: ignore[index]


def _bench_official_client(server: Server) -> Line:
    client = Client(base_url=server.http, api_key=ADMIN_SECRET)
    inputs = [{"question": f"What is {number} plus 1?", "filler": "x" * 150} for number in range(20_000)]
    outputs = [{"answer": str(number + 1)} for number in range(20_000)]
    seconds = timed(lambda: client.datasets.create_dataset(name="official", inputs=inputs, outputs=outputs))
    return Line(
        "Phoenix's client: create_dataset of 20,000", f"{seconds:.1f} s", "its timeout 5 s", None, "5 s", seconds < 5
    )


def _document(name: str, data: Path) -> bytes:
    records = [json.loads(line) for line in data.open()]
    document = {
        "name": name,
        "action": "append",
        "inputs": [record["input"] for record in records],
        "outputs": [record["output"] for record in records],
        "metadata": [record["metadata"] for record in records],
    }
    return json.dumps(document).encode()


def _http(server: Server, method: str, path: str, body: bytes | None = None) -> bytes:
    headers = {"authorization": f"Bearer {ADMIN_SECRET}", "content-type": "application/json"}
    request = urllib.request.Request(server.http + path, body, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return bytes(answer.read())


def _timed_download(server: Server, path: str) -> tuple[float, float]:
    """Seconds to the first byte and to the last."""
    request = urllib.request.Request(server.http + path, headers={"authorization": f"Bearer {ADMIN_SECRET}"})
    started = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer.read(1)
        first = time.perf_counter() - started
        while answer.read(1 << 20):
            pass
    return first, time.perf_counter() - started
