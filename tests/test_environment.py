"""scripts/environment: its first run says how far it is, to somebody who waits."""

import os
import pty
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "environment"
# A Python whose `-m venv` makes another of itself, and whose pip says how it was called.
PYTHON = """#!/bin/sh
case "$*" in
  *venv*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
  *pip*) echo "$@" ;;
esac
"""


def made(folder: Path) -> list[str]:
    """The command that makes the environment of an empty project in `folder`."""
    (folder / "scripts").mkdir()
    shutil.copy(SCRIPT, folder / "scripts")
    (folder / "pyproject.toml").touch()
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o700)
    return ["env", f"PYTHON={folder / 'python'}", str(folder / "scripts" / "environment"), "dev"]


def test_a_pipe_sees_nothing_of_pip_but_errors(tmp_path: Path) -> None:
    done = subprocess.run(made(tmp_path), capture_output=True, text=True, check=True)
    assert "-m pip install --quiet --disable-pip-version-check --editable .[dev]" in done.stderr
    assert done.stdout == ""


def test_a_terminal_sees_how_far_pip_is(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    subprocess.run(made(tmp_path), stderr=inside, check=True)
    shown = os.read(terminal, 65536).decode()
    assert "-m pip install --disable-pip-version-check --editable .[dev]" in shown
    os.close(terminal)
    os.close(inside)
