"""The Python client: addresses, credentials, retries, errors; uploads and downloads against a real server."""

import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from google.protobuf import duration_pb2, empty_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from phoenix_grpc.client import Client, ConfigurationError, PhoenixError
from phoenix_grpc.client.calls import PUBLIC, identified
from phoenix_grpc.client.endpoint import parse_endpoint, service_config
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc
from tests.conftest import ADMIN_SECRET
from tests.process import ServerProcess


@pytest.fixture(autouse=True)
def _no_client_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "GRPC_ADDRESS", "COLLECTOR_ENDPOINT", "CLIENT_HEADERS"):
        monkeypatch.delenv(f"PHOENIX_{name}", raising=False)


# --- addresses ---


@pytest.mark.parametrize(
    ("address", "target", "tls", "local"),
    [
        ("localhost", "localhost:50051", False, True),
        ("127.0.0.1:7", "127.0.0.1:7", False, True),
        ("127.1.2.3:7", "127.1.2.3:7", False, True),
        ("[::1]:7", "[::1]:7", False, True),
        ("http://localhost", "localhost:50051", False, True),
        ("unix:/run/phoenix.sock", "unix:/run/phoenix.sock", False, True),
        ("example.com:7", "example.com:7", False, False),
        ("https://example.com", "example.com:443", True, False),
        ("https://example.com:7/", "example.com:7", True, False),
        ("localhost.example.com", "localhost.example.com:50051", False, False),
        ("0.0.0.0:7", "0.0.0.0:7", False, False),
    ],
)
def test_an_address_tells_where_the_server_is(address: str, target: str, tls: bool, local: bool) -> None:
    endpoint = parse_endpoint(address)
    assert (endpoint.target, endpoint.tls, endpoint.local) == (target, tls, local)


@pytest.mark.parametrize(
    "address", ["", "ftp://example.com", "example.com:many", "https://", "https://example.com/path", "[::1", "a:70000"]
)
def test_a_bad_address_is_refused_with_what_would_be_right(address: str) -> None:
    with pytest.raises(ConfigurationError, match="host:port, https://host"):
        parse_endpoint(address)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_endpoint("https://user:hunter2@example.com")
    assert "hunter2" not in str(caught.value)


def test_credentials_are_not_sent_in_clear_to_another_machine() -> None:
    with pytest.raises(ConfigurationError, match="in clear"):
        Client("example.com:50051", api_key="phx_key")
    Client("example.com:50051", api_key="phx_key", insecure=True).close()
    Client("https://example.com", api_key="phx_key").close()
    Client("example.com:50051", api_key="phx_key", tls=True).close()


@pytest.mark.parametrize(
    ("variables", "target"),
    [
        ({}, "127.0.0.1:50051"),
        ({"GRPC_ADDRESS": "localhost:7"}, "localhost:7"),
        ({"COLLECTOR_ENDPOINT": "http://localhost:6006"}, "localhost:50051"),
        ({"COLLECTOR_ENDPOINT": "https://phoenix.example.com/v1/traces"}, "phoenix.example.com:443"),
        ({"COLLECTOR_ENDPOINT": "http://[::1]:6006"}, "[::1]:50051"),
        ({"COLLECTOR_ENDPOINT": "http://a:6006", "GRPC_ADDRESS": "unix:/a"}, "unix:/a"),
    ],
)
def test_the_environment_names_the_server(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], target: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PHOENIX_{name}", value)
    with Client() as client:
        assert client.endpoint.target == target


@pytest.mark.parametrize(
    ("name", "value"),
    [("COLLECTOR_ENDPOINT", "localhost"), ("CLIENT_HEADERS", "authorization"), ("CLIENT_HEADERS", "=a")],
)
def test_a_bad_client_variable_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PHOENIX_{name}", value)
    with pytest.raises(ConfigurationError, match=f"PHOENIX_{name}") as caught:
        Client()
    assert f"{value!r}" not in str(caught.value)


# --- a server that says what a test wants ---


