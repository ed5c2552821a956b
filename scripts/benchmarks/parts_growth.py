"""What calls cost as the data grows, and the drawings of it in docs/."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pygal
from load import LISTS, calls_per_second, write_records
from pygal.style import LightColorizedStyle
from servers import Server
from table import Line

from phoenix_grpc.v1 import datasets_pb2

GET_EXAMPLE = "/phoenix_grpc.v1.DatasetsService/GetExample"
WHO_AM_I = "/phoenix_grpc.v1.AuthService/WhoAmI"
GET_VERSION = "/phoenix_grpc.v1.DatasetsService/GetVersion"
LIST_EXAMPLES = "/phoenix_grpc.v1.DatasetsService/ListExamples"

_EXAMPLES = (10_000, 100_000, 1_000_000)
_DATASETS = (10, 1_000, 10_000)
_CALLS = 3000

Probes = dict[str, tuple[str, bytes]]


def bench_growth(server: Server, folder: Path, plots: Path | None = None) -> Iterator[Line]:
    """Point reads, pages and checks of keys, as examples, datasets and versions become more.

    Arguments:
        plots: the folder to draw them into.
    """
    key = server.key()

    def among(count: int) -> Probes:
        name = f"examples-{count}"
        server.upload(name, write_records(folder / "growth.jsonl", count, f"{count} "))
        return _of_examples(server, name)

    yield from _growth(server, key, "examples", _EXAMPLES, among, plots)
    made = 0

    def beside(count: int) -> Probes:
        nonlocal made
        for made in range(made + 1, count + 1):  # noqa: B020 - it goes on from there
            request = datasets_pb2.CreateDatasetRequest(name=f"one-{made}")
            server.datasets.CreateDataset(request, metadata=server.admin)
        return _of_datasets()

    yield from _growth(server, key, "datasets", _DATASETS, beside, plots)
    yield from _of_versions(server, key)


def _growth(
    server: Server, key: str, what: str, sizes: tuple[int, ...], grow: Callable[[int], Probes], plots: Path | None
) -> Iterator[Line]:
    costs: dict[str, list[float]] = {}
    for size in sizes:
        for probe, (path, request) in grow(size).items():
            costs.setdefault(probe, []).append(1e6 / best(server, path, request, key))
    for probe, (first, *_, last) in costs.items():
        figure = f"{last:.0f} us a call among {sizes[-1]:,} {what}"
        yield Line(f"{probe}, {what}", figure, f"{first:.0f} us among {sizes[0]:,}", first / last, "same", None)
    if plots:
        _draw(plots / f"growth-{what}-{server.engine}.svg", what, sizes, costs)


def _of_examples(server: Server, name: str) -> Probes:
    page = datasets_pb2.ListExamplesRequest(name=name, page_size=50)
    example = server.datasets.ListExamples(page, metadata=server.admin).examples[-1].example_id
    return {
        "one example": (
            GET_EXAMPLE,
            datasets_pb2.GetExampleRequest(name=name, example_id=example).SerializeToString(),
        ),
        "page of 50 examples": (LIST_EXAMPLES, page.SerializeToString()),
        "one version": (GET_VERSION, datasets_pb2.GetVersionRequest(name=name).SerializeToString()),
    }


def _of_datasets() -> Probes:
    return {
        "page of 10 datasets": (LISTS, datasets_pb2.ListDatasetsRequest(page_size=10).SerializeToString()),
        "one version": (GET_VERSION, datasets_pb2.GetVersionRequest(name="one-1").SerializeToString()),
        "check of a key": (WHO_AM_I, b""),
    }


def _of_versions(server: Server, key: str) -> Iterator[Line]:
    name = "versions"
    server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=server.admin)
    _append(server, name, 100)
    probes = _of_examples(server, name)
    few = {probe: best(server, path, request, key) for probe, (path, request) in probes.items()}
    for number in range(1000):
        _append(server, name, 1, number)
    for probe, (path, request) in probes.items():
        many = best(server, path, request, key)
        ratio = many / few[probe]
        yield Line(
            f"{probe}, 1,000 versions", f"{many:,.0f}/s", f"with one {few[probe]:,.0f}/s", ratio, "same", ratio > 0.8
        )


def _append(server: Server, name: str, count: int, salt: int = -1) -> None:
    request = datasets_pb2.AppendExamplesRequest(name=name)
    for number in range(count):
        request.examples.add().input.update({"number": number, "salt": salt})
    server.datasets.AppendExamples(request, metadata=server.admin)


def best(server: Server, path: str, request: bytes, key: str) -> float:
    """Calls a second, the best of three rounds."""
    return max(calls_per_second(server.address, path, request, key, _CALLS) for _ in range(3))


def _draw(path: Path, what: str, sizes: tuple[int, ...], costs: dict[str, list[float]]) -> None:
    engine = path.stem.rpartition("-")[2]
    chart = pygal.Line(
        title=f"Microseconds a call, {engine}, 32 at a time",
        x_title=what,
        x_labels=[f"{size:,}" for size in sizes],
        range=(0, 1.2 * max(map(max, costs.values()))),
        legend_at_bottom=True,
        style=LightColorizedStyle,
        width=640,
        height=360,
        js=[],
        disable_xml_declaration=True,
    )
    for probe, values in costs.items():
        chart.add(probe, [round(value) for value in values])
    path.write_text(chart.render())
