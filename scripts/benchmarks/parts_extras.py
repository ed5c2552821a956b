"""What TLS, metrics, traces and the watchdog cost on kept connections, and what external authorization does."""

import socket
import time
import urllib.request
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import trustme
from load import LISTS, calls_per_second, unary
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from parts_grpc import CHECK_ACCESS
from servers import ADMIN_SECRET, Server
from table import Line

from phoenix_grpc.envoy import external_auth_pb2
from phoenix_grpc.services.external import CHECK
from phoenix_grpc.v1 import auth_pb2
from tests.certificates import issue
from tests.issuer import Issuer

_ROUNDS = 5
_CALLS = 10_000


def bench_tls(server: Server, folder: Path) -> Iterator[Line]:
    """The same calls with TLS and in clear."""
    variables = issue(trustme.CA(), folder / "certificates")
    secure = Server(folder / "secure", PHOENIX_TLS_ENABLED_FOR_GRPC="true", **variables)
    try:
        yield _beside(secure, server, "over TLS", "in clear", 0.85, "https")
    finally:
        secure.stop()


def bench_metrics(server: Server, folder: Path) -> Iterator[Line]:
    """The same calls with metrics and without, and what a scrape takes."""
    port = _free_port()
    counting = Server(folder / "counting", PHOENIX_ADMIN_PORT=str(port))
    try:
        yield _beside(counting, server, "with metrics", "without", 0.97)
        slowest = max(_scrape(f"http://127.0.0.1:{port}/metrics") for _ in range(50)) * 1000
        yield Line("a scrape, the slowest of 50", f"{slowest:.1f} ms", "", None, "20 ms", slowest < 20)
    finally:
        counting.stop()


def bench_traces(server: Server, folder: Path) -> Iterator[Line]:
    """The same calls with one of a hundred traced, by a collector that takes them, and without."""
    collector = grpc.server(futures.ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(_Collector(), collector)
    endpoint = f"http://127.0.0.1:{collector.add_insecure_port('127.0.0.1:0')}"
    collector.start()
    tracing = Server(
        folder / "tracing",
        PHOENIX_SERVER_INSTRUMENTATION_OTLP_TRACE_COLLECTOR_GRPC_ENDPOINT=endpoint,
        PHOENIX_TRACE_SAMPLING="0.01",
    )
    try:
        yield _beside(tracing, server, "with traces", "without", 0.95)
    finally:
        tracing.stop()
        collector.stop(None).wait()


class _Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, _request: Any, _context: Any) -> Any:
        return trace_service_pb2.ExportTraceServiceResponse()


def bench_watchdog(server: Server, folder: Path) -> Iterator[Line]:
    """The same calls with the watchdog of the event loop and without."""
    unwatched = Server(folder / "unwatched", PHOENIX_MAX_LOOP_LAG_SECONDS="0")
    try:
        yield _beside(server, unwatched, "watched", "unwatched", 0.97)
    finally:
        unwatched.stop()


def bench_checks(server: Server, folder: Path) -> Iterator[Line]:
    """External authorization of a call with an API key, beside the echo."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "identity.toml"
    file.write_text('may_check = ["127.0.0.0/8"]\n[[routes]]\npath = "/"\naccess = "read"\n')
    asked = Server(folder / "checks", PHOENIX_IDENTITY_FILE=str(file))
    try:
        request = external_auth_pb2.CheckRequest()
        http = request.attributes.request.http
        http.method, http.path, http.host = "GET", "/reports/1", "reports.example"
        http.headers["authorization"] = f"Bearer {asked.key()}"
        mine, bare = unary(asked, CHECK, [request.SerializeToString()], ADMIN_SECRET)
        ratio = mine.rate / bare.rate
        yield Line("ext_authz Check, API key", str(mine), f"echo {bare}", ratio, "0.85", ratio >= 0.85)
    finally:
        asked.stop()


def bench_tokens(server: Server, folder: Path) -> Iterator[Line]:
    """The same calls with a token of a trusted issuer and with a key."""
    folder.mkdir(parents=True, exist_ok=True)
    issuer, file = Issuer(), folder / "identity.toml"
    rules = '[{ claims = { sub = "user:bench" }, role = "MEMBER" }]'
    file.write_text(f'[[issuers]]\nissuer = "{issuer.url}"\naudience = "phoenix"\nrules = {rules}\n')
    trusting = Server(folder / "tokens", PHOENIX_IDENTITY_FILE=str(file))
    try:
        request = auth_pb2.CheckAccessRequest(method=LISTS).SerializeToString()
        credentials = {"token": issuer.token(sub="user:bench"), "key": trusting.key()}
        best = dict.fromkeys(credentials, 0.0)
        for _ in range(_ROUNDS):
            for name, credential in credentials.items():
                rate = calls_per_second(trusting.address, CHECK_ACCESS, request, credential, _CALLS)
                best[name] = max(best[name], rate)
        ratio = best["token"] / best["key"]
        figures = f"{best['token']:,.0f}/s", f"with a key {best['key']:,.0f}/s"
        yield Line("CheckAccess with a trusted issuer's token", *figures, ratio, "0.95", ratio >= 0.95)
    finally:
        trusting.stop()
        issuer.stop()


def _beside(one: Server, other: Server, what: str, than: str, budget: float, scheme: str = "http") -> Line:
    """The best of alternating rounds each."""
    request = auth_pb2.CheckAccessRequest(method=LISTS).SerializeToString()
    best = {what: (0.0, 0.0), than: (0.0, 0.0)}
    for _ in range(_ROUNDS):
        for name, server, how in ((what, one, scheme), (than, other, "http")):
            before = server.cpu()
            rate = calls_per_second(server.address, CHECK_ACCESS, request, ADMIN_SECRET, _CALLS, how)
            best[name] = max(best[name], (rate, (server.cpu() - before) / _CALLS * 1e6))
    (mine, my_cpu), (theirs, their_cpu) = best[what], best[than]
    ratio = mine / theirs
    figures = f"{mine:,.0f}/s, {my_cpu:.0f} us", f"{than} {theirs:,.0f}/s, {their_cpu:.0f} us"
    return Line(f"CheckAccess {what}", *figures, ratio, f"{budget}", ratio >= budget)


def _scrape(url: str) -> float:
    begun = time.perf_counter()
    with urllib.request.urlopen(url) as response:
        response.read()
    return time.perf_counter() - begun


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
