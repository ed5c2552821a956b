"""Audit events as OTLP logs, as a collector receives them from a real server."""

import json
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.logs.v1 import logs_pb2

from phoenix_grpc.store.audit_chain import verify_lines
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import bearer
from tests.faults.cluster import until
from tests.process import ServerProcess


class Collector(logs_service_pb2_grpc.LogsServiceServicer):
    """Keeps the records that it receives; while `failing`, it takes none."""

    def __init__(self) -> None:
        self.records: list[logs_pb2.LogRecord] = []
        self.failing = False
        self._server = grpc.server(futures.ThreadPoolExecutor(2))
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self.variables = {"PHOENIX_AUDIT_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}

    def Export(self, request: Any, context: Any) -> Any:
        if self.failing:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                self.records.extend(scope.log_records)
        return logs_service_pb2.ExportLogsServiceResponse()

    def seqs(self) -> list[int]:
        """The numbers of the events."""
        return [json.loads(record.body.string_value)["seq"] for record in self.records]

    def stop(self) -> None:
        """Ends it."""
        self._server.stop(None).wait()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on a free port."""
    found = Collector()
    yield found
    found.stop()


def create(server: ServerProcess, name: str) -> None:
    server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=server.admin)


def test_events_arrive_in_their_order_and_verify(tmp_path: Path, collector: Collector) -> None:
    with ServerProcess(tmp_path, **collector.variables) as server:
        create(server, "one")
        request = auth_pb2.CreateApiKeyRequest(name="reader", read_only=True)
        key = server.auth.CreateSystemApiKey(request, metadata=server.admin).key
        with pytest.raises(grpc.RpcError):
            server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="x"), metadata=bearer(key))
        until(lambda: any(record.severity_text == "WARN" for record in collector.records), 8)
        assert verify_lines(record.body.string_value for record in collector.records) == len(collector.records)
        found = {item.key: item.value for item in collector.records[-1].attributes}
        assert found["audit.action"].string_value == "refusal"
        assert not found["audit.allowed"].bool_value
        assert found["audit.seq"].int_value == len(collector.records)


def test_nothing_is_left_out_while_the_collector_is_away_nor_over_a_restart(
    tmp_path: Path, collector: Collector
) -> None:
    with ServerProcess(tmp_path, **collector.variables) as server:
        create(server, "one")
        until(lambda: bool(collector.records), 8)
        collector.failing = True
        create(server, "two")
        until(lambda: any("does not take audit events" in line for line in server.lines), 8)
        create(server, "three")
    collector.failing = False
    with ServerProcess(tmp_path, **collector.variables) as server:
        create(server, "four")
        until(lambda: any("four" in record.body.string_value for record in collector.records), 8)
    assert collector.seqs() == list(range(1, len(collector.records) + 1))
