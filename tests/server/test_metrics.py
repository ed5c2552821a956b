"""The admin port: what Prometheus, probes and nobody else learn, from one process and from several."""

import os
import re
import signal
import time
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.certificates import issue
from tests.conftest import bearer
from tests.faults.cluster import until
from tests.process import ServerProcess, serve_fails
from tests.server.test_workers import workers_of

WHO_AM_I = auth_pb2.WhoAmIRequest()
ON = {"PHOENIX_ADMIN_PORT": "0"}
COUNTED = "phoenix_grpc_calls_total OK /phoenix_grpc.v1.AuthService/WhoAmI"
DOCS = Path(__file__).parents[2] / "docs" / "operations.md"


def admin_url(server: ServerProcess) -> str:
    """Where the admin port is."""
    found = re.search(r'"address":"([^"]+)","event":"admin port"', "".join(server.lines))
    assert found is not None
    return f"http://{found[1]}"


def metrics_of(server: ServerProcess) -> dict[str, float]:
    """All samples, by name and labels."""
    response = httpx.get(f"{admin_url(server)}/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("workers", ["1", "2"])
def test_calls_of_both_doors_are_counted_whichever_process_serves_them(tmp_path: Path, workers: str) -> None:
    with ServerProcess(tmp_path, **ON, PHOENIX_WORKERS=workers) as server:
        for number in range(40):
            options = [("grpc.use_local_subchannel_pool", 1), ("number", number)]
            with grpc.insecure_channel(server.address, options) as channel:
                who = channel.unary_unary("/phoenix_grpc.v1.AuthService/WhoAmI")
                who(WHO_AM_I.SerializeToString(), metadata=server.admin)
        headers = {"authorization": server.admin[0][1]}
        assert httpx.get(f"{server.started['http']}/v1/datasets", headers=headers).status_code == 200
        with pytest.raises(grpc.RpcError):
            server.auth.WhoAmI(WHO_AM_I, metadata=bearer("phgrpc_nonsense"))
        with pytest.raises(grpc.RpcError):
            server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="none"), metadata=server.admin)
        with pytest.raises(grpc.RpcError):
            server.channel.unary_unary("/made.up/Method")(b"", metadata=server.admin)
        time.sleep(1.2)
        found = metrics_of(server)
        who = "/phoenix_grpc.v1.AuthService/WhoAmI"
        assert found[f"phoenix_grpc_calls_total OK {who}"] == 40
        assert found[f"phoenix_grpc_calls_total UNAUTHENTICATED {who}"] == 1
        assert found["phoenix_grpc_calls_total OK /phoenix_grpc.v1.DatasetsService/ListDatasets"] == 1
        assert found["phoenix_grpc_calls_total NOT_FOUND /phoenix_grpc.v1.DatasetsService/GetDataset"] == 1
        assert found["phoenix_grpc_calls_total UNIMPLEMENTED unknown"] == 1
        assert found[f"phoenix_grpc_call_seconds_count {who}"] == 41
        assert 0 < found[f"phoenix_grpc_call_seconds_sum {who}"] < 41
        assert found["phoenix_grpc_callers_total ADMIN_SECRET"] == 43
        assert found["phoenix_grpc_refusals_total API_KEY_INVALID"] == 1
        assert found["phoenix_grpc_serving"] == 1
        assert found["phoenix_grpc_calls_in_flight"] == 0
        assert "made" not in httpx.get(f"{admin_url(server)}/metrics").text


