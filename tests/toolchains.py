"""The tools of other languages: a test that needs one is skipped where there is none that works, and fails in CI."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# The environment's first: Debian's node may be too old for what the tests run.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

# The oldest releases that examples/README.md names. A tool can be there and not work (rustup without a toolchain).
OLDEST = {"cargo": (1, 88), "go": (1, 26), "javac": (17,), "node": (22, 18)}


def need(*tools: str) -> None:
    """Skips the test unless all these commands are there and work."""
    faults = [fault for tool in tools if (fault := fault_of(tool))]
    if faults and "CI" not in os.environ:
        pytest.skip(f"{', '.join(faults)}: .ci/run installs it")
    assert not faults, ", ".join(faults)


def fault_of(tool: str, path: str = PATH) -> str:
    """Why the examples cannot use this tool; empty when they can."""
    found = shutil.which(tool, path=path)
    if found is None:
        return f"{tool} not found"
    if tool not in OLDEST:
        return ""
    asked = subprocess.run(
        [found, "version" if tool == "go" else "--version"],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    if asked.returncode != 0:
        return f"{tool} does not run"
    version = re.search(r"\d+(\.\d+)*", asked.stdout)
    if version is None or tuple(map(int, version[0].split("."))) < OLDEST[tool]:
        return f"{tool} is older than {'.'.join(map(str, OLDEST[tool]))}"
    return ""
