"""The OpenAPI document is true: schemathesis finds no server error and no answer that is not declared."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import ADMIN_SECRET
from tests.process import ServerProcess

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# With a mail server set, asking for a mail is no 503; nothing listens there, and mails are sent in the background.
MAIL = {"PHOENIX_SMTP_HOSTNAME": "127.0.0.1", "PHOENIX_SMTP_PORT": "9", "PHOENIX_ROOT_URL": "http://127.0.0.1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server in a process of its own, as it is run."""
    folder = tmp_path_factory.mktemp("server")
    with ServerProcess(folder, PHOENIX_DISABLE_RATE_LIMIT="true", **MAIL) as server:
        yield server


@pytest.mark.parametrize(
    "caller",
    [("--header", f"Authorization: Bearer {ADMIN_SECRET}", "--phases", "coverage,fuzzing"), ("--phases", "fuzzing")],
    ids=["admin", "stranger"],
)
def test_no_answer_is_an_error_or_undeclared(server: ServerProcess, tmp_path: Path, caller: tuple[str, ...]) -> None:
    arguments = (Path(sys.executable).with_name("st"), "run", f"{server.started['http']}/openapi.json")
    options = ("--checks", CHECKS, "--max-examples", "5", "--no-color", "--generation-database", "none")
    found = subprocess.run([*arguments, *options, *caller], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-6000:]
    assert [line for line in server.lines if '"level":"error"' in line and "mail not sent" not in line] == []


def test_the_document_names_every_method_and_the_two_ways_to_authenticate(server: ServerProcess) -> None:
    document = httpx.get(f"{server.started['http']}/openapi.json").json()
    operations = [item for path in document["paths"].values() for item in path.values()]
    assert all("x-grpc-method" in item for item in operations if item["tags"] != ["server"])
    assert len({item["operationId"] for item in operations}) == len(operations)
    assert set(document["components"]["securitySchemes"]) == {"bearer", "cookie"}