class Script(datasets_pb2_grpc.DatasetsServiceServicer, auth_pb2_grpc.AuthServiceServicer):
    """Answers what `answer` says; `calls` is what came."""

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
        yield datasets_pb2.DownloadDatasetResponse(header=datasets_pb2.DownloadDatasetHeader(filename="x"))
        yield datasets_pb2.DownloadDatasetResponse(chunk=b"half ")
        if request.name == "breaks":
            context.abort_with_status(rpc_status.to_status(refusal(10, "DATASET_DELETED", "it is gone")))
        yield datasets_pb2.DownloadDatasetResponse(chunk=b"whole")

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


def test_tls_trusts_the_authorities_of_the_machine(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    server = grpc.server(ThreadPoolExecutor(1))
    datasets_pb2_grpc.add_DatasetsServiceServicer_to_server(script, server)
    chain = b"".join(blob.bytes() for blob in pair.cert_chain_pems)
    port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(pair.private_key_pem.bytes(), chain)]))
    server.start()
    request = datasets_pb2.GetDatasetRequest(name="qa")
    with Client(f"https://localhost:{port}", "phx_key") as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(request)
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
    assert script.calls == []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for address, tls in ((f"https://localhost:{port}", False), (f"localhost:{port}", True)):
        with Client(address, "phx_key", tls=tls) as client:
            assert client.datasets.GetDataset(request).name == "qa"
    server.stop(None).wait()


def client_of(script: Script, **options: Any) -> Client:
    return Client(script.address, **options)  # type: ignore[attr-defined]


# --- credentials ---


def test_every_call_carries_the_key_as_bearer(script: Script) -> None:
    with client_of(script, api_key="phx_key") as client:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
        client.upload([b"{}"], "qa")
        client.download("qa", io.BytesIO())
    assert [metadata["authorization"] for _, _, metadata in script.calls] == ["Bearer phx_key"] * 3


def test_a_public_method_gets_no_credentials(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_CLIENT_HEADERS", "authorization=Bearer%20phx_header")
    with client_of(script, api_key="phx_key") as client:
        client.auth.Login(auth_pb2.LoginRequest(email="a@b.c", password="secret"))
    assert "authorization" not in script.calls[0][2]
    assert "/phoenix_grpc.v1.AuthService/Login" in PUBLIC


def test_the_environment_gives_key_and_headers(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_API_KEY", "phx_environment")
    monkeypatch.setenv("PHOENIX_CLIENT_HEADERS", "X-Team=a%20b,authorization=Bearer%20phx_header")
    with client_of(script) as client:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    metadata = script.calls[0][2]
    assert (metadata["x-team"], metadata["authorization"]) == ("a b", "Bearer phx_environment")


@pytest.mark.parametrize("reason", ["ACCESS_TOKEN_EXPIRED", "SESSION_REVOKED"])
def test_a_refused_token_is_renewed_and_the_call_repeated_once(script: Script, reason: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def source(refused: str) -> str:
        asked.append(refused)
        return "second" if refused else "first"

    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{}")
    calls: list[Callable[[Client], object]] = [
        lambda client: client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa")),
        lambda client: client.upload(file, "qa"),
        lambda client: client.download("qa", io.BytesIO()),
    ]
    for call in calls:
        script.calls, asked[:] = [], []
        script.answer = lambda number: refusal(16, reason, "no") if number == 1 else None
        with client_of(script, token_source=source) as client:
            call(client)
        assert [metadata["authorization"] for _, _, metadata in script.calls] == ["Bearer first", "Bearer second"]
        assert asked == ["", "first"]


def test_a_token_that_is_refused_again_ends_the_call(script: Script) -> None:
    script.answer = lambda _number: refusal(16, "SESSION_REVOKED", "no")
    with client_of(script, token_source=lambda _refused: "token") as client, pytest.raises(PhoenixError):
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    assert len(script.calls) == 2


# --- retries, request ids, deadlines ---


def may_run_twice(method: MethodDescriptor) -> bool:
    reads = method.GetOptions().idempotency_level == 1
    return reads or method.name in {
        "CreateDataset",
        "AppendExamples",
        "UpdateExamples",
        "DeleteExamples",
        "UploadDataset",
    }


def test_methods_that_read_or_carry_a_request_id_are_retried_and_no_others() -> None:
    (config,) = json.loads(service_config())["methodConfig"]
    listed = {(name["service"], name["method"]) for name in config["name"]}
    services = [service for file in (datasets_pb2, auth_pb2) for service in file.DESCRIPTOR.services_by_name.values()]
    assert listed == {
        (service.full_name, method.name) for service in services for method in service.methods if may_run_twice(method)
    }


def test_a_read_and_a_create_survive_a_moment_of_unavailability(script: Script) -> None:
    script.answer = lambda number: refusal(14, "DRAINING", "stopping") if number in (1, 3) else None
    with client_of(script) as client:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
        client.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="qa"))
    assert [name for name, _, _ in script.calls] == ["GetDataset"] * 2 + ["CreateDataset"] * 2
    first, second = (request.request_id for _, request, _ in script.calls[2:])
    assert first == second != ""


def test_a_change_without_request_id_is_tried_once(script: Script) -> None:
    script.answer = lambda _number: refusal(14, "DRAINING", "stopping")
    with client_of(script) as client, pytest.raises(PhoenixError) as caught:
        client.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name="qa"))
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
    assert len(script.calls) == 1


