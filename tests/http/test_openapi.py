"""The OpenAPI document is true: schemathesis finds no server error and no answer that is not declared."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ADMIN_SECRET
from tests.http.conftest import Web, door_settings, web_of

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# With a mail server set, asking for a mail is no 503; nothing listens there, and mails are sent in the background.
MAIL = {"smtp_hostname": "127.0.0.1", "smtp_port": 9, "root_url": "http://127.0.0.1"}


async def schemathesis(web: Web, folder: Path, *options: str) -> None:
    """Runs schemathesis on a server; fails with what it found."""
    arguments = ("run", f"{web.url}/openapi.json", "--checks", CHECKS, "--no-color", "--generation-database=none")
    program = Path(sys.executable).with_name("st")
    process = await asyncio.create_subprocess_exec(
        program, *arguments, *options, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-6000:]


@pytest.mark.parametrize(
    "caller",
    [("--header", f"Authorization: Bearer {ADMIN_SECRET}", "--phases", "coverage,fuzzing"), ("--phases", "coverage")],
    ids=["admin", "stranger"],
)
async def test_no_answer_is_an_error_or_undeclared(tmp_path: Path, caller: tuple[str, ...]) -> None:
    async with web_of(door_settings(tmp_path, **MAIL)) as web:
        await schemathesis(web, tmp_path, *caller, "--max-examples", "5")


async def test_the_document_names_every_method_and_the_two_ways_to_authenticate(tmp_path: Path) -> None:
    async with web_of(door_settings(tmp_path)) as web:
        document: dict[str, Any] = (await web.send("GET", "/openapi.json", {})).json()
    operations = [item for path in document["paths"].values() for item in path.values()]
    assert all("x-grpc-method" in item for item in operations if item["tags"] != ["server"])
    assert len({item["operationId"] for item in operations}) == len(operations)
    assert set(document["components"]["securitySchemes"]) == {"bearer", "cookie"}
