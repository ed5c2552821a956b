"""grpc-health-probe, which Kubernetes and others run, asks a real server."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.certificates import issue
from tests.faults.cluster import until
from tests.process import ServerProcess


def probe(server: ServerProcess, *words: str, host: str = "127.0.0.1") -> int:
    """The exit code of a probe: 0 is serving, 4 is not."""
    if shutil.which("grpc-health-probe") is None and "CI" not in os.environ:
        pytest.skip("grpc-health-probe is missing: see CONTRIBUTING.md")
    port = server.address.rpartition(":")[2]
    command = ["grpc-health-probe", f"-addr={host}:{port}", *words]
    return subprocess.run(command, capture_output=True, timeout=30).returncode


def test_a_server_is_serving_until_it_stops(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SHUTDOWN_DELAY_SECONDS="3") as server:
        assert probe(server) == 0
        assert probe(server, "-service=phoenix_grpc.v1.DatasetsService") == 0
        assert probe(server, "-service=made.up") != 0
        server.process.send_signal(signal.SIGTERM)
        until(lambda: probe(server) == 4, 3)


def test_it_probes_over_tls(tmp_path: Path) -> None:
    variables = issue(trustme.CA(), tmp_path)
    with ServerProcess(tmp_path, **variables, PHOENIX_TLS_ENABLED="true") as server:
        tls = ("-tls", f"-tls-ca-cert={tmp_path / 'ca.pem'}")
        assert probe(server, *tls, host="localhost") == 0
        assert probe(server, host="localhost") != 0
