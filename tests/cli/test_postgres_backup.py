"""The restore of PostgreSQL that docs/operations.md shows: pg_dump, pg_restore, end-sessions."""

import subprocess
from pathlib import Path

from tests.cli.conftest import Cli
from tests.postgres import binaries, new_database, shared_server
from tests.process import ServerProcess


def tool(name: str, *arguments: object) -> None:
    """Runs a program of PostgreSQL."""
    subprocess.run([binaries() / name, *map(str, arguments)], check=True, capture_output=True)


def test_a_dump_is_restored_into_another_database(tmp_path: Path) -> None:
    before, after = new_database(), shared_server().create_database("template0")
    dump = tmp_path / "phoenix.dump"
    user = Cli(tmp_path, {"PHOENIX_SQL_DATABASE_URL": before})
    with ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=before) as server:
        user.variables["PHOENIX_GRPC_ADDRESS"] = server.address
        user.log_in()
        user.run("datasets", "create", "kept")
        key = user.json("keys", "create", "revoked later")
        tool("pg_dump", "--format=custom", f"--file={dump}", before)
        user.run("keys", "revoke", key["api_key"]["api_key_id"])
        user.run("datasets", "delete", "kept", "--yes")
    tool("pg_restore", f"--dbname={after}", "--no-owner", "--exit-on-error", dump)
    user.variables["PHOENIX_SQL_DATABASE_URL"] = after
    assert user.run("end-sessions", "--yes").stderr == "Ended 1 session.\n"
    with ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=after) as server:
        user.variables["PHOENIX_GRPC_ADDRESS"] = server.address
        user.run("whoami", exit_code=3)
        user.log_in()
        assert [dataset["name"] for dataset in user.json("datasets", "list")] == ["kept"]
        variables = {"PHOENIX_GRPC_ADDRESS": server.address, "PHOENIX_API_KEY": key["key"]}
        by_key = Cli(tmp_path / "key", variables)
        by_key.run("whoami")  # as the documentation warns
        user.run("keys", "revoke", key["api_key"]["api_key_id"])
        by_key.run("whoami", exit_code=3)
