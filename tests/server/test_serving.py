"""The server as a process: start, doors, health, drain, logs."""

import json
import re
import resource
import socket
import stat
import threading
import time
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET, SECRET, bearer, database_url
from tests.process import ServerProcess, serve_fails

SERVICES = ("", "phoenix_grpc.v1.AuthService", "phoenix_grpc.v1.DatasetsService")
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def test_a_first_start_makes_the_admin_and_shows_the_password_once(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD="") as server:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=server.admin)
        shown = re.search(r"Password: +(\S+)", "".join(server.lines))
        assert shown is not None
        server.auth.Login(auth_pb2.LoginRequest(email="admin@localhost", password=shown[1]))
    with ServerProcess(tmp_path, PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD="") as server:
        assert "Password" not in "".join(server.lines)
        server.auth.Login(auth_pb2.LoginRequest(email="admin@localhost", password=shown[1]))


@pytest.mark.sqlite
def test_a_first_start_makes_secret_and_database_for_nobody_else(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SECRET=""):
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "work").iterdir()}
    assert files["secret"] == 0o600
    assert files["phoenix_grpc.db"] == 0o600


@pytest.mark.sqlite
def test_tokens_survive_a_restart(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SECRET="") as server:
        request = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        token = server.auth.Login(request).access_token
    with ServerProcess(tmp_path, PHOENIX_SECRET="") as server:
        assert server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(token)).user.username == "admin"


def test_a_changed_secret_still_verifies_what_the_previous_one_signed(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        request = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        token = server.auth.Login(request).access_token
    changed = {"PHOENIX_SECRET": "the-next-secret-of-32-characters-1"}
    with ServerProcess(tmp_path, **changed, PHOENIX_SECRET_PREVIOUS=SECRET) as server:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(token))
    with ServerProcess(tmp_path, **changed) as server, pytest.raises(grpc.RpcError):
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(token))


def test_the_unix_socket_is_its_owners_and_serves(tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    with ServerProcess(tmp_path, PHOENIX_GRPC_UNIX_SOCKET=str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with grpc.insecure_channel(f"unix:{path}") as channel:
            call = channel.unary_unary("/phoenix_grpc.v1.AuthService/WhoAmI")
            assert call(b"", metadata=bearer(ADMIN_SECRET))


def test_health_needs_no_credentials_and_knows_both_services(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        for name in SERVICES:
            assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_sigterm_says_not_serving_finishes_running_calls_and_exits_zero(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        seen: list[int] = []
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
        threading.Thread(target=lambda: _collect(watch, seen), daemon=True).start()
        ending = threading.Event()
        result = server.datasets.UploadDataset.future(_slow_upload(ending), metadata=server.admin)
        time.sleep(0.3)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        time.sleep(0.3)
        ending.set()
        assert result.result(10).created_count == 1
        stopping.join(20)
        assert server.process.returncode == 0
        assert seen[0] == SERVING
        assert seen[-1] == NOT_SERVING


def _collect(watch: object, seen: list[int]) -> None:
    try:
        seen.extend(response.status for response in watch)  # type: ignore[attr-defined]
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)  # noqa: PT017


def _slow_upload(ending: threading.Event):
    header = datasets_pb2.UploadDatasetHeader(name="drain", action="UPLOAD_ACTION_CREATE")
    yield datasets_pb2.UploadDatasetRequest(header=header)
    ending.wait(10)
    yield datasets_pb2.UploadDatasetRequest(chunk=b'{"input": {"a": 1}}')


def test_a_call_beyond_the_grace_is_ended(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SHUTDOWN_GRACE_SECONDS="0.2") as server:
        never = threading.Event()
        result = server.datasets.UploadDataset.future(_slow_upload(never), metadata=server.admin)
        time.sleep(0.3)
        assert server.stop(timeout=8) == 0
        never.set()
        assert result.exception(5) is not None


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"PHOENIX_GRPC_PORT": "nonsense"}, "PHOENIX_GRPC_PORT"),
        ({"PHOENIX_SECRET": "weak"}, "PHOENIX_SECRET"),
        ({"PHOENIX_SQL_DATABASE_URL": "mysql://localhost/x"}, "PHOENIX_SQL_DATABASE_URL"),
        ({"PHOENIX_SQL_DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "/proc/nowhere/x.db"),
        ({"PHOENIX_HOST": "203.0.113.1"}, "PHOENIX_HOST"),
    ],
)
def test_what_stops_the_start_is_named_on_one_line(tmp_path: Path, variables: dict[str, str], named: str) -> None:
    code, stderr = serve_fails(tmp_path, **variables)
    assert code == 2
    assert named in stderr
    assert "Traceback" not in stderr


def test_a_port_in_use_stops_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, stderr = serve_fails(tmp_path, PHOENIX_GRPC_PORT=str(port), PHOENIX_ENABLE_AUTH="false")
    assert code == 2
    # And no line of gRPC's own.
    sentence = f"PHOENIX_HOST, PHOENIX_GRPC_PORT: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert stderr == f"Error: {sentence}\n"


def test_two_servers_do_not_share_a_port(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        code, _ = serve_fails(tmp_path, PHOENIX_GRPC_PORT=server.address.rpartition(":")[2])
        assert code == 2


def test_a_file_that_is_no_database_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database" * 100)
    code, stderr = serve_fails(tmp_path, PHOENIX_SQL_DATABASE_URL=f"sqlite:///{tmp_path / 'x.db'}")
    assert code == 2
    assert "x.db" in stderr
    assert "Traceback" not in stderr


def test_each_call_is_one_line_and_no_secret_is_in_the_log(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        request = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        pair = server.auth.Login(request)
        session = bearer(pair.access_token)
        made = server.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=session)
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=(*bearer(made.key), ("x-request-id", "line-1")))
        for metadata in (bearer("not-a-real-token"), bearer("phgrpc_" + "A" * 49)):
            with pytest.raises(grpc.RpcError):
                server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=metadata)
        server.stop()
        text = "".join(server.lines)
    calls = [json.loads(line) for line in server.lines if '"event":"call"' in line]
    line = next(call for call in calls if call["request_id"] == "line-1")
    assert line["method"] == "/phoenix_grpc.v1.AuthService/WhoAmI"
    assert line["status"] == "OK"
    assert (line["principal"], line["user"] > 0) == ("USER_KEY", True)
    assert line["ms"] >= 0
    assert [call["status"] for call in calls].count("UNAUTHENTICATED") == 2
    for secret in (
        ADMIN_PASSWORD,
        ADMIN_SECRET,
        SECRET,
        made.key,
        pair.access_token,
        pair.refresh_token,
        "not-a-real-token",
    ):
        assert secret not in text


