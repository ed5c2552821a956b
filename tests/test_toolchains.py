"""Which tools of other languages the tests take for usable."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.toolchains import OLDEST, fault_of

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize(
    ("tool", "script", "fault"),
    [
        ("cargo", "echo 'cargo 1.88.0 (873a06493 2025-05-10)'", ""),
        ("cargo", "echo 'cargo 1.87.0 (99624be96 2025-05-06)'", "cargo is older than 1.88"),
        ("cargo", "echo 'rustup could not choose a version of cargo to run' >&2; exit 1", "cargo does not run"),
        ("go", 'test "$1" = version && echo "go version go1.26.8 linux/amd64"', ""),
        ("go", "echo 'go version go1.19.8 linux/amd64'", "go is older than 1.26"),
        ("javac", "echo 'javac 17'", ""),
        ("node", "echo v20.20.2", "node is older than 22.18"),
        ("protoc", "exit 1", ""),
    ],
)
def test_a_tool_that_does_not_run_or_is_too_old_is_none(tmp_path: Path, tool: str, script: str, fault: str) -> None:
    (tmp_path / tool).write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / tool).chmod(0o755)
    assert fault_of(tool, f"{tmp_path}:{os.environ['PATH']}") == fault


def test_a_tool_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert fault_of("cargo", str(tmp_path)) == "cargo not found"


def test_the_oldest_releases_are_those_that_the_examples_name() -> None:
    text = (EXAMPLES / "README.md").read_text()
    for name, tool in (("Go", "go"), ("Java", "javac"), ("Node.js", "node"), ("Rust", "cargo")):
        assert f"Needs {name} {'.'.join(map(str, OLDEST[tool]))}" in text
    go = re.search(r"^go (\d+)\.(\d+)", (EXAMPLES / "go" / "go.mod").read_text(), re.MULTILINE)
    assert go is not None
    assert tuple(map(int, go.groups())) == OLDEST["go"]
    engines = json.loads((EXAMPLES / "typescript" / "package.json").read_text())["engines"]
    assert engines == {"node": f">={'.'.join(map(str, OLDEST['node']))}"}
