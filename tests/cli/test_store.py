"""Commands on the database itself: migrate, backup, restore, users reset-password."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from phoenix_grpc.store.migrations import MIGRATIONS
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_PASSWORD
from tests.process import ServerProcess

NAMES = [migration.__name__ for migration in MIGRATIONS]


def database(cli: Cli) -> Path:
    return cli.home / "work" / "phoenix_grpc.db"


def test_migrate_makes_the_database_once(offline: Cli) -> None:
    url = f"sqlite:///{database(offline)}"
    assert offline.json("migrate") == {"database_url": url, "applied": NAMES}
    assert offline.run("migrate").stdout == f"Up to date: {url}\n"
    assert stat.S_IMODE(database(offline).stat().st_mode) == 0o600


def test_options_win_over_variables(offline: Cli, tmp_path: Path) -> None:
    offline.run("migrate", "--working-dir", tmp_path / "other")
    offline.run("migrate", "--database-url", f"sqlite:///{tmp_path / 'third.db'}")
    assert (tmp_path / "other" / "phoenix_grpc.db").exists()
    assert (tmp_path / "third.db").exists()
    assert not database(offline).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["migrate", "--database-url", "mysql://x"], "PHOENIX_SQL_DATABASE_URL"),
        (["serve", "--grpc-port", "70000"], "PHOENIX_GRPC_PORT"),
        (["backup", "copy.db"], "does not exist"),
        (["users", "reset-password", "admin@localhost", "--random-password"], "does not exist"),
    ],
)
def test_bad_configuration_is_one_line_and_exit_code_2(offline: Cli, arguments: list[str], message: str) -> None:
    result = offline.run(*arguments, exit_code=2)
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert not database(offline).exists()


def test_a_file_that_is_no_database_is_refused(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("this is no database, and long enough to be sure of it" * 10)
    assert "notes.txt" in offline.run("restore", tmp_path / "notes.txt", exit_code=2).stderr
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE notes (text)")
    assert "not a database of phoenix-grpc" in offline.run("restore", tmp_path / "other.db", exit_code=2).stderr


@pytest.mark.sqlite
def test_a_backup_of_a_running_server_is_restored(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with ServerProcess(tmp_path) as server:
        user = Cli(tmp_path, {"PHOENIX_GRPC_ADDRESS": server.address})
        user.log_in()
        user.run("datasets", "create", "kept")
        assert "Wrote" in user.run("backup", copy).stderr
        user.run("datasets", "delete", "kept", "--yes")
        assert "is in use" in user.run("restore", copy, "--yes", exit_code=2).stderr
        assert "exists" in user.run("backup", copy, exit_code=2).stderr
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert "Restored" in user.run("restore", copy, "--yes").stderr
    with ServerProcess(tmp_path) as server:
        user.variables["PHOENIX_GRPC_ADDRESS"] = server.address
        user.log_in()
        assert [dataset["name"] for dataset in user.json("datasets", "list")] == ["kept"]


@pytest.mark.sqlite
def test_a_restore_turns_the_data_back_and_not_the_accounts(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with ServerProcess(tmp_path) as server:
        user = Cli(tmp_path, {"PHOENIX_GRPC_ADDRESS": server.address})
        user.log_in()
        user.run("datasets", "create", "kept")
        for email in ("gone@example.com", "lower@example.com"):
            user.run("users", "create", email, "--role", "admin", "--random-password")
        keys = {name: user.json("keys", "create", name) for name in ("good", "revoked", "rotated")}
        user.run("backup", copy)
        user.run("keys", "revoke", keys["revoked"]["api_key"]["api_key_id"])
        rotated = user.json("keys", "rotate", keys["rotated"]["api_key"]["api_key_id"])
        later = user.json("keys", "create", "later")
        user.run("users", "delete", "gone@example.com", "--yes")
        user.run("users", "set-role", "lower@example.com", "viewer")
        user.run("datasets", "delete", "kept", "--yes")
    told = user.run("restore", copy, "--yes").stderr
    assert "All sessions have ended" in told
    assert "those of the database that was replaced" in told
    with ServerProcess(tmp_path) as server:
        user.variables["PHOENIX_GRPC_ADDRESS"] = server.address
        user.run("whoami", exit_code=3)
        user.log_in()
        assert [dataset["name"] for dataset in user.json("datasets", "list")] == ["kept"]
        found = {found["email"]: found["role"] for found in user.json("users", "list")}
        assert "gone@example.com" not in found
        assert found["lower@example.com"] == "ROLE_VIEWER"
        by_key = Cli(tmp_path / "key", {"PHOENIX_GRPC_ADDRESS": server.address})
        for key, code in ((keys["good"], 0), (keys["revoked"], 3), (keys["rotated"], 3), (rotated, 0), (later, 0)):
            by_key.variables["PHOENIX_API_KEY"] = key["key"]
            by_key.run("whoami", exit_code=code)
        # No id is given twice.
        user.run("datasets", "create", "next")
        ids = [dataset["dataset_id"] for dataset in user.json("datasets", "list")]
        assert len(set(ids)) == 2
        actions = [event["action"] for event in user.json("audit")]
        assert "api_key.revoke" in actions


@pytest.mark.sqlite
def test_a_restore_says_when_it_turns_accounts_back(tmp_path: Path) -> None:
    copy, file = tmp_path / "copy.db", tmp_path / "work" / "phoenix_grpc.db"
    with ServerProcess(tmp_path) as server:
        user = Cli(tmp_path, {"PHOENIX_GRPC_ADDRESS": server.address})
        user.log_in()
        key = user.json("keys", "create", "k")
        user.run("backup", copy)
        user.run("keys", "revoke", key["api_key"]["api_key_id"])
    count_again = "Keys that were revoked and users who were deleted since then count again"
    told = user.run("restore", copy, "--yes", "--with-accounts").stderr
    assert count_again in told
    assert "could not be kept" not in told
    with ServerProcess(tmp_path) as server:
        by_key = Cli(tmp_path / "key", {"PHOENIX_GRPC_ADDRESS": server.address, "PHOENIX_API_KEY": key["key"]})
        by_key.run("whoami")
        user.variables["PHOENIX_GRPC_ADDRESS"] = server.address
        user.run("whoami", exit_code=3)
    with file.open("r+b") as damaged:
        damaged.write(b"\xff" * 3900)
    told = user.run("restore", copy, "--yes").stderr
    assert f"could not be kept: it is damaged). {count_again}" in told
    file.unlink()
    assert "could not be kept: there was none)" in user.run("restore", copy, "--yes").stderr
    with closing(sqlite3.connect(file)) as newer:
        newer.execute("INSERT INTO schema_migrations VALUES ('m999_later', 0, 'after')")
        newer.commit()
    assert "made by a newer release" in user.run("restore", copy, "--yes").stderr
    with ServerProcess(tmp_path / "other") as server:
        other = Cli(tmp_path / "other", {"PHOENIX_GRPC_ADDRESS": server.address})
    assert "could not be kept: it is another store)" in other.run("restore", copy, "--yes").stderr


def test_all_sessions_are_ended_while_servers_run(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        variables = {"PHOENIX_GRPC_ADDRESS": server.address, "PHOENIX_SQL_DATABASE_URL": server.database_url}
        user = Cli(tmp_path, variables)
        user.log_in()
        key = user.json("keys", "create", "k")
        assert "--yes" in user.run("end-sessions", exit_code=2).stderr
        assert user.run("end-sessions", "--yes").stderr == "Ended 1 session.\n"
        user.run("whoami", exit_code=3)
        Cli(tmp_path / "key", {**variables, "PHOENIX_API_KEY": key["key"]}).run("whoami")
        user.log_in()
        user.run("whoami")


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_backups_of_postgresql_are_its_own(offline: Cli, tmp_path: Path, command: str) -> None:
    (tmp_path / "file.db").touch()
    url = "postgresql://phoenix:secret@db.example.com/phoenix"
    told = offline.run(command, tmp_path / "file.db", "--database-url", url, exit_code=2).stderr
    assert "pg_dump" in told
    assert "secret" not in told


def test_a_backup_takes_over_nothing_from_a_leftover_and_leaves_none(offline: Cli, tmp_path: Path) -> None:
    offline.run("migrate")
    leftover = tmp_path / "copy.db.partial"
    leftover.write_bytes(b"half a backup")
    leftover.chmod(0o644)
    offline.run("backup", tmp_path / "copy.db")
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert not leftover.exists()


@pytest.mark.sqlite
@pytest.mark.parametrize("place", [0, 100], ids=["the header", "the schema"])
def test_a_damaged_database_is_replaced_once_nobody_uses_it(tmp_path: Path, place: int) -> None:
    copy, file = tmp_path / "copy.db", tmp_path / "work" / "phoenix_grpc.db"
    user = Cli(tmp_path, {})
    with ServerProcess(tmp_path) as server:
        user.run("backup", copy)
        sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
        with file.open("r+b") as damaged:
            damaged.seek(place)
            damaged.write(b"\xff" * 3900)
        assert "is in use" in user.run("restore", copy, "--yes", exit_code=2).stderr
        assert not file.with_name(file.name + ".restored").exists()
        server.process.kill()
        server.process.wait()
        assert "Restored" in user.run("restore", copy, "--yes").stderr
        assert file.with_name(file.name + ".damaged").read_bytes()[place:].startswith(b"\xff" * 3900)
    with ServerProcess(tmp_path) as server:
        Cli(tmp_path, {"PHOENIX_GRPC_ADDRESS": server.address}).log_in()


def test_restore_asks_before_it_replaces(offline: Cli, tmp_path: Path) -> None:
    offline.run("migrate")
    offline.run("backup", tmp_path / "copy.db")
    assert "--yes" in offline.run("restore", tmp_path / "copy.db", exit_code=2).stderr
    code, shown = offline.converse("restore", tmp_path / "copy.db", answers=[("[y/N]", "n\n")])
    assert code != 0
    assert "Restored" not in shown
    code, shown = offline.converse("restore", tmp_path / "copy.db", answers=[("[y/N]", "y\n")])
    assert (code, "Restored" in shown) == (0, True)


def test_a_password_is_reset_while_the_server_runs_and_ends_sessions(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        variables = {"PHOENIX_GRPC_ADDRESS": server.address, "PHOENIX_SQL_DATABASE_URL": server.database_url}
        user = Cli(tmp_path, variables)
        user.log_in()
        result = user.run("users", "reset-password", "Admin@localhost", "--random-password")
        password = result.stdout.strip()
        assert len(password) >= 16
        assert password not in result.stderr
        assert user.run("whoami", exit_code=3).stderr.startswith("Error: ")
        user.run("login", "--email", "admin@localhost", "--password-stdin", input=ADMIN_PASSWORD, exit_code=3)
        user.log_in(password=password)
        assert user.json("whoami")["user"]["password_needs_reset"] is True
        assert user.run("users", "reset-password", "nobody@localhost", "--random-password", exit_code=5).stdout == ""
        assert user.run("users", "reset-password", "system@localhost", "--random-password", exit_code=4).stdout == ""


@pytest.mark.parametrize(
    ("password", "message"), [("short\n", "must have 8 to 1,000 characters"), ("\n", "no password on standard input")]
)
def test_a_bad_password_is_refused(offline: Cli, password: str, message: str) -> None:
    offline.run("migrate")
    arguments = ("users", "reset-password", "admin@localhost", "--password-stdin")
    result = offline.run(*arguments, input=password, exit_code=1 if password.strip() else 2)
    assert message in result.stderr