def test_it_may_open_as_many_files_as_the_system_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 500), hard))
    try:
        with ServerProcess(tmp_path) as server:
            assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_clients_may_ping_every_30_seconds(tmp_path: Path) -> None:
    """Pings every second, far more often than that, are no reason to be sent away (GOAWAY would end READY)."""
    with ServerProcess(tmp_path) as server:
        options = [
            ("grpc.keepalive_time_ms", 1000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
        ]
        with grpc.insecure_channel(server.address, options) as channel:
            call = channel.unary_unary("/phoenix_grpc.v1.AuthService/GetServerConfig")
            states: list[grpc.ChannelConnectivity] = []
            call(b"")
            channel.subscribe(states.append)
            time.sleep(4)
            call(b"")
            assert set(states) == {grpc.ChannelConnectivity.READY}


def test_reflection_v1_describes_every_service(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        rpc = server.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        (listed,) = rpc(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = [service.name for service in listed.list_services_response.service]
        assert {*SERVICES[1:], "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= set(names)
        asks = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]
        for name, answer in zip(names, rpc(iter(asks)), strict=True):
            pool = descriptor_pool.DescriptorPool()
            for file in reversed(answer.file_descriptor_response.file_descriptor_proto):
                pool.AddSerializedFile(file)
            assert pool.FindServiceByName(name).methods


def test_the_first_password_is_shown_even_when_the_start_fails_later(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        store = {"PHOENIX_SECRET": SECRET, "PHOENIX_SQL_DATABASE_URL": database_url(tmp_path)}
        code, stderr = serve_fails(tmp_path, PHOENIX_GRPC_PORT=port, **store)
    assert code == 2
    shown = re.search(r"Password: +(\S+)", stderr)
    assert shown is not None
    with ServerProcess(tmp_path, PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD="") as server:
        server.auth.Login(auth_pb2.LoginRequest(email="admin@localhost", password=shown[1]))


def test_health_says_not_serving_at_once_while_an_http_request_still_runs(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SHUTDOWN_GRACE_SECONDS="3") as server:
        host, _, port = server.started["http"].removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as slow:
            head = f"POST /auth/login HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
            slow.sendall(f"{head}content-length: 100\r\n\r\n".encode())
            watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(), timeout=10)
            assert next(watch).status == SERVING
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            assert next(watch).status == NOT_SERVING
            assert server.process.poll() is None
            watch.cancel()
        stopping.join(20)
        assert server.process.returncode == 0
