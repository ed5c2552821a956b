"""Copies of the embedded database: taken while servers use it, and put back all or nothing."""

import contextlib
import fcntl
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.store import migrations
from phoenix_grpc.store.sqlite import BUSY_TIMEOUT_SECONDS, connect
from phoenix_grpc.store.sqlite_accounts import settle_accounts
from phoenix_grpc.store.sqlite_faults import opening
from phoenix_grpc.store.sqlite_files import beside, create_private

# Who has a database in WAL mode open holds a shared lock on this byte of its -shm (unixOpenSharedMemory in os_unix.c).
_SHM_LOCK_BYTE = 128
_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
_CHECK = "PRAGMA quick_check(1)"


def backup(path: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Writes a consistent copy of the database at `path` to the new file `target`, also while servers use it.

    Arguments:
        progress: called with the pages still to copy and the pages in all.

    Raises:
        ConfigurationError: when `path` is no database of ours, or `target` exists or cannot be written.
    """
    with opening(path):
        _require_ours(path)
        if target.exists():
            raise ConfigurationError(f"{target} exists; name a new file")
        with _fresh(beside(target, ".partial")) as partial:
            create_private(partial)
            source, copy = connect(path, BUSY_TIMEOUT_SECONDS), sqlite3.connect(partial)
            with contextlib.closing(source), contextlib.closing(copy):
                source.backup(copy, pages=1024, progress=lambda _, left, total: progress and progress(left, total))
                copy.execute("PRAGMA journal_mode = DELETE")
            _sync(partial)
            partial.rename(target)
        _sync(target.parent)


class Restored(NamedTuple):
    """What a restore did with the accounts: users, keys and the audit log. All sessions have ended.

    Arguments:
        kept: whether they are those of the database that was replaced.
        reason: why they are not, when that was wanted.
    """

    kept: bool
    reason: str = ""


def restore(
    source: Path,
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    keep_accounts: bool = True,
) -> Restored:
    """Replaces the database at `path` by the backup `source`; a damaged one is kept as NAME.damaged, with its log.

    Whenever it is interrupted, the old database is at `path` or the new one.

    Arguments:
        progress: as for `backup`.
        keep_accounts: takes users, keys and the audit log from the database that is replaced, if that can be read and
            is the same store; see sqlite_accounts.

    Raises:
        ConfigurationError: when `source` is no sound backup, or a server is using `path`.
    """
    with opening(source):
        _require_ours(source)
    with opening(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _fresh(beside(path, ".restored")) as fresh:
            backup(source, fresh, progress)
            reason = "there was none"
            if path.exists():
                reason = "it is damaged" if _keep_damaged(path) else ""
            wanted = keep_accounts and not reason
            reason = settle_accounts(fresh, path if wanted else None) or reason
            _sync(fresh)
            # Before the new file comes: SQLite would take the old one's log for its own.
            for suffix in ("-wal", "-shm"):
                beside(path, suffix).unlink(missing_ok=True)
            _sync(path.parent)
            fresh.replace(path)
        _sync(path.parent)
    return Restored(wanted and not reason, reason if keep_accounts else "")


def _keep_damaged(path: Path) -> bool:
    """Gives a damaged database a second name and copies its log beside that; a sound one is left alone.

    Returns whether it is damaged.

    Raises:
        ConfigurationError: when another process has it open.
    """
    if _is_shared(beside(path, "-shm")):
        raise _in_use(path)
    kept, log = _kept_name(path), beside(path, "-wal")
    kept_log = beside(kept, "-wal")
    with _fresh(beside(path, ".damaged.partial")) as partial:
        if not kept.exists():
            kept_log.unlink(missing_ok=True)
            kept.hardlink_to(path)
        if log.exists():
            # Before SQLite opens the database: it may write the log into the file, or delete it.
            create_private(partial)
            shutil.copyfile(log, partial)
            _sync(partial)
            partial.replace(kept_log)
    damaged = False
    try:
        damaged = _is_damaged(path)
    finally:
        if not damaged:
            kept_log.unlink(missing_ok=True)
            kept.unlink()
    return damaged


def _kept_name(path: Path) -> Path:
    """NAME.damaged, or with a number behind it when another file has that name."""
    names = (
        beside(path, f".damaged{number}") for number in itertools.chain([""], map(".{}".format, itertools.count(2)))
    )
    # It is this very file after a restore that was interrupted.
    return next(name for name in names if not name.exists() or name.samefile(path))


def _require_ours(path: Path) -> None:
    """Raises ConfigurationError unless `path` is a sound database with our ledger."""
    if not path.is_file():
        raise ConfigurationError(f"{path} does not exist")
    with contextlib.closing(connect(path, BUSY_TIMEOUT_SECONDS, "PRAGMA query_only = ON")) as connection:
        if not connection.execute(_HAS_TABLE, (migrations.LEDGER,)).fetchall():
            raise ConfigurationError(f"{path} is not a database of phoenix-grpc")
        if connection.execute(_CHECK).fetchall() != [("ok",)]:
            raise ConfigurationError(f"{path} is damaged")


def _is_damaged(path: Path) -> bool:
    """Whether SQLite considers the file damaged.

    Raises:
        ConfigurationError: when another process has it open.
    """
    if not path.stat().st_size:
        return beside(path, "-wal").exists()  # to SQLite it is a new database, whose log it deletes
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            # Leaving WAL mode needs the file to itself, so it fails while anybody else has it open.
            connection.execute("PRAGMA journal_mode = DELETE")
            return connection.execute(_CHECK).fetchall() != [("ok",)]
    except sqlite3.OperationalError:
        raise _in_use(path) from None
    except sqlite3.DatabaseError:
        if _is_shared(beside(path, "-shm")):
            raise _in_use(path) from None
        return True


def _in_use(path: Path) -> ConfigurationError:
    return ConfigurationError(f"{path} is in use; stop the server first")


def _is_shared(shm: Path) -> bool:
    """Whether another process holds the lock of those who have the database open."""
    if not shm.exists():
        return False
    with shm.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _SHM_LOCK_BYTE)
        except (BlockingIOError, PermissionError):  # POSIX allows either
            return True
    return False


@contextlib.contextmanager
def _fresh(path: Path) -> Iterator[Path]:
    """A path at which there is no file, neither a leftover before the block nor a half one when it fails."""
    path.unlink(missing_ok=True)
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
