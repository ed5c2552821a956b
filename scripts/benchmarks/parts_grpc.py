"""What is measured over gRPC: calls, streams, memory, growth, start."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from load import LISTS, calls_per_second, raw_insert, timed, unary, write_records
from servers import Server
from table import Line

from phoenix_grpc.v1 import auth_pb2, datasets_pb2

CHECK_ACCESS = "/phoenix_grpc.v1.AuthService/CheckAccess"
GET_EXAMPLE = "/phoenix_grpc.v1.DatasetsService/GetExample"
WHO_AM_I = "/phoenix_grpc.v1.AuthService/WhoAmI"
GET_VERSION = "/phoenix_grpc.v1.DatasetsService/GetVersion"
LIST_EXAMPLES = "/phoenix_grpc.v1.DatasetsService/ListExamples"


def bench_start(server: Server, _folder: Path) -> Iterator[Line]:
    """Start on an existing database, and memory at rest."""
    again = Server(server.folder, server.database_url)
    memory = again.memory()
    again.stop()
    seconds = again.seconds_to_serving
    yield Line("start to serving, existing database", f"{seconds:.2f} s", "", None, "0.6 s", seconds < 0.6)
    yield Line("memory at rest", f"{memory:.0f} MB", "", None, "90 MB", memory < 90)


def bench_calls(server: Server, folder: Path) -> Iterator[Line]:
    """Unary calls beside the echo."""
    for number in range(10):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=f"calls-{number}"), metadata=server.admin)
    key = server.key()
    lists = datasets_pb2.ListDatasetsRequest(page_size=10)
    check = auth_pb2.CheckAccessRequest(method=LISTS)
    for what, path, requests, budget in (
        ("guard alone: empty reply, API key", CHECK_ACCESS, [check], 0.90),
        ("ListDatasets, 10 datasets, API key", LISTS, [lists], 0.70),
        ("GetExample by random id of 100,000", GET_EXAMPLE, _random_examples(server, folder), 0.65),
    ):
        mine, bare = unary(server, path, [request.SerializeToString() for request in requests], key)
        ratio = mine.rate / bare.rate
        yield Line(what, str(mine), f"echo {bare}", ratio, f"{budget}", ratio >= budget)


def _random_examples(server: Server, folder: Path) -> list[datasets_pb2.GetExampleRequest]:
    server.upload("examples", write_records(folder / "examples.jsonl", 100_000))
    request = datasets_pb2.DownloadDatasetRequest(name="examples")
    data = b"".join(message.chunk for message in server.datasets.DownloadDataset(request, metadata=server.admin))
    ids = [json.loads(line)["node_id"] for line in random.sample(data.splitlines(), 20)]
    return [datasets_pb2.GetExampleRequest(name="examples", example_id=example_id) for example_id in ids]


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
    for number in range(10):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=f"few-{number}"), metadata=server.admin)
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
