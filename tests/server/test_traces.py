"""Traces of calls, as a collector receives them by OTLP from a real server."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.faults.cluster import until
from tests.process import ServerProcess, serve_fails

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
WHO_AM_I = auth_pb2.WhoAmIRequest()
ENDPOINT = "PHOENIX_SERVER_INSTRUMENTATION_OTLP_TRACE_COLLECTOR_GRPC_ENDPOINT"
WHO = "phoenix_grpc.v1.AuthService/WhoAmI"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it receives."""

    def __init__(self) -> None:
        self.spans: list[trace_pb2.Span] = []
        self.resources: list[dict[str, str]] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self.variables = {
            ENDPOINT: f"http://127.0.0.1:{self.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def Export(self, request: Any, _context: Any) -> Any:
        for resource in request.resource_spans:
            self.resources.append({item.key: item.value.string_value for item in resource.resource.attributes})
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def named(self, name: str) -> trace_pb2.Span:
        """The one span of this name, when it has come."""
        until(lambda: any(span.name == name for span in self.spans), 5)
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def stop(self) -> None:
        """Ends it."""
        self._server.stop(None).wait()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on a free port."""
    found = Collector()
    yield found
    found.stop()


def attributes(span: trace_pb2.Span) -> dict[str, Any]:
    """What was noted of a span."""
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


def call_lines(server: ServerProcess) -> list[dict[str, Any]]:
    """The log's lines of calls."""
    return [json.loads(line) for line in server.lines if '"event":"call"' in line]


def test_a_call_is_traced_from_its_caller_to_the_store(tmp_path: Path, collector: Collector) -> None:
    with ServerProcess(tmp_path, **collector.variables, PHOENIX_TRACE_SAMPLING="0") as server:
        request = datasets_pb2.CreateDatasetRequest(name="traced")
        context = (("traceparent", SAMPLED), ("tracestate", "vendor=7"), ("x-request-id", "mine"))
        server.datasets.CreateDataset(request, metadata=(*server.admin, *context))
        call = collector.named("phoenix_grpc.v1.DatasetsService/CreateDataset")
        assert call.trace_id.hex() == TRACE
        assert call.parent_span_id.hex() == PARENT
        assert call.trace_state == "vendor=7"
        assert call.kind == trace_pb2.Span.SPAN_KIND_SERVER
        noted = attributes(call)
        assert noted.pop("client.address") == "127.0.0.1"
        assert noted == {
            "rpc.system.name": "grpc",
            "rpc.method": "phoenix_grpc.v1.DatasetsService/CreateDataset",
            "rpc.response.status_code": "OK",
            "phoenix_grpc.request_id": "mine",
            "phoenix_grpc.principal": "ADMIN_SECRET",
        }
        guard, service = collector.named("guard"), collector.named("service")
        written = collector.named("store.write change")
        assert {guard.parent_span_id, service.parent_span_id} == {call.span_id}
        assert written.parent_span_id == service.span_id
        assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
        assert call.start_time_unix_nano <= written.start_time_unix_nano < written.end_time_unix_nano
        until(lambda: [line["trace_id"] for line in call_lines(server)] == [TRACE], 5)
        assert collector.resources[0]["service.name"] == "phoenix-grpc"
        assert collector.resources[0]["service.version"]


def test_a_request_is_one_trace_of_its_calls(tmp_path: Path, collector: Collector) -> None:
    with ServerProcess(tmp_path, **collector.variables, PHOENIX_TRACE_SAMPLING="1") as server:
        headers = {"authorization": server.admin[0][1], "traceparent": SAMPLED}
        body = {"action": "create", "name": "secret name", "inputs": [{"q": "secret text"}]}
        url = f"{server.started['http']}/v1/datasets"
        assert httpx.post(f"{url}/upload", params={"sync": "true"}, json=body, headers=headers).status_code == 200
        request = collector.named("POST /v1/datasets/upload")
        call = collector.named("phoenix_grpc.v1.DatasetsService/UploadDataset")
        assert request.trace_id.hex() == TRACE
        assert request.parent_span_id.hex() == PARENT
        assert attributes(request)["http.response.status_code"] == 200
        assert attributes(request)["http.route"] == "/v1/datasets/upload"
        assert call.parent_span_id == request.span_id
        assert httpx.get(f"{url}/RGF0YXNldDo5OTk=?x=secret", headers=headers).status_code == 404
        missing = collector.named("GET /v1/datasets/{id}")
        assert attributes(missing)["http.response.status_code"] == 404
        until(lambda: len(call_lines(server)) >= 2, 5)
        assert {line["trace_id"] for line in call_lines(server)} == {TRACE}
        time.sleep(0.5)
        assert not any(b"secret" in span.SerializeToString() for span in collector.spans)


def test_a_download_that_its_client_reads_is_traced_to_its_end(tmp_path: Path, collector: Collector) -> None:
    with ServerProcess(tmp_path, **collector.variables, PHOENIX_TRACE_SAMPLING="1") as server:
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="d"), metadata=server.admin)
        list(server.datasets.DownloadDataset(datasets_pb2.DownloadDatasetRequest(name="d"), metadata=server.admin))
        call = collector.named("phoenix_grpc.v1.DatasetsService/DownloadDataset")
        until(
            lambda: any(span.name == "service" and span.parent_span_id == call.span_id for span in collector.spans), 5
        )


