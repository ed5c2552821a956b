"""A restore that is killed at any step leaves the old database or the new one, and no start makes an empty one."""

import multiprocessing
import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.store.sqlite_backup import backup, restore

# Whatever a restore does to files begins with one of these.
STEPS = {"open", "os.rename", "os.link", "os.remove", "shutil.copyfile", "sqlite3.connect"}
KILLED = 77

# Where a database is damaged: at pages that its log does not have.
DAMAGE = 3 * 4096
BAD = b"\xff" * 8192

processes = multiprocessing.get_context("forkserver")


def note(path: Path, text: str) -> None:
    """Writes a text into the database, and leaves it in the log, as a server that is killed does."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
    connection.execute("INSERT INTO notes VALUES (?)", (text,))
    held = {suffix: path.with_name(path.name + suffix).read_bytes() for suffix in ("", "-wal")}
    connection.close()
    for suffix, content in held.items():
        path.with_name(path.name + suffix).write_bytes(content)


def notes(path: Path) -> list[str]:
    """The texts in a sound database."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [text for (text,) in connection.execute("SELECT text FROM notes")]


async def make(path: Path) -> None:
    """Makes a database of ours."""
    await open_engine(f"sqlite:///{path}").close()


@pytest.fixture
async def copy(tmp_path: Path) -> Path:
    """A backup with the note "new"."""
    await make(tmp_path / "source.db")
    note(tmp_path / "source.db", "new")
    backup(tmp_path / "source.db", tmp_path / "copy.db")
    return tmp_path / "copy.db"


async def make_sound(path: Path) -> None:
    await make(path)
    note(path, "old")


async def make_damaged(path: Path) -> None:
    """A database whose file is damaged, and whose log is not."""
    await make_sound(path)
    damage(path)


def damage(path: Path, bad: bytes = BAD) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:DAMAGE] + bad + content[DAMAGE + len(bad) :])


def is_damaged(path: Path) -> bool:
    return path.read_bytes()[DAMAGE:].startswith(BAD)


async def make_nothing(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)


def mark_as_moved(path: Path) -> None:
    """Marks a database as one that is moved elsewhere."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO moves VALUES ('1', 'moved', 'postgresql://db.example.com/phoenix')")
        connection.commit()


async def test_a_store_that_was_moved_is_not_restored_into_a_second_one(tmp_path: Path, copy: Path) -> None:
    path = tmp_path / "work" / "phoenix.db"
    path.parent.mkdir()
    moved = tmp_path / "moved.db"
    shutil.copy(copy, moved)
    mark_as_moved(moved)
    with pytest.raises(ConfigurationError, match=r"was moved to .*copy --give-up"):
        restore(moved, path)
    assert not list(path.parent.iterdir())
    await make(path)
    for database in (path, copy):
        with closing(sqlite3.connect(database)) as connection:
            connection.execute(
                "INSERT INTO users (id, email, username, role, created_at, updated_at) VALUES"
                " (1, 'system@localhost', 'system', 'SYSTEM', 7, 7)"
            )
            connection.commit()
    mark_as_moved(path)
    with pytest.raises(ConfigurationError, match=r"was moved.*copy --give-up"):
        restore(copy, path)


def restore_until(step: int, source: Path, path: Path) -> None:
    """Restores, and ends as if killed before the step of this number."""
    numbers = count(1)

    def watch(event: str, _arguments: Any) -> None:
        if event in STEPS and next(numbers) == step:
            os._exit(KILLED)

    sys.addaudithook(watch)
    restore(source, path)


def kill_at_each_step(source: Path, old: Path, path: Path) -> Iterator[bool]:
    """For each step: a folder as `old`, a restore that is killed there; answers whether it came to its end."""
    for step in count(1):
        shutil.rmtree(path.parent, ignore_errors=True)
        shutil.copytree(old.parent, path.parent)
        process = processes.Process(target=restore_until, args=(step, source, path))
        process.start()
        process.join(20)
        assert process.exitcode in (0, KILLED)
        yield process.exitcode == 0
        if process.exitcode == 0:
            assert step > 10
            return


@pytest.mark.parametrize("make_old", [make_sound, make_damaged, make_nothing], ids=["sound", "damaged", "none"])
async def test_a_restore_killed_at_any_step_leaves_one_database_whole(
    tmp_path: Path, copy: Path, make_old: Any
) -> None:
    old, path = tmp_path / "old" / "phoenix.db", tmp_path / "work" / "phoenix.db"
    await make_old(old)
    kept = path.with_name("phoenix.db.damaged")
    for done in kill_at_each_step(copy, old, path):
        if not path.exists():
            assert make_old is make_nothing
            if list(path.parent.iterdir()):
                with pytest.raises(ConfigurationError, match="phoenix-grpc restore FILE"):
                    await make(path)
        elif make_old is make_damaged and is_damaged(path):
            assert not done
            log = next(
                log for log in (path.with_name("phoenix.db-wal"), kept.with_name(kept.name + "-wal")) if log.exists()
            )
            assert log.read_bytes() == old.with_name("phoenix.db-wal").read_bytes()
        else:
            assert notes(path) in (["new"], ["old"])
            await make(path)
        restore(copy, path)  # once more, whatever the first left
        assert notes(path) == ["new"]
        left = {file.name for file in path.parent.iterdir()}
        assert left == {"phoenix.db"} | ({kept.name, f"{kept.name}-wal"} if make_old is make_damaged else set())


async def test_a_damaged_database_is_kept_with_its_log_before_sqlite_deletes_that(tmp_path: Path, copy: Path) -> None:
    path = tmp_path / "phoenix.db"
    await make_sound(path)
    log = path.with_name("phoenix.db-wal").read_bytes()
    path.write_bytes(b"")
    restore(copy, path)
    assert notes(path) == ["new"]
    kept = tmp_path / "phoenix.db.damaged-wal"
    assert (kept.read_bytes(), stat.S_IMODE(kept.stat().st_mode)) == (log, 0o600)


async def test_what_was_kept_before_is_not_overwritten(tmp_path: Path, copy: Path) -> None:
    path = tmp_path / "phoenix.db"
    for number in range(3):
        await make_damaged(path)
        damage(path, bytes([number]))
        restore(copy, path)
    kept = [tmp_path / f"phoenix.db.damaged{number}" for number in ("", ".2", ".3")]
    assert [file.read_bytes()[DAMAGE] for file in kept] == [0, 1, 2]


@pytest.mark.parametrize("suffix", [".damaged", ".restored", ".restored.partial"])
@pytest.mark.parametrize("empty_file", [False, True])
async def test_no_start_begins_empty_beside_what_a_restore_left(tmp_path: Path, suffix: str, empty_file: bool) -> None:
    path = tmp_path / "phoenix.db"
    path.with_name(path.name + suffix).write_bytes(b"something")
    if empty_file:
        path.touch()
    with pytest.raises(ConfigurationError) as caught:
        await make(path)
    assert str(path.with_name(path.name + suffix)) in str(caught.value)
    assert not path.exists() or not path.stat().st_size
    path.with_name(path.name + suffix).unlink()
    await make(path)
