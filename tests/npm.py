"""Programs of the npm registry that tests run, installed once per user."""

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path


def installed(name: str, manifest: Path) -> Path:
    """The folder `name` in the user's cache, where the packages of a package.json are installed."""
    folder = user_cache_path("phoenix-grpc-tests", ensure_exists=True) / name
    folder.mkdir(exist_ok=True)
    done = folder / "installed.json"
    with FileLock(folder / "lock"):
        if not done.exists() or done.read_text() != manifest.read_text():
            shutil.copy(manifest, folder / "package.json")
            run("npm", "install", "--no-audit", "--no-fund", "--loglevel", "error", folder=folder)
            shutil.copy(manifest, done)
    return folder


def run(*command: str, folder: Path) -> str:
    """The output of a command that must succeed; its last lines are the failure's."""
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode == 0, f"{' '.join(command)} failed in {folder}:\n{done.stdout[-4000:]}"
    return done.stdout
