"""What deploy/ has is right by the tools that read it."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from phoenix_grpc.config import Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "phoenix-grpc.service"
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "phoenix-grpc.json"
EXPOSURE = 2.0
"""Of 10; below 2 systemd calls a unit OK."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that this machine has."""
    if shutil.which("systemd-analyze") is None and "CI" not in os.environ:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    path = tmp_path / UNIT.name
    path.write_text(re.sub("(?m)^ExecStart=\\S+", "ExecStart=/bin/true", UNIT.read_text()))
    return path


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True)


def test_systemd_takes_every_line_of_the_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_is_sandboxed(unit: Path) -> None:
    done = analyze("security", "--offline=yes", f"--threshold={EXPOSURE * 10:.0f}", unit)
    assert done.returncode == 0, done.stdout
    exposed = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert exposed is not None
    assert float(exposed[1]) < EXPOSURE


def test_the_unit_has_patience_with_a_stopping_server() -> None:
    settings = Settings.model_fields
    needed = settings["shutdown_delay_seconds"].default + settings["shutdown_grace_seconds"].default
    patience = re.search(r"(?m)^TimeoutStopSec=(\d+)$", UNIT.read_text())
    assert patience is not None
    assert int(patience[1]) > needed + 10


def test_the_unit_names_settings_that_exist() -> None:
    named = set(re.findall(r"PHOENIX_(\w+)", UNIT.read_text()))
    assert named
    assert named <= {name.upper() for name in Settings.model_fields}


def metrics_in(text: str) -> set[str]:
    return {re.sub("_(bucket|total|count|sum)$", "", name) for name in re.findall(r"\bphoenix_grpc_\w+", text)}


def documented() -> set[str]:
    """The metrics that there are; tests/server/test_metrics.py compares the list with what is served."""
    rows = re.findall(r"(?m)^\| `(phoenix_grpc_\w+)", (ROOT / "docs" / "operations.md").read_text())
    return {name.removesuffix("_total") for name in rows}


@pytest.mark.parametrize("words", [("check", "rules", "alerts.yaml"), ("test", "rules", "alerts_test.yaml")])
def test_each_alert_fires_when_it_should_and_not_before(words: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None and "CI" not in os.environ:
        pytest.skip("promtool is missing: apt-get install prometheus")
    done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yaml").read_text()))
    tests = (PROMETHEUS / "alerts_test.yaml").read_text()
    assert alerts
    for alert in alerts:
        assert f'alertname="{alert}",alertstate="firing"' in tests
        assert tests.count(f"alertname: {alert}, exp_alerts: []") >= 2


@pytest.mark.parametrize("file", [PROMETHEUS / "alerts.yaml", PROMETHEUS / "alerts_test.yaml", DASHBOARD])
def test_only_metrics_that_exist_are_named(file: Path) -> None:
    named = metrics_in(file.read_text())
    assert named
    assert named <= documented()


def test_the_dashboard_shows_every_metric_for_the_chosen_instances() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert all('instance=~"$instance"' in expression for expression in expressions)
    assert metrics_in(" ".join(expressions)) == documented()
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
