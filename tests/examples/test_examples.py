"""The programs in examples/ build and run as its README says, against a real server."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from filelock import FileLock
from platformdirs import user_cache_path

from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_PASSWORD
from tests.process import ServerProcess
from tests.toolchains import PATH, need
from tests.transcripts import commands, pattern

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
README = (EXAMPLES / "README.md").read_text()
INTRODUCTION, *SECTIONS = re.split(r"^## ", README, flags=re.MULTILINE)
PRINTED, REFUSED = re.findall(r"^```text\n(.*?)^```", INTRODUCTION, re.MULTILINE | re.DOTALL)
RECORDS = [json.loads(line) for line in (EXAMPLES / "qa.jsonl").read_text().splitlines()]
STRANGER = "stranger@example.com"
FAILURES_UNTIL_THROTTLED = 5
MINUTES = 60

TOOLS = {
    "Go": ("go", "protoc"),
    "TypeScript": ("node", "npm"),
    "Java": ("javac", "mvn"),
    "C++": ("cmake", "g++", "make", "grpc_cpp_plugin", "protoc"),
    "Ruby": ("grpc_tools_ruby_protoc", "ruby"),
    "Rust": ("cargo", "protoc"),
}


class Workshop:
    """A copy of an example, in which its README's commands are typed. Builds stay, for the next session's."""

    def __init__(self, language: str, section: str) -> None:
        typed = "\n".join(re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
        self.enter, *self.build_steps, self.start = (command for command, _ in commands(typed))
        self.example = self.enter.removeprefix("cd ")
        self.folder = user_cache_path("phoenix-grpc-tests", ensure_exists=True) / "examples" / language
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(self.folder / "lock")

    def furnish(self, protos: Path) -> None:
        """Brings the copy up to date, and leaves files alone that did not change: builds go by their times."""
        sources = {file.relative_to(EXAMPLES): file for file in committed(EXAMPLES / self.example)}
        sources[Path("qa.jsonl")] = EXAMPLES / "qa.jsonl"
        made = {Path("protos") / file.relative_to(protos): file for file in protos.rglob("*.proto")}
        for gone in {file.relative_to(self.folder) for file in self.folder.glob("protos/**/*.proto")} - set(made):
            (self.folder / gone).unlink()
        for name, source in {**sources, **made}.items():
            target = self.folder / name
            if not target.exists() or target.read_bytes() != source.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())

    def type(self, *steps: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs commands in one shell, in the example's folder."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PHOENIX_")}
        return subprocess.run(
            ["bash", "-euc", "\n".join((self.enter, *steps))],
            cwd=self.folder,
            env={**environment, **variables, "PATH": PATH},
            capture_output=True,
            text=True,
            timeout=10 * MINUTES,
        )


def committed(folder: Path) -> list[Path]:
    """The files of a folder, without what builds make."""
    made = set(re.findall("^(.+)/$", (EXAMPLES / ".gitignore").read_text(), re.MULTILINE))
    files = (file for file in folder.rglob("*") if made.isdisjoint(file.relative_to(EXAMPLES).parts))
    return [file for file in files if file.is_file()]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def protos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's first command writes."""
    assert "$ phoenix-grpc protos protos\n" in INTRODUCTION
    folder = tmp_path_factory.mktemp("protos")
    subprocess.run(["phoenix-grpc", "protos", "protos"], cwd=folder, env={**os.environ, "PATH": PATH}, check=True)
    return folder / "protos"


@pytest.fixture
def workshop(language: str, protos: Path) -> Iterator[Workshop]:
    need(*TOOLS[language])
    section = next(section for section in SECTIONS if section.startswith(f"{language}\n"))
    workshop = Workshop(language, section)
    with workshop.lock:
        workshop.furnish(protos)
        yield workshop


def test_every_example_is_tested() -> None:
    assert [section.partition("\n")[0] for section in SECTIONS] == list(TOOLS)
    folders = {line.removeprefix("$ cd ") for line in README.splitlines() if line.startswith("$ cd ")}
    assert folders == {file.relative_to(EXAMPLES).parts[0] for file in committed(EXAMPLES) if file.parent != EXAMPLES}


@pytest.mark.parametrize("language", TOOLS)
def test_an_example_uploads_downloads_and_explains_refusals(
    language: str, workshop: Workshop, server: ServerProcess, tmp_path: Path
) -> None:
    built = workshop.type(*workshop.build_steps)
    assert built.returncode == 0, built.stdout + built.stderr

    def run(file: str = "../qa.jsonl", **variables: str) -> subprocess.CompletedProcess[str]:
        start = workshop.start.replace("../qa.jsonl", file)
        return workshop.type(start, PHOENIX_GRPC_ADDRESS=server.address, **variables)

    key = server.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name=language), metadata=server.admin).key
    with_key = run(PHOENIX_API_KEY=key)
    assert re.fullmatch(pattern(PRINTED), with_key.stderr + with_key.stdout, re.DOTALL)
    assert downloaded(with_key.stdout) == RECORDS

    logged_in = run(PHOENIX_EMAIL="admin@localhost", PHOENIX_PASSWORD=ADMIN_PASSWORD)
    assert (logged_in.returncode, downloaded(logged_in.stdout)) == (0, RECORDS)
    assert "0 created" in logged_in.stderr

    # More than the windows of a connection hold, so that the server refuses while the program still sends.
    broken = tmp_path / "broken.jsonl"
    broken.write_bytes(b"[]\n" + b"\n" * 40_000_000)
    refused = run(str(broken), PHOENIX_API_KEY=key)
    assert refused.returncode != 0
    assert "reason: INVALID_RECORD" in refused.stderr

    for _ in range(FAILURES_UNTIL_THROTTLED):
        with pytest.raises(grpc.RpcError):
            server.auth.Login(auth_pb2.LoginRequest(email=STRANGER, password="wrong"))
    throttled = run(PHOENIX_EMAIL=STRANGER, PHOENIX_PASSWORD="wrong")
    assert throttled.returncode != 0
    assert re.match(pattern(REFUSED), throttled.stderr, re.DOTALL)


def downloaded(lines: str) -> list[dict]:
    """The records of a download as they were uploaded: without what the server adds."""
    given = ("id", "input", "output", "metadata", "splits")
    return [{key: value for key in given if (value := record[key])} for record in map(json.loads, lines.splitlines())]