def test_what_a_worker_counted_outlives_it_and_what_it_was_does_not(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, **ON, PHOENIX_WORKERS="2") as server:
        until(lambda: httpx.get(f"{admin_url(server)}/readyz").status_code == 200, 10)
        server.auth.WhoAmI(WHO_AM_I, metadata=server.admin)
        until(lambda: metrics_of(server).get(COUNTED) == 1, 5)
        victim = workers_of(server)[0]
        for worker in workers_of(server):
            os.kill(worker, signal.SIGKILL)
        until(lambda: len(workers_of(server)) == 2 and victim not in workers_of(server), 20)
        until(lambda: httpx.get(f"{admin_url(server)}/readyz").status_code == 200, 20)
        assert metrics_of(server)[COUNTED] == 1
    assert not list((tmp_path / "work").glob("metrics-*"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_readiness_ends_before_the_server_does(tmp_path: Path, workers: str) -> None:
    with ServerProcess(tmp_path, **ON, PHOENIX_WORKERS=workers, PHOENIX_SHUTDOWN_DELAY_SECONDS="3") as server:
        url = admin_url(server)
        until(lambda: httpx.get(f"{url}/readyz").status_code == 200, 10)
        assert httpx.get(f"{url}/healthz").text == "OK"
        server.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{url}/readyz").status_code == 503, 2)
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert server.process.wait(20) == 0


def test_nothing_else_is_served_there_and_nothing_there_by_default(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, **ON) as server:
        for path in ("/", "/v1/datasets", "/auth/login", "/metrics/x"):
            assert httpx.get(f"{admin_url(server)}{path}").status_code == 404
        assert httpx.post(f"{admin_url(server)}/metrics").status_code == 405
        assert httpx.get(f"{server.started['http']}/metrics").status_code == 404
    with ServerProcess(tmp_path / "other") as server:
        assert not any("admin port" in line for line in server.lines)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_stops_the_start(tmp_path: Path, workers: str) -> None:
    with ServerProcess(tmp_path / "one", **ON) as server:
        taken = {"PHOENIX_ADMIN_PORT": admin_url(server).rpartition(":")[2], "PHOENIX_WORKERS": workers}
        ports = {"PHOENIX_GRPC_PORT": "0", "PHOENIX_PORT": "0"}
        code, errors = serve_fails(tmp_path / "two", **taken, **ports)
    assert code == 2
    assert "Error: PHOENIX_ADMIN_HOST, PHOENIX_ADMIN_PORT: cannot listen on 127.0.0.1:" in errors
    assert "Traceback" not in errors


def test_the_end_of_the_certificate_is_there_with_tls(tmp_path: Path) -> None:
    variables = issue(trustme.CA(), tmp_path, days=10)
    with ServerProcess(tmp_path, **ON, **variables, PHOENIX_TLS_ENABLED="true") as server:
        time.sleep(1.2)
        assert 9 * 86_400 < metrics_of(server)["phoenix_grpc_certificate_seconds_left"] < 10 * 86_400


def test_files_and_the_store_are_counted_as_they_grow(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, **ON) as server:
        header = datasets_pb2.UploadDatasetHeader(
            name="counted", action=datasets_pb2.UPLOAD_ACTION_CREATE, input_keys=["q"]
        )
        lines = b"".join(b'{"q": %d}\n' % number for number in range(1500))
        messages = [
            datasets_pb2.UploadDatasetRequest(header=header),
            datasets_pb2.UploadDatasetRequest(chunk=lines),
        ]
        server.datasets.UploadDataset(iter(messages), metadata=server.admin)
        sent = 0
        for form in (datasets_pb2.DOWNLOAD_FORMAT_JSONL, datasets_pb2.DOWNLOAD_FORMAT_CSV):
            request = datasets_pb2.DownloadDatasetRequest(name="counted", format=form)
            sent += sum(len(part.chunk) for part in server.datasets.DownloadDataset(request, metadata=server.admin))
        time.sleep(1.2)
        found = metrics_of(server)
        assert found["phoenix_grpc_examples_total uploaded"] == 1500
        assert found["phoenix_grpc_examples_total downloaded"] == 3000
        assert found["phoenix_grpc_file_bytes_total uploaded"] == len(lines)
        assert found["phoenix_grpc_file_bytes_total downloaded"] == sent
        assert found["phoenix_grpc_credential_lookups_total verified"] == 1
        assert found["phoenix_grpc_credential_lookups_total remembered"] == 2
        assert found["phoenix_grpc_store_seconds_count write"] >= 1
        assert found["phoenix_grpc_store_seconds_count stage"] >= 2
        assert found["phoenix_grpc_store_seconds_count read"] >= 4
        # A read of the server's own may be under way when it is sampled.
        until(lambda: metrics_of(server)["phoenix_grpc_store_in_flight read"] == 0, 5)


def test_every_metric_is_documented_and_no_other(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, **ON) as server:
        server.auth.WhoAmI(WHO_AM_I, metadata=server.admin)
        until(lambda: metrics_of(server).get(COUNTED) == 1, 5)
        text = httpx.get(f"{admin_url(server)}/metrics").text
    families = {family.name for family in text_string_to_metric_families(text)}
    served = {re.sub("_created$", "", name) for name in families}
    documented = set(re.findall(r"(?m)^\| `(phoenix_grpc_\w+?)(?:_total)?(?:\{[^}]*\})?` \|", DOCS.read_text()))
    assert documented == served
