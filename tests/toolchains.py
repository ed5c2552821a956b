"""The tools of other languages: a test that needs one is skipped where it is missing, and fails in CI."""

import os
import shutil
import sys
from pathlib import Path

import pytest

# The environment's first: Debian's node may be too old for what the tests run.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def need(*tools: str) -> None:
    """Skips the test unless all these commands are there."""
    missing = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
    if missing and "CI" not in os.environ:
        pytest.skip(f"{', '.join(missing)} not found: .ci/run installs it")
    assert not missing, f"{missing} not found"
