"""The command line against a real server: in this process, as a process, and at a terminal."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from phoenix_grpc.cli import main
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET
from tests.process import ServerProcess

PROGRAM = [sys.executable, "-m", "phoenix_grpc"]
# Makes standard input the terminal that controls the program, so that Ctrl-C and hidden prompts work as for people.
AT_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


INTERRUPT = "\x03"
"""Ctrl-C."""


@dataclass
class Cli:
    """`phoenix-grpc` as one user runs it: with a home and variables of its own."""

    home: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a command."""
        own = {"HOME": str(self.home), "PHOENIX_CONFIG_DIR": str(self.home / "config")}
        return {"PATH": os.environ["PATH"], "PHOENIX_WORKING_DIR": str(self.home / "work"), **own, **self.variables}

    @property
    def logins(self) -> Path:
        """The file of the logins."""
        return self.home / "config" / "logins.json"

    def run(self, *arguments: object, input: str | bytes | None = None, exit_code: int = 0) -> Result:
        """Runs a command in this process."""
        cleared = {name: None for name in os.environ if name.startswith("PHOENIX_")}
        result = CliRunner(env={**cleared, **self.environment}).invoke(main, list(map(str, arguments)), input=input)
        assert result.exit_code == exit_code, f"{result.exit_code}: {result.output}"
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def json(self, *arguments: object, **options: Any) -> Any:
        """What a command prints with --json."""
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        """Starts a command as a process."""
        return subprocess.Popen([*PROGRAM, *map(str, arguments)], env=self.environment, **options)

    def converse(self, *arguments: object, answers: list[tuple[str, str]]) -> tuple[int, str]:
        """Runs a command at a terminal; sends each answer when its prompt has appeared.

        Returns the exit code and everything that the terminal showed.
        """
        terminal, inside = pty.openpty()
        command = [sys.executable, "-c", AT_TERMINAL, *PROGRAM, *map(str, arguments)]
        process = subprocess.Popen(
            command, env=self.environment, stdin=inside, stdout=inside, stderr=inside, start_new_session=True
        )
        os.close(inside)
        shown = ""
        try:
            for prompt, answer in answers:
                seen = len(shown)
                while prompt not in shown[seen:] and (text := _read(terminal)):
                    shown += text
                os.write(terminal, answer.encode())
            # Python loses an interrupt that comes while readline prepares the prompt: people press the key again.
            again = INTERRUPT if answers and answers[-1][1] == INTERRUPT else ""
            while text := _read(terminal, again):
                shown += text
        finally:
            os.close(terminal)  # hangs up, which ends a command that still waits
            process.wait(20)
        return process.returncode, shown

    def log_in(self, email: str = "admin@localhost", password: str = ADMIN_PASSWORD) -> None:
        """Logs in."""
        self.run("login", "--email", email, "--password-stdin", input=f"{password}\n")


def _read(terminal: int, again: str = "") -> str:
    """What the terminal shows next; `again` is typed each second until it shows something."""
    for _ in range(20):
        if select.select([terminal], [], [], 1)[0]:
            break
        os.write(terminal, again.encode())
    else:
        raise TimeoutError("the command neither asks nor ends")
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # Linux says EIO when the other side has closed
        return ""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server for all tests of the command line."""
    variables = {"PHOENIX_LOG_LEVEL": "INFO", "PHOENIX_DISABLE_RATE_LIMIT": "true"}
    with ServerProcess(tmp_path_factory.mktemp("server"), **variables) as server:
        yield server


@pytest.fixture
def offline(tmp_path: Path) -> Cli:
    """A user without a server."""
    return Cli(tmp_path)


@pytest.fixture
def cli(server: ServerProcess, tmp_path: Path) -> Cli:
    """A user of the server who has no credentials."""
    return Cli(tmp_path, {"PHOENIX_GRPC_ADDRESS": server.address})


@pytest.fixture
def admin(cli: Cli) -> Cli:
    """A user of the server with the admin secret."""
    return Cli(cli.home, {**cli.variables, "PHOENIX_API_KEY": ADMIN_SECRET})


@pytest.fixture
def member(cli: Cli, admin: Cli) -> Cli:
    """A MEMBER who has logged in."""
    email = f"{cli.home.name.replace('_', '-')}@example.com"
    admin.run("users", "create", email, "--role", "member", "--password-stdin", input="a good password\n")
    cli.log_in(email, "a good password")
    return cli


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """A file of three records."""
    file = tmp_path / "qa.jsonl"
    file.write_text("".join(json.dumps({"id": str(n), "input": {"q": n}, "extra": 1}) + "\n" for n in range(3)))
    return file
