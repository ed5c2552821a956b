"""`serve` chooses gRPC's listener before gRPC is imported, and leaves the choice to who has made it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.process import ServerProcess

CHOSEN = "-event_engine_listener"
SERVE = """
import os, sys, types
from phoenix_grpc.cli import main
sys.modules["phoenix_grpc.server.process"] = types.SimpleNamespace(
    run=lambda settings, worker: print(os.environ["GRPC_EXPERIMENTS"], "grpc" in sys.modules)
)
main(["serve"])
"""
IMPORT = "import os, phoenix_grpc.server.serving, phoenix_grpc.client; print('GRPC_EXPERIMENTS' in os.environ)"


def printed(script: str, folder: Path, **variables: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **variables}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.mark.parametrize(
    ("variables", "expected"), [({}, CHOSEN), ({"GRPC_EXPERIMENTS": ""}, ""), ({"GRPC_EXPERIMENTS": "mine"}, "mine")]
)
def test_serve_chooses_the_listener_unless_somebody_has(
    tmp_path: Path, variables: dict[str, str], expected: str
) -> None:
    assert printed(SERVE, tmp_path, **variables) == f"{expected} False".strip()


def test_importing_the_package_chooses_nothing(tmp_path: Path) -> None:
    assert printed(IMPORT, tmp_path) == "False"


@pytest.mark.parametrize("experiments", [CHOSEN, "event_engine_listener"])
def test_the_server_works_with_either_listener(tmp_path: Path, experiments: str) -> None:
    with ServerProcess(tmp_path, GRPC_EXPERIMENTS=experiments) as server:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=server.admin)
    assert "experiment" not in "".join(server.lines)
