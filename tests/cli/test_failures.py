"""Failures: one line on stderr, an exit code that means something, never a traceback or an escape sequence."""

import subprocess
from pathlib import Path

import click
import grpc
import pytest

from phoenix_grpc.cli import main
from phoenix_grpc.cli.failures import ADVICE, OPTIONS, Failure, failure_of
from phoenix_grpc.client import PhoenixError
from phoenix_grpc.v1 import auth_pb2, datasets_pb2, errors_pb2
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_SECRET
from tests.process import ServerProcess


def test_advice_is_for_reasons_that_exist() -> None:
    reasons = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.DESCRIPTOR.values_by_name}
    assert reasons >= set(ADVICE)


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        ("UNAUTHENTICATED", 3),
        ("PERMISSION_DENIED", 4),
        ("NOT_FOUND", 5),
        ("ALREADY_EXISTS", 6),
        ("ABORTED", 6),
        ("UNAVAILABLE", 7),
        ("DEADLINE_EXCEEDED", 7),
        ("INVALID_ARGUMENT", 1),
        ("FAILED_PRECONDITION", 1),
        ("RESOURCE_EXHAUSTED", 1),
        ("UNIMPLEMENTED", 1),
        ("INTERNAL", 1),
    ],
)
def test_a_status_has_an_exit_code(status: str, exit_code: int) -> None:
    error = PhoenixError(grpc.StatusCode[status], "SOME_REASON", "it failed")
    failure = failure_of(error, "a:1")
    assert failure.exit_code == exit_code
    assert failure.message.startswith("it failed (SOME_REASON)")


def test_a_failure_says_when_to_try_again_and_where_to_look() -> None:
    throttled = PhoenixError(grpc.StatusCode.RESOURCE_EXHAUSTED, "LOGIN_THROTTLED", "too many", retry_after=61.0)
    assert failure_of(throttled, "a:1").message == "too many (LOGIN_THROTTLED); try again in 61 s"
    broken = PhoenixError(grpc.StatusCode.INTERNAL, "INTERNAL", "internal error", request_id="r7")
    assert "r7" in failure_of(broken, "a:1").message


def test_fields_are_called_what_the_options_are_called() -> None:
    files = (datasets_pb2.DESCRIPTOR, auth_pb2.DESCRIPTOR)
    fields = {
        field for file in files for message in file.message_types_by_name.values() for field in message.fields_by_name
    }
    assert fields >= set(OPTIONS)
    assert options(main) >= {name for name in OPTIONS.values() if name.startswith("--")}


def options(command: click.Command) -> set[str]:
    """The options of a command, or of all commands of a group."""
    own = {name for param in command.params for name in param.opts}
    return own.union(*map(options, command.commands.values())) if isinstance(command, click.Group) else own


@pytest.mark.parametrize(
    ("field", "message", "shown"),
    [
        ("chunk", "chunk: line 1: a key in input_keys", "line 1: a key in --input-key"),
        ("chunk", "chunk: no record came; allow_empty allows it", "no record came; --allow-empty allows it"),
        ("base_version_id", "base_version_id: is no id", "--base-version: is no id"),
        ("version_id", "version_id: is no id", "--version: is no id"),
        ("", "dataset not found: allow_empty", "dataset not found: allow_empty"),
    ],
)
def test_a_refusal_names_options_instead_of_fields(field: str, message: str, shown: str) -> None:
    violations = ((field, message),) if field else ()
    error = PhoenixError(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", message, violations)
    assert failure_of(error, "a:1").message == f"{shown} (INVALID_FIELD)"


def test_a_terminal_gets_no_escape_sequences() -> None:
    assert Failure("\x1b[31mred\r\nand a line").message == " [31mred  and a line"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["datasets", "list"], 3, "CREDENTIALS_MISSING"),
        (["datasets", "list", "--api-key", "phgrpc_wrong"], 3, "API_KEY_INVALID"),
        (["datasets", "list", "--address", "127.0.0.1:1"], 7, "no answer from 127.0.0.1:1"),
        (["datasets", "list", "--address", "127.0.0.1:1"], 7, "PHOENIX_GRPC_ADDRESS"),
        (["datasets", "list", "--address", "example.com"], 2, "unencrypted"),
        (["datasets", "list", "--address", "ftp://x"], 2, "not a server's address"),
        (["datasets", "list", "--colour"], 2, "--colour"),
        (["dataset"], 2, "No such command"),
        (["datasets", "show", "\udcff"], 2, "UTF-8"),
    ],
)
def test_a_command_that_fails_says_why(cli: Cli, arguments: list[str], exit_code: int, message: str) -> None:
    result = cli.run(*arguments, exit_code=exit_code)
    assert message in result.stderr
    assert result.stdout == ""


def test_the_http_door_is_known_when_it_is_called(admin: Cli, server: ServerProcess, tmp_path: Path) -> None:
    door = server.started["http"].removeprefix("http://")
    (tmp_path / "a.jsonl").write_text('{"input": {}}')
    for command in (["list"], ["upload", "qa", tmp_path / "a.jsonl"]):
        said = admin.run("datasets", *command, "--address", door, exit_code=2).stderr
        assert f"{door} is an HTTP door; gRPC listens on another port" in said


def test_a_viewer_is_refused_what_changes_data(cli: Cli, admin: Cli, tmp_path: Path) -> None:
    admin.run("users", "create", "viewer@example.com", "--role", "viewer", "--password-stdin", input="a good password")
    cli.log_in("viewer@example.com", "a good password")
    (tmp_path / "a.jsonl").write_text('{"input": {}}')
    assert "ROLE_INSUFFICIENT" in cli.run("datasets", "upload", "qa", tmp_path / "a.jsonl", exit_code=4).stderr
    cli.run("datasets", "list")


def test_a_reader_that_goes_away_ends_the_command_quietly(admin: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"input": {{"text": "{"x" * 1000}"}}}}\n' * 5000)
    admin.run("datasets", "upload", "piped-away", tmp_path / "a.jsonl")
    process = admin.start("datasets", "download", "piped-away", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as errors:
        assert b"Traceback" not in errors.read()
    assert process.wait(20) != 0


def test_a_client_calls_the_port_that_a_server_of_the_same_variables_serves(
    offline: Cli, server: ServerProcess
) -> None:
    offline.variables |= {"PHOENIX_GRPC_PORT": server.address.rpartition(":")[2], "PHOENIX_API_KEY": ADMIN_SECRET}
    assert server.address in offline.run("whoami").stdout


def test_the_settings_of_a_client_are_checked(offline: Cli) -> None:
    offline.variables["PHOENIX_CLIENT_HEADERS"] = "nonsense"
    assert "PHOENIX_CLIENT_HEADERS" in offline.run("datasets", "list", exit_code=2).stderr
