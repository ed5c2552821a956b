"""What deploy/ has is right by the tools that read it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from phoenix_grpc.config import Settings

UNIT = Path(__file__).parents[1] / "deploy" / "systemd" / "phoenix-grpc.service"
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
