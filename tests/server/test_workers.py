"""Several workers on the same ports: started, watched, replaced and ended by their supervisor."""

import errno
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from phoenix_grpc.v1 import auth_pb2, datasets_pb2, datasets_pb2_grpc
from tests.conftest import SECRET, bearer, database_url
from tests.process import ServerProcess, serve_fails

WHO_AM_I = auth_pb2.WhoAmIRequest()


def workers_of(server: ServerProcess) -> list[int]:
    """The process ids of its workers."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return [int(child) for child in children.split()]


def new_channel(server: ServerProcess) -> grpc.Channel:
    """A connection of its own, which any of the workers may get."""
    return grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)])


def wait_until(check: object, seconds: float = 20) -> None:
    """Waits until `check` returns something true."""
    end = time.monotonic() + seconds
    while not check():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server of three workers."""
    with ServerProcess(tmp_path, PHOENIX_WORKERS="3", PHOENIX_SHUTDOWN_GRACE_SECONDS="3") as server:
        yield server


def lines_of(server: ServerProcess) -> list[dict[str, object]]:
    """The lines of the log, which are all whole."""
    return [json.loads(line) for line in list(server.lines) if line.strip()]


def test_workers_share_the_ports_and_one_log(server: ServerProcess) -> None:
    assert len(workers_of(server)) == 3
    for _ in range(40):
        with new_channel(server) as channel:
            stub = datasets_pb2_grpc.DatasetsServiceStub(channel)
            stub.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=server.admin)
        assert httpx.get(f"{server.started['http']}/readyz").status_code == 200
    wait_until(lambda: len({line.get("worker") for line in lines_of(server) if line["event"] == "call"}) > 1)
    assert [line.get("workers") for line in lines_of(server) if line["event"] == "serving"] == [3]


def test_a_key_that_one_worker_revokes_is_refused_by_all(server: ServerProcess) -> None:
    for _ in range(5):
        made = server.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=server.admin)
        channels = [new_channel(server) for _ in range(12)]
        stubs = [datasets_pb2_grpc.DatasetsServiceStub(channel) for channel in channels]
        for stub in stubs:
            stub.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=bearer(made.key))
        request = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
        server.auth.RevokeSystemApiKey(request, metadata=server.admin)
        for stub in stubs:
            with pytest.raises(grpc.RpcError) as caught:
                stub.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=bearer(made.key))
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        for channel in channels:
            channel.close()


def test_a_worker_that_is_killed_is_replaced(server: ServerProcess) -> None:
    before = workers_of(server)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(set(workers_of(server)) - set(before)) == 1)
    wait_until(lambda: [line for line in lines_of(server) if line["event"] == "a worker ended; it is started again"])
    server.auth.WhoAmI(WHO_AM_I, metadata=server.admin, wait_for_ready=True)


def test_a_roll_replaces_every_worker_and_calls_go_on(server: ServerProcess) -> None:
    """A call that meets the end of its connection may fail, as the client sees, and succeeds when it is repeated."""
    before = set(workers_of(server))
    repeated: list[grpc.StatusCode] = []
    served = 0
    ended = threading.Event()

    def list_once(stub: datasets_pb2_grpc.DatasetsServiceStub) -> None:
        request = datasets_pb2.ListDatasetsRequest()
        stub.ListDatasets(request, metadata=server.admin, wait_for_ready=True, timeout=20)

    def call() -> None:
        nonlocal served
        with new_channel(server) as channel:
            stub = datasets_pb2_grpc.DatasetsServiceStub(channel)
            while not ended.is_set():
                try:
                    list_once(stub)
                except grpc.RpcError as error:
                    repeated.append(error.code())
                    list_once(stub)
                served += 1

    with ThreadPoolExecutor(6) as pool:
        calls = [pool.submit(call) for _ in range(6)]
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(set(workers_of(server))) == 3 and not before & set(workers_of(server)), 60)
        ended.set()
    for one in calls:
        one.result()
    assert set(repeated) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert len(repeated) <= 6 * 3
    assert served > 50


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, PHOENIX_WORKERS="2")
    workers = workers_of(server)
    server.kill()
    wait_until(lambda: not [worker for worker in workers if Path(f"/proc/{worker}/cmdline").exists()])


def test_sigterm_drains_all_and_exits_zero(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_WORKERS="2") as server:
        workers = workers_of(server)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    assert not [worker for worker in workers if Path(f"/proc/{worker}/cmdline").exists()]


def late_upload(may_end: threading.Event) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    """An upload that is under way until it may end."""
    header = datasets_pb2.UploadDatasetHeader(name="late", action="UPLOAD_ACTION_CREATE")
    yield datasets_pb2.UploadDatasetRequest(header=header)
    yield datasets_pb2.UploadDatasetRequest(chunk=b'{"input": {"n": 1}}\n')
    may_end.wait(20)