def test_the_caller_decides_and_else_the_share_of_the_settings(tmp_path: Path, collector: Collector) -> None:
    with ServerProcess(tmp_path, **collector.variables, PHOENIX_TRACE_SAMPLING="0") as server:
        for parent in ("", NOT_SAMPLED, "nonsense", "~" * 100):
            server.auth.WhoAmI(WHO_AM_I, metadata=(*server.admin, ("traceparent", parent)))
        server.auth.WhoAmI(WHO_AM_I, metadata=(*server.admin, ("traceparent", SAMPLED)))
        assert collector.named(WHO).trace_id.hex() == TRACE
        until(lambda: len(call_lines(server)) == 5, 5)
        # A trace that is not recorded here may be recorded elsewhere.
        assert [line.get("trace_id") for line in call_lines(server)] == [None, TRACE, None, None, TRACE]


def test_strangers_cannot_have_every_call_traced(tmp_path: Path, collector: Collector) -> None:
    with ServerProcess(tmp_path, **collector.variables, PHOENIX_TRACE_SAMPLING="1") as server:
        for _ in range(300):
            server.auth.WhoAmI(WHO_AM_I, metadata=(*server.admin, ("traceparent", SAMPLED)))
        time.sleep(0.5)
    traced = [span for span in collector.spans if span.name == WHO]
    assert 100 <= len(traced) < 300


@pytest.mark.parametrize(
    ("path", "status", "failed"), [("WhoAmI", "UNAUTHENTICATED", False), ("Made/Up", "UNIMPLEMENTED", True)]
)
def test_a_refusal_is_no_failure_of_the_server(
    tmp_path: Path, collector: Collector, path: str, status: str, failed: bool
) -> None:
    with ServerProcess(tmp_path, **collector.variables, PHOENIX_TRACE_SAMPLING="1") as server:
        metadata = server.admin if failed else ()
        with pytest.raises(grpc.RpcError):
            server.channel.unary_unary(f"/phoenix_grpc.v1.AuthService/{path}")(b"", metadata=metadata)
        span = collector.named("unknown method" if failed else WHO)
        assert attributes(span)["rpc.response.status_code"] == status
        assert (span.status.code == trace_pb2.Status.STATUS_CODE_ERROR) == failed
        assert attributes(span).get("error.type") == (status if failed else None)


def test_a_collector_that_is_away_costs_no_call_and_no_stop(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with ServerProcess(tmp_path, **{ENDPOINT: endpoint, "PHOENIX_TRACE_SAMPLING": "1"}) as server:
            for _ in range(50):
                server.auth.WhoAmI(WHO_AM_I, metadata=server.admin)
            server.process.terminate()
            assert server.process.wait(10) == 0


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        (ENDPOINT, "127.0.0.1:4317", "String should match pattern"),
        ("PHOENIX_TRACE_SAMPLING", "2", "less than or equal to 1"),
        ("PHOENIX_TRACE_SAMPLING", "all", "valid number"),
    ],
)
def test_a_bad_setting_stops_the_start(tmp_path: Path, variable: str, value: str, told: str) -> None:
    code, errors = serve_fails(tmp_path, **{variable: value})
    assert code == 2
    assert f"{variable}: " in errors
    assert told in errors
