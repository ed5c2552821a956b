"""The private folders of servers: those of servers that were killed are removed, and no others."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_grpc import grpc_door


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the folders are made; its path is short, as a socket's must be."""
    with tempfile.TemporaryDirectory() as path:
        monkeypatch.setattr(grpc_door, "_FOLDERS", Path(path))
        yield Path(path)


def listening(folder: Path) -> socket.socket:
    """The socket of a server that has its folder here."""
    folder.mkdir()
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(folder / "door"))
    door.listen()
    return door


def test_only_folders_of_killed_servers_are_removed(folders: Path) -> None:
    listening(folders / "phoenix-grpc-killed").close()
    (folders / "phoenix-grpc-starting").mkdir()
    listening(folders / "somebody-else").close()
    with listening(folders / "phoenix-grpc-running"):
        grpc_door._remove_leftovers()
    left = {folder.name for folder in folders.iterdir()}
    assert left == {"phoenix-grpc-starting", "somebody-else", "phoenix-grpc-running"}