def test_workers_that_are_told_twice_go_on_with_their_drain(tmp_path: Path) -> None:
    """As by systemd, which tells all processes of a unit, of which the supervisor tells its workers again."""
    with ServerProcess(tmp_path, PHOENIX_WORKERS="2", PHOENIX_SHUTDOWN_GRACE_SECONDS="10") as server:
        may_end = threading.Event()
        call = server.datasets.UploadDataset.future(late_upload(may_end), metadata=server.admin)
        time.sleep(0.3)
        for process in (*workers_of(server), server.process.pid):
            os.kill(process, signal.SIGTERM)
        time.sleep(0.5)
        may_end.set()
        assert call.result(10).created_count == 1
        assert server.process.wait(20) == 0


def test_a_port_that_another_server_shares_is_refused(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "a", PHOENIX_WORKERS="2") as server:
        port = server.address.rpartition(":")[2]
        code, stderr = serve_fails(tmp_path / "b", PHOENIX_WORKERS="2", PHOENIX_GRPC_PORT=port, PHOENIX_PORT="0")
        assert (code, stderr) == (
            2,
            f"Error: PHOENIX_HOST, PHOENIX_GRPC_PORT: cannot listen on 127.0.0.1:{port}: {IN_USE}\n",
        )


IN_USE = os.strerror(errno.EADDRINUSE)


def test_a_first_worker_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    variables = {"PHOENIX_WORKERS": "2", "PHOENIX_GRPC_PORT": "0", "PHOENIX_PORT": "0"}
    code, stderr = serve_fails(tmp_path, **variables, PHOENIX_SQL_DATABASE_URL="sqlite:////proc/nowhere/x.db")
    assert code == 2
    assert "/proc/nowhere/x.db" in stderr


@pytest.mark.sqlite
def test_the_first_password_is_shown_once(tmp_path: Path) -> None:
    variables = {"PHOENIX_SECRET": "", "PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD": "", "PHOENIX_WORKERS": "2"}
    with ServerProcess(tmp_path, **variables) as server:
        assert "".join(server.lines).count("Password:") == 1


def test_more_connections_than_workers_are_spread(server: ServerProcess) -> None:
    address = (server.address.rpartition(":")[0], int(server.address.rpartition(":")[2]))
    sockets = [socket.create_connection(address) for _ in range(60)]
    try:
        counts = []
        for worker in workers_of(server):
            shown = subprocess.run(["ls", "-l", f"/proc/{worker}/fd"], capture_output=True, text=True, check=True)
            counts.append(shown.stdout.count("socket:"))
        assert min(counts) > 5
    finally:
        for one in sockets:
            one.close()


def left(processes: list[int]) -> list[int]:
    """Those of the processes that have not ended."""
    return [process for process in processes if Path(f"/proc/{process}/cmdline").exists()]


@pytest.mark.sqlite
def test_a_roll_whose_worker_cannot_start_changes_nothing_and_the_next_one_does(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_WORKERS="2", PHOENIX_SECRET="") as server:
        before = workers_of(server)
        secret = tmp_path / "work" / "secret"
        kept = secret.read_text()
        secret.write_text("weak")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stay as they are" in "".join(server.lines))
        assert workers_of(server) == before
        secret.write_text(kept)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(workers_of(server)) == 2 and not set(workers_of(server)) & set(before), 40)
        after = workers_of(server)
        assert server.stop() == 0
    assert not left(after)


def test_sigterm_during_a_start_ends_what_was_started(tmp_path: Path) -> None:
    server = ServerProcess.__new__(ServerProcess)
    process = subprocess.Popen(
        [sys.executable, "-m", "phoenix_grpc", "serve", "--workers", "30", "--port", "0", "--grpc-port", "0"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PHOENIX_WORKING_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    server.process = process  # type: ignore[assignment]
    assert process.stderr is not None
    for line in process.stderr:
        if "worker serves" in line:
            break
    workers = workers_of(server)
    process.send_signal(signal.SIGTERM)
    assert '"serving"' not in process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert not left(workers)


def test_sigterm_during_a_roll_waits_for_the_worker_that_drains(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_WORKERS="2", PHOENIX_SHUTDOWN_GRACE_SECONDS="4") as server:
        may_end = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(server.datasets.UploadDataset, late_upload(may_end), metadata=server.admin)
            wait_until(lambda: len(lines_of(server)) >= 3)
            for _ in range(50):
                server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len([line for line in lines_of(server) if line["event"] == "stopping"]) >= 1)
            workers = workers_of(server)
            server.process.send_signal(signal.SIGTERM)
            may_end.set()
            assert call.result().created_count == 1
        assert server.process.wait(20) == 0
    assert not left(workers)


def test_the_unix_socket_stays_through_a_roll_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ServerProcess(tmp_path, PHOENIX_WORKERS="2", PHOENIX_GRPC_UNIX_SOCKET=str(path)) as server:
        for _ in range(2):
            before = workers_of(server)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(workers_of(server)) == 2 and not set(workers_of(server)) & set(before), 40)  # noqa: B023
            with grpc.insecure_channel(f"unix:{path}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = datasets_pb2_grpc.DatasetsServiceStub(channel)
                stub.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=server.admin)
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()
    assert not list(tmp_path.glob(".[0-9]*"))


