"""A real Envoy asks the server about the calls of a service that knows nothing of it."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import pytest

from phoenix_grpc.envoy import external_auth_pb2, external_auth_pb2_grpc
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import bearer
from tests.deploy.envoy import Envoy, free_ports, validate
from tests.faults.cluster import until
from tests.process import ServerProcess

EXAMPLE = Path(__file__).parents[2] / "deploy" / "envoy" / "ext_authz.yaml"
TABLE = """
may_check = ["127.0.0.0/8"]
[[routes]]
path = "/health"
access = "public"
[[routes]]
path = "/admin"
access = "admin"
[[routes]]
host = "other.example"
path = "/"
access = "public"
[[routes]]
path = "/reports"
methods = ["GET"]
access = "read"
limited_keys = true
[[routes]]
path = "/reports"
access = "write"
pass_credential = true
[[routes]]
path = "/me"
access = "identified"
"""
FORGED = {"x-phoenix-role": "ADMIN", "x-phoenix-user-email": "root@example.com", "x-phoenix-user-id": "VXNlcjo5OQ=="}


class Echo(BaseHTTPRequestHandler):
    """The service: it says what it was sent."""

    def _answer(self) -> None:
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Mesh:
    """The service, the Envoy before it, and the server that this asks."""

    def __init__(self, folder: Path, table: str = TABLE, **variables: str) -> None:
        self.file = folder / "identity.toml"
        self.file.write_text(table)
        self.server = ServerProcess(folder, PHOENIX_IDENTITY_FILE=str(self.file), **variables)
        self.service = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=self.service.serve_forever, daemon=True).start()
        (self.port,) = free_ports(1)
        text = EXAMPLE.read_text()
        upstream = self.server.address.rpartition(":")[2]
        for old, new in (("8082", self.port), ("3000", self.service.server_port), ("50051", upstream)):
            assert text.count(f"port_value: {old} ") == 1
            text = text.replace(f"port_value: {old} ", f"port_value: {new} ")
        self.envoy = Envoy(folder / "envoy", text, self.port)

    def __enter__(self) -> "Mesh":
        self.server.__enter__()
        self.envoy.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.envoy.__exit__()
        self.server.__exit__()
        self.service.shutdown()
        self.service.server_close()

    def call(self, path: str, key: str = "", method: str = "GET", **headers: str) -> httpx.Response:
        """Calls the service through Envoy."""
        given = {"authorization": f"Bearer {key}"} if key else {}
        return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", headers={**given, **headers})

    def key(self, name: str, **fields: object) -> str:
        """A system key."""
        request = auth_pb2.CreateApiKeyRequest(name=name, **fields)
        return self.server.auth.CreateSystemApiKey(request, metadata=self.server.admin).key


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """All of them, begun."""
    with Mesh(tmp_path) as found:
        yield found


def told(response: httpx.Response) -> dict[str, str]:
    """What the service was told of the caller."""
    headers = response.json()["headers"]
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-phoenix-")}


def test_envoy_takes_the_example_as_it_is() -> None:
    done = validate(EXAMPLE)
    assert done.returncode == 0, done.stderr


def test_the_service_is_told_who_calls_and_does_not_see_the_credential(mesh: Mesh) -> None:
    admin = mesh.server.admin[0][1].removeprefix("Bearer ")
    response = mesh.call("/admin/x?y=1", admin, **FORGED)
    assert response.status_code == 200
    assert response.json()["path"] == "/admin/x?y=1"
    assert told(response) == {
        "x-phoenix-principal": "ADMIN_SECRET",
        "x-phoenix-role": "ADMIN",
        "x-phoenix-user-id": told(response)["x-phoenix-user-id"],
        "x-phoenix-user-email": "system@localhost",
    }
    assert told(response)["x-phoenix-user-id"] != FORGED["x-phoenix-user-id"]
    assert "authorization" not in {name.lower() for name in response.json()["headers"]}


def test_nobody_can_say_that_they_are_somebody(mesh: Mesh) -> None:
    assert told(mesh.call("/health", **FORGED)) == {}
    response = httpx.get(f"http://127.0.0.1:{mesh.port}/health", headers=[*FORGED.items(), *FORGED.items()])
    assert told(response) == {}
    key = mesh.key("k")
    headers = [("authorization", f"Bearer {key}"), *FORGED.items(), *FORGED.items()]
    response = httpx.get(f"http://127.0.0.1:{mesh.port}/reports", headers=headers)
    assert told(response)
    assert not set(told(response).values()) & set(FORGED.values())


def test_rules_go_by_path_method_and_role(mesh: Mesh) -> None:
    member, reader = mesh.key("member"), mesh.key("reader", read_only=True)
    assert mesh.call("/reports", member).status_code == 200
    assert mesh.call("/reports/a/b", reader).status_code == 200
    assert mesh.call("/me", reader).status_code == 200
    written = mesh.call("/reports", member, "POST")
    assert written.json()["headers"]["authorization"] == f"Bearer {member}"
    assert mesh.call("/reports", reader, "POST").status_code == 403
    assert mesh.call("/reports", reader, "DELETE").json()["reason"] == "KEY_READ_ONLY"
    assert mesh.call("/admin", member).status_code == 403
    assert mesh.call("/other", member).status_code == 403
    assert mesh.call("/reportsx", member).status_code == 403
    assert mesh.call("/", member).status_code == 403
    assert mesh.call("/anything", host="other.example").status_code == 200


def test_a_limited_key_is_let_in_only_where_the_rule_says(mesh: Mesh) -> None:
    made = mesh.server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="d"), metadata=mesh.server.admin)
    limited = mesh.key("limited", dataset_ids=[made.dataset_id])
    assert mesh.call("/reports", limited).status_code == 200
    assert mesh.call("/reports", limited, "POST").json()["reason"] == "KEY_NOT_FOR_DATASET"
    assert mesh.call("/me", limited).json()["reason"] == "KEY_NOT_FOR_DATASET"


@pytest.mark.parametrize("header", ["", "Bearer phgrpc_nonsense", "Basic eA==", "Bearer a, Bearer b"])
def test_who_has_no_credential_is_challenged(mesh: Mesh, header: str) -> None:
    response = mesh.call("/reports", **({"authorization": header} if header else {}))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="Phoenix"'
    assert response.json()["reason"].startswith(("CREDENTIALS_", "API_KEY_"))


@pytest.mark.parametrize("path", ["/health/%2e%2e/admin", "/health%2f..%2fadmin", "/health\\..\\admin", "/x;/health"])
def test_a_path_that_could_mean_two_things_is_denied(mesh: Mesh, path: str) -> None:
    raw = f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", mesh.port)) as line:
        line.sendall(raw)
        answer = b""
        while data := line.recv(65536):
            answer += data
    status = int(answer.split()[1])
    assert status in (400, 401, 403), answer


def test_a_revoked_key_is_refused_at_the_next_call(mesh: Mesh) -> None:
    made = mesh.server.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=mesh.server.admin)
    assert mesh.call("/reports", made.key).status_code == 200
    request = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
    mesh.server.auth.RevokeSystemApiKey(request, metadata=mesh.server.admin)
    assert mesh.call("/reports", made.key).json()["reason"] == "API_KEY_REVOKED"


def test_a_changed_rule_counts_within_a_second(mesh: Mesh) -> None:
    assert mesh.call("/health").status_code == 200
    mesh.file.write_text(TABLE.replace('"public"', '"admin"'))
    until(lambda: mesh.call("/health").status_code == 401, 5)


def test_without_the_server_no_call_goes_on(mesh: Mesh) -> None:
    mesh.server.stop()
    assert mesh.call("/health").status_code == 403


def test_who_calls_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with Mesh(tmp_path, PHOENIX_MAX_CALLS_PER_SECOND_PER_ADDRESS="1") as mesh:
        key = mesh.key("k")
        answers = [mesh.call("/reports", key) for _ in range(30)]
        (limited, *_) = [answer for answer in answers if answer.status_code != 200]
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize(
    ("may_check", "allowed"), [('["127.0.0.0/8"]', True), ('["10.0.0.0/8", "unix"]', False), ("[]", False)]
)
def test_only_those_who_are_named_may_ask(tmp_path: Path, may_check: str, allowed: bool) -> None:
    file = tmp_path / "identity.toml"
    file.write_text(TABLE.replace('["127.0.0.0/8"]', may_check))
    with ServerProcess(tmp_path, PHOENIX_IDENTITY_FILE=str(file)) as server:
        stub = external_auth_pb2_grpc.AuthorizationStub(server.channel)
        request = external_auth_pb2.CheckRequest()
        request.attributes.request.http.path = "/health"
        for metadata in ((), server.admin, bearer("nonsense")):
            if allowed:
                assert stub.Check(request, metadata=metadata).HasField("ok_response")
            else:
                with pytest.raises(grpc.RpcError) as caught:
                    stub.Check(request, metadata=metadata)
                assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_without_authentication_nobody_is_an_admin_of_another_service(tmp_path: Path) -> None:
    with Mesh(tmp_path, PHOENIX_ENABLE_AUTH="false") as mesh:
        assert mesh.call("/reports").status_code == 200
        assert told(mesh.call("/reports", **FORGED)) == {}
        assert mesh.call("/admin").status_code == 403


def test_without_an_identity_file_there_is_no_such_service(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        stub = external_auth_pb2_grpc.AuthorizationStub(server.channel)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(external_auth_pb2.CheckRequest(), metadata=server.admin)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_refusals_are_in_the_audit_log_and_the_log_says_who_called(mesh: Mesh) -> None:
    reader = mesh.key("reader", read_only=True)
    mesh.call("/reports", reader, "POST")
    mesh.call("/reports", reader)

    def refusals() -> list[auth_pb2.AuditEvent]:
        request = auth_pb2.ListAuditEventsRequest(action="refusal")
        return list(mesh.server.auth.ListAuditEvents(request, metadata=mesh.server.admin).events)

    until(lambda: bool(refusals()), 5)
    assert refusals()[0].method == "/envoy.service.auth.v3.Authorization/Check"
    assert refusals()[0].actor_kind == auth_pb2.PRINCIPAL_KIND_SYSTEM_KEY
    until(lambda: any("Authorization/Check" in line and "SYSTEM_KEY" in line for line in mesh.server.lines), 5)
