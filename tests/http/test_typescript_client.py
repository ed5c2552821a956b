"""Phoenix's own TypeScript client (@arizeai/phoenix-client), unchanged, through all its dataset calls."""

import asyncio
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from tests.http.conftest import Web

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROGRAM = Path(__file__).parent / "typescript"


async def command(*arguments: str, folder: Path) -> str:
    """The output of a command that must succeed."""
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def installed_program() -> Path:
    """The program beside its packages, which npm installs once per user."""
    folder = user_cache_path("phoenix-grpc-tests", ensure_exists=True) / "typescript"
    folder.mkdir(exist_ok=True)
    manifest = (PROGRAM / "package.json").read_text()
    done = folder / "installed.json"
    with FileLock(folder / "lock"):
        if not done.exists() or done.read_text() != manifest:
            shutil.copy(PROGRAM / "package.json", folder)
            await command("npm", "install", "--no-audit", "--no-fund", "--silent", folder=folder)
            done.write_text(manifest)
        shutil.copy(PROGRAM / "datasets.mjs", folder)
    return folder


async def test_every_dataset_call_of_the_typescript_client(web: Web) -> None:
    key = (await web.key("MEMBER"))["authorization"].removeprefix("Bearer ")
    output = await command("node", "datasets.mjs", web.url, key, folder=await installed_program())
    assert "all calls work" in output
