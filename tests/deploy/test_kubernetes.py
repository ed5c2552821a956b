"""The Helm chart and the kustomization, by helm, kustomize and the schemas of Kubernetes."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from phoenix_grpc.config import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
VERSIONS = ("1.31", "1.37")
POSTGRES = ("database.kind=postgresql", "replicas=5")
TLS = ("tls.secretName=certificate",)
SETTINGS = ("settings.PHOENIX_ROOT_URL=https://x.example", "settings.PHOENIX_WORKERS=2")
Objects = dict[str, dict[str, Any]]


def run(tool: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Runs helm or kustomize; CONTRIBUTING.md says how to get them."""
    if shutil.which(tool) is None and "CI" not in os.environ:
        pytest.skip(f"{tool} is missing: see CONTRIBUTING.md")
    return subprocess.run([tool, *map(str, words)], capture_output=True, text=True)


def objects(text: str) -> Objects:
    """The objects in a stream of YAML, by kind: there is one of each."""
    found = [one for one in yaml.safe_load_all(text) if one]
    by_kind = {one["kind"]: one for one in found}
    assert len(by_kind) == len(found)
    return by_kind


def charted(*values: str) -> Objects:
    done = run("helm", "template", "p", DEPLOY / "helm", *(f"--set={value}" for value in values))
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


def kustomized(folder: str) -> Objects:
    done = run("kustomize", "build", DEPLOY / "kustomize" / folder)
    assert done.returncode == 0, done.stderr
    return objects(done.stdout)


MADE = {
    "helm sqlite": charted,
    "helm postgresql": lambda: charted(*POSTGRES),
    "helm tls": lambda: charted(*TLS, *SETTINGS, "database.volume.storageClass=fast"),
    "kustomize sqlite": lambda: kustomized("base"),
    "kustomize postgresql": lambda: kustomized("postgres"),
}


@pytest.mark.parametrize("name", MADE)
def test_kubernetes_knows_every_field(name: str) -> None:
    for made in MADE[name]().values():
        for version in VERSIONS:
            kubernetes_validate.validate(made, version, strict=True)


@pytest.mark.parametrize("name", MADE)
def test_the_pod_has_no_rights_and_writes_one_folder(name: str) -> None:
    made = MADE[name]()
    pod = made["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is made["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    written = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert written == ["/data"]
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", MADE)
def test_it_names_settings_ports_and_labels_that_there_are(name: str) -> None:
    made = MADE[name]()
    spec = made["Deployment"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert {name.removeprefix("PHOENIX_").lower() for name in variables} <= set(Settings.model_fields)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports["grpc"] == Settings.model_fields["grpc_port"].default
    assert ports["http"] == Settings.model_fields["port"].default
    assert str(ports["admin"]) == variables["PHOENIX_ADMIN_PORT"]["value"]
    assert {port["targetPort"] for port in made["Service"]["spec"]["ports"]} <= set(ports)
    labels = spec["template"]["metadata"]["labels"]
    for selector in (
        spec["selector"]["matchLabels"],
        made["Service"]["spec"]["selector"],
        made["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels.items()


@pytest.mark.parametrize("name", MADE)
def test_it_has_the_patience_that_a_stopping_server_needs(name: str) -> None:
    pod = MADE[name]()["Deployment"]["spec"]["template"]["spec"]
    variables = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    delay = float(variables["PHOENIX_SHUTDOWN_DELAY_SECONDS"])
    default = Settings.model_fields["shutdown_grace_seconds"].default
    grace = float(variables.get("PHOENIX_SHUTDOWN_GRACE_SECONDS", default))
    readiness = pod["containers"][0]["readinessProbe"]
    assert delay >= readiness["periodSeconds"] + readiness["timeoutSeconds"]
    assert pod["terminationGracePeriodSeconds"] >= delay + grace + 10


@pytest.mark.parametrize("name", ["helm sqlite", "kustomize sqlite"])
def test_a_volume_belongs_to_one_pod_at_a_time(name: str) -> None:
    made = MADE[name]()
    assert made["Deployment"]["spec"]["replicas"] == 1
    assert made["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    (volume,) = made["Deployment"]["spec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == made["PersistentVolumeClaim"]["metadata"]["name"]
    assert "PodDisruptionBudget" not in made


@pytest.mark.parametrize("name", ["helm postgresql", "kustomize postgresql"])
def test_servers_on_postgresql_are_replaced_one_by_one(name: str) -> None:
    made = MADE[name]()
    assert made["Deployment"]["spec"]["replicas"] >= 3
    assert made["Deployment"]["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert made["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert "PersistentVolumeClaim" not in made


def test_helm_finds_nothing_wrong() -> None:
    done = run("helm", "lint", "--strict", DEPLOY / "helm")
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_a_certificate_is_for_both_doors() -> None:
    made = charted(*TLS)
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["PHOENIX_TLS_ENABLED"] == "true"
    assert variables["PHOENIX_TLS_CERT_FILE"] == "/tls/tls.crt"
    assert {"name": "tls", "mountPath": "/tls", "readOnly": True} in container["volumeMounts"]


def test_settings_of_the_values_become_variables_and_monitoring_is_by_choice() -> None:
    made = charted(*SETTINGS, "serviceMonitor.enabled=true", "networkPolicy.enabled=false")
    (container,) = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert {"name": "PHOENIX_WORKERS", "value": "2"} in container["env"]
    assert made["ServiceMonitor"]["spec"]["endpoints"] == [{"port": "admin"}]
    assert "NetworkPolicy" not in made
    assert "ServiceMonitor" not in charted()


@pytest.mark.parametrize(
    "value",
    [
        "database.kind=mysql",
        "secretName=",
        "replicas=0",
        "settings.DEBUG=1",
        "database.url=postgresql://x",
        "postgresql.enabled=true",
        "shutdown.delaySeconds=-1",
    ],
)
def test_values_that_mean_nothing_are_refused(value: str) -> None:
    done = run("helm", "template", "p", DEPLOY / "helm", f"--set={value}")
    assert done.returncode != 0
    assert "values don't meet the specifications" in done.stderr


def test_the_chart_is_of_this_release() -> None:
    from phoenix_grpc import __version__

    chart = yaml.safe_load((DEPLOY / "helm" / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    assert "dependencies" not in chart  # no database of its own


def test_the_container_file_is_sound() -> None:
    path = DEPLOY / "container" / "Containerfile"
    done = subprocess.run(["hadolint", "--failure-threshold", "style", path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    last = path.read_text().rpartition("\nFROM ")[2]
    assert "RUN" not in last  # there is no shell
    assert re.search(r"(?m)^USER \d+:\d+$", last)
    assert re.findall(r"(?m)^VOLUME (.*)$", last) == ["/data"]
    named = {name.lower() for name in re.findall(r"PHOENIX_(\w+)=", last)}
    assert named <= set(Settings.model_fields)
