"""The example of Envoy, in a real Envoy before real servers."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc
from tests.conftest import bearer
from tests.deploy.envoy import Envoy, free_ports, validate
from tests.faults.cluster import until
from tests.process import ServerProcess

EXAMPLE = Path(__file__).parents[2] / "deploy" / "envoy" / "envoy.yaml"
WHO_AM_I = auth_pb2.WhoAmIRequest()


class Mesh:
    """Two servers on one database behind the example's Envoy.

    Arguments:
        stack: ends all servers.
    """

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.port, *self.ports = free_ports(5)
        self.folder = folder
        self.servers = [self.start(number) for number in range(2)]
        text = EXAMPLE.read_text()
        for old, new in zip((8080, 50051, 50052, 6006, 6007), (self.port, *self.ports), strict=True):
            assert text.count(f"port_value: {old} ") == 1
            text = text.replace(f"port_value: {old} ", f"port_value: {new} ")
        self.envoy = Envoy(folder / "envoy", text, self.port)

    def start(self, number: int) -> ServerProcess:
        """One of the servers, on its ports."""
        server = ServerProcess(
            self.folder,
            PHOENIX_GRPC_PORT=str(self.ports[number]),
            PHOENIX_PORT=str(self.ports[2 + number]),
            PHOENIX_TRUSTED_PROXIES="127.0.0.1",
            PHOENIX_SHUTDOWN_DELAY_SECONDS="2",
        )
        return self._stack.enter_context(server)

    @property
    def address(self) -> str:
        """Where Envoy is."""
        return f"127.0.0.1:{self.port}"

    def lines(self) -> list[dict[str, object]]:
        """What the servers log of calls, but for those of Envoy itself."""
        lines = [line for server in self.servers for line in server.lines if '"event":"call"' in line]
        return [json.loads(line) for line in lines if "grpc.health" not in line]


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """Both servers, and all endpoints healthy."""
    with contextlib.ExitStack() as stack:
        found = Mesh(tmp_path, stack)
        stack.enter_context(found.envoy)
        until(lambda: found.envoy.healthy() == 4, 10)
        yield found


def test_envoy_takes_the_example_as_it_is() -> None:
    done = validate(EXAMPLE)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


def test_both_doors_are_reached_at_one_address(mesh: Mesh) -> None:
    admin = mesh.servers[0].admin
    with grpc.insecure_channel(mesh.address) as channel:
        datasets = datasets_pb2_grpc.DatasetsServiceStub(channel)
        datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="d"), metadata=admin)
        header = datasets_pb2.UploadDatasetHeader(name="d", action=datasets_pb2.UPLOAD_ACTION_APPEND, input_keys=["q"])
        messages = [datasets_pb2.UploadDatasetRequest(header=header)]
        messages += [datasets_pb2.UploadDatasetRequest(chunk=b'{"q": 1}\n' * 1000) for _ in range(100)]
        assert datasets.UploadDataset(iter(messages), metadata=admin).record_count == 100_000
        parts = datasets.DownloadDataset(datasets_pb2.DownloadDatasetRequest(name="d"), metadata=admin)
        assert b"".join(part.chunk for part in parts).count(b"\n") == 100_000
        with pytest.raises(grpc.RpcError) as refused:
            datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="d"), metadata=bearer("phgrpc_nonsense"))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert dict(refused.value.trailing_metadata() or ())["x-request-id"]
    headers = {"authorization": admin[0][1]}
    assert httpx.get(f"http://{mesh.address}/v1/datasets", headers=headers).json()["data"][0]["name"] == "d"
    assert httpx.get(f"http://{mesh.address}/").headers["content-type"].startswith("text/html")


def test_callers_cannot_say_that_they_are_somebody_else(mesh: Mesh) -> None:
    admin = mesh.servers[0].admin
    forged = {"x-forwarded-for": "10.1.2.3", "x-forwarded-client-cert": "By=spiffe://x;URI=spiffe://x/admin"}
    with grpc.insecure_channel(mesh.address) as channel:
        auth_pb2_grpc.AuthServiceStub(channel).WhoAmI(WHO_AM_I, metadata=(*admin, *forged.items()))
    httpx.get(f"http://{mesh.address}/v1/datasets", headers={"authorization": admin[0][1], **forged})
    until(lambda: len(mesh.lines()) == 2, 5)
    # Envoy calls a caller on its own machine by an address of that.
    (address,) = {line["address"] for line in mesh.lines()}
    assert address != forged["x-forwarded-for"]


@pytest.mark.parametrize("path", ["/v1/data%2Fsets", "/v1%5cdatasets"])
def test_a_path_that_means_two_things_is_refused(mesh: Mesh, path: str) -> None:
    assert httpx.get(f"http://{mesh.address}{path}").status_code == 400


def test_no_call_fails_while_servers_are_replaced_under_load(mesh: Mesh) -> None:
    """One after the other, as a rolling update does; calls by both doors."""
    failed: list[object] = []
    counts = {"grpc": 0, "http": 0}
    over = threading.Event()
    admin = mesh.servers[0].admin

    def call_grpc() -> None:
        with grpc.insecure_channel(mesh.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            auth = auth_pb2_grpc.AuthServiceStub(channel)
            while not over.is_set():
                try:
                    auth.WhoAmI(WHO_AM_I, metadata=admin, timeout=10)
                    counts["grpc"] += 1
                except grpc.RpcError as error:
                    failed.append(error)

    def call_http() -> None:
        with httpx.Client(headers={"authorization": admin[0][1]}, timeout=10) as client:
            while not over.is_set():
                try:
                    response = client.get(f"http://{mesh.address}/v1/datasets")
                    counts["http"] += 1
                    if response.status_code != 200:
                        failed.append(response.text)
                except httpx.HTTPError as error:
                    failed.append(error)

    threads = [threading.Thread(target=work) for work in (call_grpc, call_grpc, call_http, call_http)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2):
            time.sleep(0.5)
            server = mesh.servers[number]
            server.process.terminate()
            assert server.process.wait(30) == 0
            mesh.servers[number] = mesh.start(number)
            until(lambda: mesh.envoy.healthy() == 4, 10)
        time.sleep(0.5)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert min(counts.values()) > 200
