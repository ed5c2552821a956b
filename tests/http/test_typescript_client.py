"""Phoenix's own TypeScript client (@arizeai/phoenix-client), unchanged, through all its dataset calls."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.http.conftest import Web
from tests.npm import installed, run

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAM = Path(__file__).parent / "typescript"


async def test_every_dataset_call_of_the_typescript_client(web: Web) -> None:
    key = (await web.key("MEMBER"))["authorization"].removeprefix("Bearer ")
    folder = await asyncio.to_thread(installed, "typescript", PROGRAM / "package.json")
    shutil.copy(PROGRAM / "datasets.mjs", folder)
    output = await asyncio.to_thread(run, "node", "datasets.mjs", web.url, key, folder=folder)
    assert "all calls work" in output
