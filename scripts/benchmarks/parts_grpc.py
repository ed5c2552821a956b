"""What is measured over gRPC: calls, streams, memory, growth, start."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from load import LISTS, raw_insert, timed, unary, write_records
from servers import Server
from table import Line

from phoenix_grpc.v1 import auth_pb2, datasets_pb2

CHECK_ACCESS = "/phoenix_grpc.v1.AuthService/CheckAccess"
GET_EXAMPLE = "/phoenix_grpc.v1.DatasetsService/GetExample"


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
    for what, path, requests, budgets in (
        ("guard alone: empty reply, API key", CHECK_ACCESS, [check], {"sqlite": 0.90, "postgresql": 0.90}),
        ("ListDatasets, 10 datasets, API key", LISTS, [lists], {"sqlite": 0.70, "postgresql": 0.40}),
        (
            "GetExample by random id of 100,000",
            GET_EXAMPLE,
            random_examples(server, folder),
            {"sqlite": 0.65, "postgresql": 0.40},
        ),
    ):
        budget = budgets[server.engine]
        mine, bare = unary(server, path, [request.SerializeToString() for request in requests], key)
        ratio = mine.rate / bare.rate
        yield Line(what, str(mine), f"echo {bare}", ratio, f"{budget}", ratio >= budget)


def random_examples(server: Server, folder: Path) -> list[datasets_pb2.GetExampleRequest]:
    """Requests for 20 of 100,000 examples, which it uploads."""
    server.upload("examples", write_records(folder / "examples.jsonl", 100_000))
    request = datasets_pb2.DownloadDatasetRequest(name="examples")
    data = b"".join(message.chunk for message in server.datasets.DownloadDataset(request, metadata=server.admin))
    ids = [json.loads(line)["node_id"] for line in random.sample(data.splitlines(), 20)]
    return [datasets_pb2.GetExampleRequest(name="examples", example_id=example_id) for example_id in ids]


def bench_streams(server: Server, folder: Path) -> Iterator[Line]:
    """Uploads and downloads of 100,000 examples."""
    count = 100_000
    first, second = write_records(folder / "a.jsonl", count), write_records(folder / "b.jsonl", count, "again ")
    reference, raw = raw_insert(server, folder, first)
    idle = server.memory()
    server.forget_peak()
    for what, work, budgets in (
        ("upload into a new dataset", lambda: server.upload("streams", first), (60_000, 40_000)),
        ("upload into an existing dataset", lambda: server.upload("streams", second), (60_000, 40_000)),
        ("upload of what is to be mirrored", lambda: server.upload("copy", first), (60_000, 40_000)),
        ("mirror upload, nothing changed", lambda: server.upload("copy", first, "UPDATE"), (50_000, 40_000)),
        ("download as JSONL", lambda: server.download("copy"), (300_000, 150_000)),
    ):
        # After an upload PostgreSQL is busy for a while with its own affairs: a download tells more the third time.
        rounds = 3 if what.startswith("download") else 1
        rate, budget = count / min(timed(work) for _ in range(rounds)), budgets[server.engine == "postgresql"]
        beside = f"{reference} {raw:,.0f}/s"
        yield Line(what, f"{rate:,.0f}/s", beside, rate / raw, f"{budget:,}/s", rate >= budget)
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
