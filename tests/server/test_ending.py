"""How a server ends: load balancers first, calls in time, at once when told twice; and as the first of a container."""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2
from tests.conftest import details, reason_of
from tests.faults.cluster import until
from tests.process import ServerProcess

WHO_AM_I = auth_pb2.WhoAmIRequest()
HEALTH = health_pb2.HealthCheckRequest()


def endless(parts: "queue.Queue[bytes | None]") -> Iterator[datasets_pb2.UploadDatasetRequest]:
    """An upload that sends what it is given, until that is None."""
    header = datasets_pb2.UploadDatasetHeader(name="endless", action="UPLOAD_ACTION_APPEND")
    yield datasets_pb2.UploadDatasetRequest(header=header)
    while (part := parts.get()) is not None:
        yield datasets_pb2.UploadDatasetRequest(chunk=part)


def test_calls_are_served_while_load_balancers_turn_away(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SHUTDOWN_DELAY_SECONDS="2") as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        assert health.Check(HEALTH).status == health_pb2.HealthCheckResponse.SERVING
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: health.Check(HEALTH).status == health_pb2.HealthCheckResponse.NOT_SERVING, 1)
        assert httpx.get(f"{server.started['http']}/readyz").status_code == 503
        assert httpx.get(f"{server.started['http']}/healthz").status_code == 200
        with grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)]) as fresh:
            for channel in (server.channel, fresh):
                auth_pb2_grpc.AuthServiceStub(channel).WhoAmI(WHO_AM_I, metadata=server.admin)
        assert server.process.wait(20) == 0
        assert time.monotonic() - begun > 2


def test_a_stream_that_goes_on_beyond_the_grace_is_told_how_to_go_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SHUTDOWN_GRACE_SECONDS="2") as server:
        parts: queue.Queue[bytes | None] = queue.Queue()
        upload = server.datasets.UploadDataset.future(endless(parts), metadata=server.admin)
        parts.put(b'{"input": {"a": 1}}\n')
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(60):
            parts.put(b'{"input": {"a": 1}}\n')
            time.sleep(0.05)
        error = upload.exception(5)
        parts.put(None)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(error) == "DRAINING"
        assert "RetryInfo" in details(error)
        assert "after_example_id" in error.details()
        assert server.process.wait(20) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("order", [signal.SIGTERM, signal.SIGINT])
def test_whoever_is_told_twice_ends_at_once(tmp_path: Path, workers: str, order: signal.Signals) -> None:
    with ServerProcess(tmp_path, PHOENIX_SHUTDOWN_GRACE_SECONDS="60", PHOENIX_WORKERS=workers) as server:
        parts: queue.Queue[bytes | None] = queue.Queue()
        upload = server.datasets.UploadDataset.future(endless(parts), metadata=server.admin)
        parts.put(b'{"input": {"a": 1}}\n')
        time.sleep(0.3)
        server.process.send_signal(order)
        time.sleep(0.5)
        assert server.process.poll() is None
        server.process.send_signal(order)
        assert server.process.wait(5) == 128 + order
        parts.put(None)
        assert upload.exception(5) is not None
    assert any("told to stop once more" in line for line in server.lines)


def test_hardly_a_call_fails_while_one_of_two_servers_ends(tmp_path: Path) -> None:
    """Clients that know both addresses and watch nothing but the connection, as gRPC's own balancing does."""
    delay = {"PHOENIX_SHUTDOWN_DELAY_SECONDS": "0.5", "PHOENIX_SHUTDOWN_GRACE_SECONDS": "5"}
    with ServerProcess(tmp_path, **delay) as one, ServerProcess(tmp_path, **delay) as two:
        target = "ipv4:" + ",".join(server.address for server in (one, two))
        options = [("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}')]
        failures: list[grpc.RpcError] = []
        counts = [0, 0]
        stop = threading.Event()

        def call(number: int) -> None:
            with grpc.insecure_channel(target, [*options, ("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = auth_pb2_grpc.AuthServiceStub(channel)
                while not stop.is_set():
                    try:
                        stub.WhoAmI(WHO_AM_I, metadata=one.admin, timeout=10)
                        counts[number] += 1
                    except grpc.RpcError as error:
                        failures.append(error)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        assert one.stop() == 0
        time.sleep(1)
        stop.set()
        for thread in threads:
            thread.join()
        # What C-core has not handed over yet when it is told to stop, it drops.
        assert {error.code() for error in failures} <= {grpc.StatusCode.CANCELLED}
        assert len(failures) <= 2
        assert min(counts) > 50


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_needs_no_init_before_it_in_a_container(tmp_path: Path, workers: str) -> None:
    """As the first process it gets its signals, and reaps what others leave to it."""
    if (shutil.which("unshare") is None or os.geteuid() != 0) and "CI" not in os.environ:
        pytest.skip("needs unshare (util-linux), and root")
    unshared = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    with ServerProcess(tmp_path, before=unshared, PHOENIX_WORKERS=workers) as server:
        (first,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        server.auth.WhoAmI(WHO_AM_I, metadata=server.admin)
        orphan = ["nsenter", "-t", first, "-p", "-m", "sh", "-c", "(sleep 0.3; exit 0) & sleep 0.1"]
        subprocess.run(orphan, check=True)
        until(lambda: zombies(first), 5)
        until(lambda: not zombies(first), 10)
        os.kill(int(first), signal.SIGTERM)
        assert server.process.wait(20) == 0


def zombies(parent: str) -> list[str]:
    """The children of a process that have ended, and that nobody has asked after."""
    found = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                found.append(child)
    return found
