"""A server that says what a test wants, and clients that read no variables of their surroundings."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from phoenix_grpc.client import Client
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc


@pytest.fixture(autouse=True)
def _no_client_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "GRPC_ADDRESS", "GRPC_PORT", "COLLECTOR_ENDPOINT", "CLIENT_HEADERS"):
        monkeypatch.delenv(f"PHOENIX_{name}", raising=False)


class Script(datasets_pb2_grpc.DatasetsServiceServicer, auth_pb2_grpc.AuthServiceServicer):
    """Returns what `answer` says; `calls` are the calls that came."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.answer: Callable[[int], status_pb2.Status | None] = lambda _number: None

    def _serve(self, name: str, request: Any, context: grpc.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata())
        self.calls.append((name, request, metadata))
        status = self.answer(len(self.calls))
        if status is not None:
            context.abort_with_status(rpc_status.to_status(status))

    def GetDataset(self, request: Any, context: grpc.ServicerContext) -> datasets_pb2.Dataset:
        self._serve("GetDataset", request, context)
        return datasets_pb2.Dataset(name=request.name)

    def CreateDataset(self, request: Any, context: grpc.ServicerContext) -> datasets_pb2.Dataset:
        self._serve("CreateDataset", request, context)
        return datasets_pb2.Dataset(name=request.name)

    def DeleteDataset(self, request: Any, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._serve("DeleteDataset", request, context)
        return empty_pb2.Empty()

    def UploadDataset(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        self._serve("UploadDataset", next(requests).header, context)
        return datasets_pb2.UploadDatasetResponse(record_count=sum(len(request.chunk) for request in requests))

    def DownloadDataset(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        self._serve("DownloadDataset", request, context)
        header = datasets_pb2.DownloadDatasetHeader(version=datasets_pb2.DatasetVersion(live_count=7))
        yield datasets_pb2.DownloadDatasetResponse(header=header)
        yield datasets_pb2.DownloadDatasetResponse(chunk=b"half ")
        if request.name == "breaks":
            context.abort_with_status(rpc_status.to_status(refusal(10, "DATASET_DELETED", "it is gone")))
        yield datasets_pb2.DownloadDatasetResponse(chunk=b"whole\n")

    def Login(self, request: Any, context: grpc.ServicerContext) -> auth_pb2.TokenPair:
        self._serve("Login", request, context)
        return auth_pb2.TokenPair()


def refusal(code: int, reason: str, message: str, *details: Any) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    for detail in (error_details_pb2.ErrorInfo(reason=reason, domain="phoenix_grpc"), *details):
        status.details.add().Pack(detail)
    return status


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    script = Script()
    server = grpc.server(ThreadPoolExecutor(4))
    datasets_pb2_grpc.add_DatasetsServiceServicer_to_server(script, server)
    auth_pb2_grpc.add_AuthServiceServicer_to_server(script, server)
    script.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"  # type: ignore[attr-defined]
    server.start()
    yield script
    server.stop(None).wait()


def client_of(script: Script, **options: Any) -> Client:
    return Client(script.address, **options)  # type: ignore[attr-defined]
