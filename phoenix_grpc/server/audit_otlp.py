"""Audit events as OTLP logs, sent over gRPC to a collector."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1 import logs_pb2

from phoenix_grpc import __version__

_TIMEOUT_SECONDS = 10
_SCOPE = "phoenix_grpc.audit"
_MICRO = 1000


def exporting(endpoint: str) -> Callable[[bytes], None]:
    """Exports lines of JSON as log records: the line is the body, its facts are attributes.

    Arguments:
        endpoint: the URL of the collector; https is encrypted.

    Returns a function that raises OSError when the collector does not take them.
    """
    url = urlsplit(endpoint)
    secure = url.scheme == "https"
    channel = (
        grpc.secure_channel(url.netloc, grpc.ssl_channel_credentials()) if secure else grpc.insecure_channel(url.netloc)
    )
    stub = logs_service_pb2_grpc.LogsServiceStub(channel)  # type: ignore[no-untyped-call]

    def export(data: bytes) -> None:
        try:
            answer = stub.Export(_request(data), timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            raise OSError(f"the collector does not take audit events: {error.code().name}") from None
        if answer.partial_success.rejected_log_records:
            raise OSError(f"the collector refused {answer.partial_success.rejected_log_records} audit events")

    return export


def _request(data: bytes) -> Any:
    request = logs_service_pb2.ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend([_attribute("service.name", "phoenix-grpc")])
    scope = resource.scope_logs.add()
    scope.scope.name, scope.scope.version = _SCOPE, __version__
    scope.log_records.extend(_record(line) for line in data.decode().splitlines())
    return request


def _record(line: str) -> logs_pb2.LogRecord:
    facts = json.loads(line)
    time = int(datetime.fromisoformat(facts["time"]).timestamp() * 1_000_000) * _MICRO
    allowed = bool(facts["allowed"])
    return logs_pb2.LogRecord(
        time_unix_nano=time,
        severity_number=logs_pb2.SEVERITY_NUMBER_INFO if allowed else logs_pb2.SEVERITY_NUMBER_WARN,
        severity_text="INFO" if allowed else "WARN",
        body=AnyValue(string_value=line),
        attributes=[_attribute(f"audit.{name}", value) for name, value in facts.items() if value not in (None, "")],
    )


def _attribute(name: str, value: Any) -> KeyValue:
    kinds = {bool: "bool_value", int: "int_value"}
    return KeyValue(key=name, value=AnyValue(**{kinds.get(type(value), "string_value"): value}))
