"""What two scanners that others wrote say of TLS on both doors: testssl.sh (Debian) and sslyze (PyPI, see .ci/run)."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.certificates import issue
from tests.process import ServerProcess

# An authority of our own names no place of revocations, and no records of a domain; gRPC's library has no order of
# preference, and all that it offers is as good; the curve that Mozilla leaves out is larger than those that it wants.
KNOWN = {
    "http": {"cert_revocation", "DNS_CAArecord", "OCSP_stapling", "tls_curves"},
    "grpc": {"cert_revocation", "DNS_CAArecord", "OCSP_stapling", "tls_curves", "cipher_order"},
}
GRAVE = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """A server that speaks TLS on both doors."""
    variables = issue(trustme.CA(), folder, days=80)
    with ServerProcess(folder, **variables, PHOENIX_TLS_ENABLED="true") as server:
        yield server


def port_of(server: ServerProcess, door: str) -> str:
    return str(server.started[door].rpartition(":")[2])


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_testssl_finds_nothing_grave(server: ServerProcess, folder: Path, door: str) -> None:
    report = folder / f"{door}.json"
    options = ["--quiet", "--warnings", "off", "--color", "0", "--add-ca", str(folder / "ca.pem")]
    parts = ["--protocols", "--std", "--fs", "--server-defaults", "--server-preference", "--vulnerable"]
    command = ["testssl", *options, *parts, "--jsonfile", str(report), f"localhost:{port_of(server, door)}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    found = {entry["id"]: entry for entry in json.loads(report.read_text())}
    assert found["TLS1_3"]["severity"] == "OK", done.stdout
    assert found["TLS1_2"]["severity"] == "OK"
    assert found["cert_chain_of_trust"]["severity"] == "OK"
    grave = {name: entry["finding"] for name, entry in found.items() if entry["severity"] in GRAVE}
    assert grave.keys() <= KNOWN[door], grave


@pytest.mark.parametrize("door", ["http", "grpc"])
def test_sslyze_finds_what_mozilla_asks_for(server: ServerProcess, folder: Path, door: str) -> None:
    report = folder / f"{door}-sslyze.json"
    command = [
        *shlex.split(os.environ.get("SSLYZE", "sslyze")),
        "--mozilla_config=intermediate",
        f"--certinfo_ca_file={folder / 'ca.pem'}",
        f"localhost:{port_of(server, door)}",
    ]
    done = subprocess.run([*command, f"--json_out={report}"], capture_output=True, text=True, timeout=120)
    assert report.exists(), done.stderr
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    faults = [line.strip("* ").partition(":")[0] for line in done.stdout.splitlines() if line.startswith("        * ")]
    # The path is checked with a list of authorities of its own, which has not ours.
    assert set(faults) <= {*KNOWN[door], "certificate_path_validation"}, done.stdout
    results = json.loads(report.read_text())["server_scan_results"][0]["scan_result"]
    for version in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        assert results[f"{version}_cipher_suites"]["result"]["accepted_cipher_suites"] == [], version
    assert not results["heartbleed"]["result"]["is_vulnerable_to_heartbleed"]
    assert not results["session_renegotiation"]["result"]["is_vulnerable_to_client_renegotiation_dos"]
