"""The files of an embedded database: what lies beside it, and when a new one may be made."""

import os
from pathlib import Path

from phoenix_grpc.errors import ConfigurationError


def beside(path: Path, suffix: str) -> Path:
    """The file of the same name with a suffix behind it."""
    return path.with_name(path.name + suffix)


def refuse_to_begin_empty(path: Path) -> None:
    """Raises ConfigurationError for a database that is not there, while what a restore makes beside it is."""
    if path.exists() and path.stat().st_size:
        return
    for left in (beside(path, suffix) for suffix in (".restored", ".restored.partial", ".damaged")):
        if left.exists():
            raise ConfigurationError(
                f"{path} is missing, but {left} is there: run 'phoenix-grpc restore FILE' with a backup,"
                f" or move {left.name} away to begin with an empty database"
            )


def create_private(path: Path) -> None:
    """Makes a new, empty file that only its owner reads; SQLite gives its -wal and -shm the same mode.

    Raises:
        FileExistsError: when there is one.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
