"""`phoenix-grpc audit verify` and `audit export`, beside a server and on what it leaves."""

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.cli.conftest import Cli
from tests.conftest import SECRET, bearer
from tests.faults.cluster import until
from tests.process import ServerProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that follows its log into a file."""
    with ServerProcess(tmp_path, PHOENIX_AUDIT_FILE=str(tmp_path / "audit.jsonl")) as server:
        yield server


def local(server: ServerProcess, **variables: str) -> Cli:
    """Whoever operates the server, on its machine."""
    known = {"PHOENIX_SECRET": SECRET, "PHOENIX_SQL_DATABASE_URL": server.database_url, **variables}
    return Cli(server.folder, {name: value for name, value in known.items() if value})


def create(server: ServerProcess, name: str) -> None:
    server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=server.admin)


def sealed(operator: Cli) -> bool:
    """Whether all is sealed."""
    found = operator.json("audit", "verify")
    return bool(found["unsealed"] == 0 and found["last"])


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_was_done_is_verified_and_exported_and_verified_anywhere(server: ServerProcess, tmp_path: Path) -> None:
    operator = local(server)
    for number in range(5):
        create(server, f"dataset {number}")
    until(lambda: sealed(operator), 5)
    told = operator.run("audit", "verify").stdout
    assert "none was changed, none is missing. Sealed until 20" in told
    assert "not checked" not in told
    export = tmp_path / "export.jsonl"
    last = operator.json("audit", "verify")["last"]
    assert f"Exported {last} events." in operator.run("audit", "export", export).stderr
    assert [line["seq"] for line in lines_of(export)] == list(range(1, last + 1))
    assert [line["target_name"] for line in lines_of(export)][-1] == "dataset 4"
    elsewhere = Cli(tmp_path / "elsewhere")
    assert f"{last} events: none was changed" in elsewhere.run("audit", "verify", export).stdout
    rest = operator.run("audit", "export", "--after", last - 2).stdout
    assert [json.loads(line)["seq"] for line in rest.splitlines()] == [last - 1, last]
    assert operator.run("audit", "export", "--until", "1h").stdout == ""
    assert len(operator.run("audit", "export", "--since", "1h").stdout.splitlines()) == last


def test_without_the_secret_it_says_what_it_did_not_check(server: ServerProcess) -> None:
    create(server, "d")
    until(lambda: sealed(local(server)), 5)
    assert "The signature was not checked" in local(server, PHOENIX_SECRET="").run("audit", "verify").stdout
    other = local(server, PHOENIX_SECRET="another-secret-of-over-32-characters")
    assert "not by this server's secret" in other.run("audit", "verify", exit_code=1).stderr
    assert local(server, PHOENIX_SECRET="another-secret-of-over-32-characters", PHOENIX_SECRET_PREVIOUS=SECRET).run(
        "audit", "verify"
    )


def execute(url: str, statement: str) -> None:
    """Runs a statement as somebody who may do anything to the database."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as file:
            file.execute("DROP TRIGGER IF EXISTS forbid_UPDATE_audit_events")
            file.execute(statement)
    else:
        with psycopg.connect(url) as connection:
            connection.execute("DROP TRIGGER IF EXISTS forbid_update ON audit_events")
            connection.execute(statement)


def test_what_was_changed_in_the_database_is_told_and_the_exit_code_says_so(
    server: ServerProcess, tmp_path: Path
) -> None:
    create(server, "innocent")
    create(server, "guilty")
    until(lambda: sealed(local(server)), 5)
    execute(server.database_url, "UPDATE audit_events SET target_name = 'innocent' WHERE target_name = 'guilty'")
    last = local(server).run("audit", "export").stdout.splitlines()
    told = local(server).run("audit", "verify", exit_code=1)
    assert "the audit log does not hold: event " in told.stderr
    assert told.stdout == ""
    (tmp_path / "export.jsonl").write_text("\n".join(last))
    told = local(server).run("audit", "verify", tmp_path / "export.jsonl", exit_code=1)
    assert f"line {len(last)}: event {len(last)} was changed" in told.stderr


def test_a_file_follows_the_log_over_rotations_restarts_and_kills(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    rotated = tmp_path / "audit.jsonl.1"
    variables = {"PHOENIX_AUDIT_FILE": str(path)}
    with ServerProcess(tmp_path, **variables) as server:
        create(server, "first")
        until(lambda: any(line["target_name"] == "first" for line in lines_of(path)), 5)
        assert os.stat(path).st_mode & 0o777 == 0o600
        path.rename(rotated)
        create(server, "second")
        until(lambda: [line["target_name"] for line in lines_of(path)] == ["second"], 5)
        create(server, "third")
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(5)
    with ServerProcess(tmp_path, **variables) as server:
        until(lambda: any(line["target_name"] == "third" for line in lines_of(path)), 5)
        whole = lines_of(rotated) + lines_of(path)
        assert len({line["seq"] for line in whole}) == whole[-1]["seq"]
    elsewhere = Cli(tmp_path / "elsewhere")
    (tmp_path / "whole.jsonl").write_text(rotated.read_text() + path.read_text())
    elsewhere.run("audit", "verify", tmp_path / "whole.jsonl")


def test_a_file_that_cannot_be_written_stops_nothing_and_is_caught_up_with(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.mkdir()
    with ServerProcess(tmp_path, PHOENIX_AUDIT_FILE=str(path)) as server:
        create(server, "first")
        until(lambda: any("background work failed" in line for line in server.lines), 5)
        path.rmdir()
        until(lambda: any(line["target_name"] == "first" for line in lines_of(path)), 5)


def test_refusals_of_known_callers_are_sealed_as_well(server: ServerProcess) -> None:
    key = server.auth.CreateSystemApiKey(
        auth_pb2.CreateApiKeyRequest(name="reader", read_only=True), metadata=server.admin
    )
    with pytest.raises(grpc.RpcError):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="x"), metadata=bearer(key.key))
    operator = local(server)
    until(lambda: sealed(operator) and '"allowed":false' in operator.run("audit", "export").stdout, 5)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "--after", "-1"], "not in the range"),
        (["export", "--since", "soon"], "is not a time"),
        (["verify", "/none/such"], "does not exist"),
        (["verify", "--database-url", "sqlite:////none/such.db"], "does not exist"),
        (["verify", "--database-url", "mysql://x"], "PHOENIX_SQL_DATABASE_URL: must be"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: list[str], told: str) -> None:
    assert told in Cli(tmp_path).run("audit", *arguments, exit_code=2).stderr


def test_a_file_of_anything_else_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(b"\xff\x00\n")
    assert "line 1 is no event" in Cli(tmp_path).run("audit", "verify", path, exit_code=1).stderr


def test_a_log_without_events_is_verified_and_exported_as_well(tmp_path: Path) -> None:
    operator = Cli(tmp_path)
    operator.run("migrate")
    assert operator.run("audit", "verify").stdout.startswith("0 events: none was changed, none is missing.")
    operator.run("audit", "export", tmp_path / "empty.jsonl")
    assert (tmp_path / "empty.jsonl").read_bytes() == b""
    assert "0 events" in operator.run("audit", "verify", tmp_path / "empty.jsonl").stdout