def test_each_request_gets_an_id_of_its_own_and_the_callers_message_stays() -> None:
    request = datasets_pb2.CreateDatasetRequest(name="qa")
    assert identified(request).request_id != identified(request).request_id  # type: ignore[attr-defined]
    assert request.request_id == ""
    request.request_id = "mine"
    assert identified(request) is request
    upload = datasets_pb2.UploadDatasetRequest(header=datasets_pb2.UploadDatasetHeader(name="qa"))
    assert identified(upload).header.request_id != ""  # type: ignore[attr-defined]
    assert upload.header.request_id == ""


def test_a_call_ends_at_its_deadline(script: Script) -> None:
    import time

    script.answer = lambda _number: time.sleep(0.5)  # type: ignore[func-returns-value]
    with client_of(script, timeout=0.1) as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


def test_nobody_at_the_address_is_unavailable() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "")


# --- errors ---


def test_an_error_tells_all_that_the_server_said(script: Script) -> None:
    script.answer = lambda _number: refusal(
        8,
        "LIMIT_EXCEEDED",
        "too much",
        error_details_pb2.BadRequest(
            field_violations=[error_details_pb2.BadRequest.FieldViolation(field="name", description="too long")]
        ),
        error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=1, nanos=500_000_000)),
        error_details_pb2.RequestInfo(request_id="r1"),
    )
    with client_of(script) as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    error = caught.value
    assert (error.status, error.reason, error.message) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "LIMIT_EXCEEDED",
        "too much",
    )
    assert (error.violations, error.retry_after, error.request_id) == ((("name", "too long"),), 1.5, "r1")
    assert str(error) == "too much (LIMIT_EXCEEDED)"


# --- files ---


def test_a_download_that_breaks_leaves_the_old_file_and_no_other(script: Script, tmp_path: Path) -> None:
    target = tmp_path / "qa.jsonl"
    target.write_bytes(b"old")
    with client_of(script) as client:
        with pytest.raises(PhoenixError, match="DATASET_DELETED"):
            client.download("breaks", target)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"qa.jsonl": b"old"}
        client.download("qa", target)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"qa.jsonl": b"half whole"}


