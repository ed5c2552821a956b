"""The real grpcurl against the real server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.process import ServerProcess

GRPCURL = Path(sys.executable).parent / "grpcurl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("grpcurl")) as server:
        yield server


def grpcurl(server: ServerProcess, *arguments: str, token: str = "", data: str = "") -> tuple[int, str, str]:
    headers = ["-H", f"authorization: Bearer {token}"] if token else []
    body = ["-d", data] if data else []
    command = [str(GRPCURL), "-plaintext", *headers, *body, *arguments[:1], server.address, *arguments[1:]]
    command = [part for part in command if part]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
    return done.returncode, done.stdout, done.stderr


def test_list_shows_the_services_without_credentials(server: ServerProcess) -> None:
    code, out, err = grpcurl(server, "", "list")
    assert code == 0, err
    assert {"phoenix_grpc.v1.AuthService", "phoenix_grpc.v1.DatasetsService"} <= set(out.split())


def test_describe_shows_methods_messages_and_the_access_option(server: ServerProcess) -> None:
    code, out, err = grpcurl(server, "", "describe", "phoenix_grpc.v1.DatasetsService.GetDataset")
    assert code == 0, err
    assert "GetDatasetRequest" in out
    assert "ACCESS_READ" in out


def test_a_call_with_a_key_succeeds(server: ServerProcess) -> None:
    request = auth_pb2.CreateApiKeyRequest(name="grpcurl")
    key = server.auth.CreateSystemApiKey(request, metadata=server.admin).key
    method = "phoenix_grpc.v1.DatasetsService/CreateDataset"
    code, out, err = grpcurl(server, "", method, token=key, data='{"name": "by grpcurl"}')
    assert code == 0, err
    assert json.loads(out)["name"] == "by grpcurl"


def test_a_call_without_a_key_is_refused_with_reason_and_what_to_send(server: ServerProcess) -> None:
    code, _, err = grpcurl(server, "", "phoenix_grpc.v1.DatasetsService/ListDatasets")
    assert code != 0
    assert "Unauthenticated" in err
    assert "CREDENTIALS_MISSING" in err
    assert "authorization: Bearer" in err
