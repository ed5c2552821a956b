"""The README's examples run as printed, in their order, against a real server."""

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ADMIN_PASSWORD
from tests.process import ServerProcess
from tests.transcripts import commands, pattern

README = (Path(__file__).parent.parent / "README.md").read_text()
BIN = Path(sys.executable).parent
END = "--- end of output ---"


class Example(NamedTuple):
    """A command, or a program, and what it prints; "…" stands for anything."""

    language: str
    code: str
    output: str


def examples() -> Iterator[Example]:
    """The examples of the README, in their order."""
    for language, block in re.findall(r"^```(console|python|js)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        if language != "console":
            # What a program prints stands in its last line, as a comment.
            last = re.search(r"^(?:#|//) (.*)\Z", block.strip(), re.MULTILINE)
            yield Example(language, block, last[1] if last else "")
            continue
        yield from (Example(language, command, output) for command, output in commands(block))


class Reader:
    """Somebody who types the README's commands into one shell, in an empty folder with an empty home."""

    def __init__(self, folder: Path, server: ServerProcess) -> None:
        self.folder = folder
        self.server = server
        environment = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PHOENIX_GRPC_ADDRESS": server.address,
        }
        self.shell = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
        )

    def here(self, text: str) -> str:
        """The text with the addresses of this server, and without the prompt for the password."""
        text = re.sub(r"(localhost|127\.0\.0\.1):50051", self.server.address, text)
        text = text.replace("http://localhost:6006", self.server.started["http"])
        if text.endswith("login --email admin@localhost"):
            text = f"echo '{ADMIN_PASSWORD}' | {text} --password-stdin"
        return text.removeprefix("Password:\n")

    def run(self, command: str) -> str:
        """What the command prints."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{self.here(command)}\necho '{END}'\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.rstrip().endswith(END):
                lines.append(line.rstrip().removesuffix(END))
                break
            lines.append(line)
        return "".join(lines)

    def close(self) -> None:
        self.shell.communicate("exit\n", timeout=10)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("readme")
    with ServerProcess(folder) as server:
        reader = Reader(folder, server)
        yield reader
        reader.close()


def test_the_examples_run_as_printed(reader: Reader) -> None:
    wrong = []
    for example in examples():
        printed = reader.run(command_of(example, reader))
        if not re.fullmatch(pattern(reader.here(example.output)), printed, re.DOTALL):
            wrong.append(f"{example.code}\n--- printed\n{printed}\n--- expected\n{example.output}")
    assert not wrong, "\n\n".join(wrong)


def command_of(example: Example, reader: Reader) -> str:
    """What to type to run an example."""
    if example.language == "console":
        return example.code
    name, runner = {"python": ("example.py", f"{BIN}/python"), "js": ("example.mjs", "node")}[example.language]
    (reader.folder / name).write_text(reader.here(example.code))
    return f"{runner} {reader.folder / name}"


def test_a_terminal_shows_what_the_first_start_prints(tmp_path: Path) -> None:
    [block] = re.findall(r"^```text\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", first_start(tmp_path)).replace("\r\n", "\n")
    port, grpc_port = (re.search(pattern, shown)[1] for pattern in (r"Open \S+:(\d+)", r"grpc=\S+:(\d+)"))  # type: ignore[index]
    expected = block.replace("6006", port).replace("50051", grpc_port).replace("/home/ada", str(tmp_path))
    for changing in (r"(?<=Password:    )\S+", r"\d{4}-\d\d-\d\dT\S+Z"):
        assert re.search(changing, expected)
        expected, shown = re.sub(changing, "…", expected), re.sub(changing, "…", shown)
    assert shown == expected


def first_start(home: Path) -> str:
    """What `serve` shows at a terminal until it says where to go on."""
    terminal, inside = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PHOENIX_PORT": "0", "PHOENIX_GRPC_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "phoenix_grpc", "serve"], env=environment, stdin=inside, stdout=inside, stderr=inside
    )
    shown = ""
    while "Open " not in shown or not shown.endswith("\r\n\r\n"):
        assert select.select([terminal], [], [], 20)[0], shown
        shown += os.read(terminal, 65536).decode()
    process.terminate()
    process.wait(20)
    os.close(terminal)
    os.close(inside)
    return shown