def upload_once(server: ServerProcess, name: str, ended: threading.Event, refused: list[grpc.StatusCode]) -> bool:
    """Uploads 50 examples, again and again until that is acknowledged or the test ends; whether it was."""
    header = datasets_pb2.UploadDatasetHeader(name=name, action="UPLOAD_ACTION_CREATE", request_id=str(uuid.uuid4()))
    first = datasets_pb2.UploadDatasetRequest(header=header)
    second = datasets_pb2.UploadDatasetRequest(chunk=b'{"input": {"n": 1}}\n' * 50)
    while not ended.is_set():
        try:
            with new_channel(server) as channel:
                stub = datasets_pb2_grpc.DatasetsServiceStub(channel)
                stub.UploadDataset(iter([first, second]), metadata=server.admin, timeout=20)
            return True
        except grpc.RpcError as error:
            refused.append(error.code())
    return False


def all_datasets(server: ServerProcess) -> list[datasets_pb2.Dataset]:
    """All datasets, however many pages they take."""
    request, found = datasets_pb2.ListDatasetsRequest(page_size=1000), list[datasets_pb2.Dataset]()
    while True:
        page = server.datasets.ListDatasets(request, metadata=server.admin)
        found += page.datasets
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def test_workers_that_are_killed_under_load_lose_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    refused: list[grpc.StatusCode] = []
    ended = threading.Event()

    def write(writer: int) -> None:
        for number in itertools.count():
            if not upload_once(server, f"{writer}-{number}", ended, refused):
                return
            acknowledged.append(f"{writer}-{number}")

    with ServerProcess(tmp_path, PHOENIX_WORKERS="2") as server:
        with ThreadPoolExecutor(3) as pool:
            writers = [pool.submit(write, writer) for writer in range(3)]
            try:
                for killed in range(KILLS):
                    time.sleep(random.uniform(0.3, 1.5))
                    wait_until(lambda: len(workers_of(server)) == 2)
                    os.kill(workers_of(server)[killed % 2], signal.SIGKILL)
                before = len(acknowledged)
                wait_until(lambda: len(acknowledged) > before + 5)
            finally:
                ended.set()
        for one in writers:
            one.result()
        found = all_datasets(server)
    counts = {dataset.name: dataset.example_count for dataset in found}
    assert set(acknowledged) <= set(counts)
    assert set(counts.values()) == {50}
    assert set(refused) <= {grpc.StatusCode.UNAVAILABLE}


KILLS = int(os.environ.get("WORKER_KILLS", "4"))


def listening(family: socket.AddressFamily, host: str) -> socket.socket:
    """A socket that listens on a free port, which others may share."""
    taken = socket.socket(family)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind((host, 0))
    taken.listen()
    return taken


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("setting", ["PHOENIX_GRPC_PORT", "PHOENIX_PORT"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_for_ipv4_alone_stops_the_start_for_both(
    tmp_path: Path, setting: str, workers: str
) -> None:
    with listening(socket.AF_INET, "0.0.0.0") as taken:
        ports = {"PHOENIX_GRPC_PORT": "0", "PHOENIX_PORT": "0", setting: str(taken.getsockname()[1])}
        code, stderr = serve_fails(
            tmp_path,
            PHOENIX_HOST="::",
            PHOENIX_WORKERS=workers,
            PHOENIX_ENABLE_AUTH="false",
            PHOENIX_SECRET=SECRET,
            PHOENIX_SQL_DATABASE_URL=database_url(tmp_path),
            **ports,
        )
    assert code == 2
    assert "Address already in use" in stderr


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_all_addresses_of_ipv6_are_those_of_ipv4_as_well(tmp_path: Path, workers: str) -> None:
    with ServerProcess(tmp_path, PHOENIX_HOST="::", PHOENIX_WORKERS=workers) as server:
        http_port = server.started["http"].rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{http_port}/readyz").status_code == 200
            with grpc.insecure_channel(f"{host}:{server.address.rpartition(':')[2]}") as channel:
                health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
                assert health.status == health_pb2.HealthCheckResponse.SERVING
