"""Where a server is: addresses, variables, encryption, and what is tried again."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import trustme
from google.protobuf.descriptor import MethodDescriptor

from phoenix_grpc.client import Client, ConfigurationError, PhoenixError
from phoenix_grpc.client.endpoint import parse_endpoint, service_config
from phoenix_grpc.v1 import auth_pb2, datasets_pb2, datasets_pb2_grpc
from tests.client.conftest import Script


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
    with pytest.raises(ConfigurationError, match="unencrypted"):
        Client("example.com:50051", api_key="phgrpc_key")
    Client("example.com:50051", api_key="phgrpc_key", insecure=True).close()
    Client("https://example.com", api_key="phgrpc_key").close()
    Client("example.com:50051", api_key="phgrpc_key", tls=True).close()


@pytest.mark.parametrize(
    ("variables", "target"),
    [
        ({}, "127.0.0.1:50051"),
        ({"GRPC_PORT": "16951"}, "127.0.0.1:16951"),
        ({"GRPC_ADDRESS": "localhost:7"}, "localhost:7"),
        ({"GRPC_ADDRESS": "localhost:7", "GRPC_PORT": "16951"}, "localhost:7"),
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
    [
        ("COLLECTOR_ENDPOINT", "localhost"),
        ("GRPC_PORT", "many"),
        ("CLIENT_HEADERS", "authorization"),
        ("CLIENT_HEADERS", "=a"),
    ],
)
def test_a_bad_client_variable_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PHOENIX_{name}", value)
    with pytest.raises(ConfigurationError, match=f"PHOENIX_{name}") as caught:
        Client()
    assert f"{value!r}" not in str(caught.value)


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
    with Client(f"https://localhost:{port}", "phgrpc_key") as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(request)
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
    assert script.calls == []
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for address, tls in ((f"https://localhost:{port}", False), (f"localhost:{port}", True)):
        with Client(address, "phgrpc_key", tls=tls) as client:
            assert client.datasets.GetDataset(request).name == "qa"
    server.stop(None).wait()


def may_run_twice(method: MethodDescriptor) -> bool:
    reads = method.GetOptions().idempotency_level == 1
    return reads or method.name in {"CreateDataset", "AppendExamples", "UpdateExamples", "DeleteExamples"}


def test_grpc_retries_calls_that_read_or_carry_a_request_id_but_no_streams() -> None:
    (config,) = json.loads(service_config())["methodConfig"]
    listed = {(name["service"], name["method"]) for name in config["name"]}
    services = [service for file in (datasets_pb2, auth_pb2) for service in file.DESCRIPTOR.services_by_name.values()]
    assert listed == {
        (service.full_name, method.name)
        for service in services
        for method in service.methods
        if may_run_twice(method) and not (method.client_streaming or method.server_streaming)
    }