@pytest.mark.parametrize(
    ("name", "format", "compression"),
    [
        ("a.jsonl", "JSONL", "NONE"),
        ("a.jsonl.gz", "JSONL", "GZIP"),
        ("a.CSV", "CSV", "NONE"),
        ("a.csv.GZ", "CSV", "GZIP"),
        ("a", "JSONL", "NONE"),
    ],
)
def test_the_name_of_a_file_tells_what_it_is(
    script: Script, tmp_path: Path, name: str, format: str, compression: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    with client_of(script) as client:
        client.upload(tmp_path / name, "qa")
        client.upload(str(tmp_path / name), "qa", format="csv", compression="deflate")
    headers = [request for _, request, _ in script.calls]
    assert headers[0].format == datasets_pb2.UploadFormat.Value(f"UPLOAD_FORMAT_{format}")
    assert headers[0].compression == datasets_pb2.Compression.Value(f"COMPRESSION_{compression}")
    assert headers[1].format == datasets_pb2.UPLOAD_FORMAT_CSV
    assert headers[1].compression == datasets_pb2.COMPRESSION_DEFLATE


def test_a_source_that_fails_fails_the_upload_with_its_own_error(script: Script) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"{}"
        raise ConnectionResetError("the source is gone")

    with client_of(script) as client, pytest.raises(ConnectionResetError, match="the source is gone"):
        client.upload(chunks(), "qa")


def test_progress_is_told_with_the_size_of_the_file(script: Script, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"x" * 2_000_000)
    seen: list[tuple[int, int | None]] = []
    with client_of(script) as client:
        done = client.upload(file, "qa", progress=lambda done, total: seen.append((done, total)))
        assert (done.record_count, seen[-1]) == (2_000_000, (2_000_000, 2_000_000))
        client.download("qa", io.BytesIO(), progress=lambda done, total: seen.append((done, total)))
    assert seen[-2:] == [(5, None), (10, None)]


def test_an_upload_takes_constant_memory(script: Script) -> None:
    with client_of(script) as client:
        client.upload([b"{}"], "qa")
        tracemalloc.start()
        client.upload((bytes(1 << 20) for _ in range(100)), "qa")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 20 << 20


# --- a real server ---


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("client")) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    with Client(server.address, ADMIN_SECRET) as client:
        yield client


RECORDS = [{"id": f"r{n}", "input": {"q": "é" * n, "n": 2**60 + n}, "output": {"a": n / 3}} for n in range(50)]


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_what_is_uploaded_comes_back_and_uploading_that_changes_nothing(
    client: Client, tmp_path: Path, suffix: str
) -> None:
    source, target = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    data = "\n".join(json.dumps(record) for record in RECORDS).encode()
    source.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    done = client.upload(source, suffix)
    assert (done.created_count, done.record_count) == (50, 50)
    header = client.download(suffix, target)
    assert header.version.version_id == done.version.version_id
    lines = (gzip.decompress(target.read_bytes()) if suffix.endswith("gz") else target.read_bytes()).splitlines()
    assert [{key: line[key] for key in ("id", "input", "output")} for line in map(json.loads, lines)] == RECORDS
    again = client.upload(target, suffix, "update")
    assert (again.created_count, again.updated_count, again.deleted_count) == (0, 0, 0)
    assert again.version.version_id == done.version.version_id


def test_a_download_names_version_and_format(client: Client, tmp_path: Path) -> None:
    first = client.upload([b'{"input": {"q": 1}}\n'], "versions").version
    client.upload([b'{"input": {"q": 2}}\n'], "versions")
    out = io.BytesIO()
    client.download("versions", out, "csv", first.version_id)
    lines = out.getvalue().decode().splitlines()
    assert len(lines) == 2
    assert "input.q" in lines[0]


def test_a_bad_record_is_refused_with_its_line(client: Client) -> None:
    with pytest.raises(PhoenixError, match="line 2") as caught:
        client.upload([b'{"input": {}}\n{"input": oops}\n'], "bad")
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RECORD")
    assert caught.value.violations[0][0] == "chunk"


def test_one_client_serves_many_threads(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: client.upload([b'{"input": {"n": %d}}\n' % n], "threads"), range(24)))
    assert sum(one.created_count for one in done) == 24
    assert client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="threads")).example_count == 24
