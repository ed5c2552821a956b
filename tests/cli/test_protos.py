"""`phoenix-grpc protos`: from what it writes, stubs can be made without anything else."""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from platformdirs import user_cache_path

from phoenix_grpc.cli.protos import proto_files, protos
from tests.cli.conftest import Cli
from tests.toolchains import PATH, need

PROTOS = Path(__file__).parent.parent.parent / "protos" / "phoenix_grpc" / "v1"
FILES = sorted(file.stem for file in PROTOS.iterdir())


class Language(NamedTuple):
    """What the help's commands need, the stubs that they make of each file, and a line of those."""

    tools: tuple[str, ...]
    stubs: tuple[str, ...]
    line: str


LANGUAGES = {
    "Python": Language(("python",), ("{0}_pb2.py", "datasets_pb2_grpc.py"), "phoenix_grpc"),
    "Go": Language(("go", "protoc"), ("{0}.pb.go", "datasets_grpc.pb.go"), "package phoenixgrpcv1"),
    "Java": Language(
        ("protoc", "grpc_java_plugin"),
        ("{1}Proto.java", "DatasetsServiceGrpc.java"),
        "package io.github.phoenix_grpc.v1;",
    ),
    "Node": Language(("npm", "npx"), ("Access.ts", "DatasetsService.ts"), "phoenix_grpc/v1/"),
    "C++": Language(("protoc", "grpc_cpp_plugin"), ("{0}.pb.cc", "{0}.grpc.pb.cc"), "namespace phoenix_grpc {"),
    "Ruby": Language(("grpc_tools_ruby_protoc",), ("{0}_pb.rb", "datasets_services_pb.rb"), "module PhoenixGrpc"),
    "C#": Language(("protoc",), ("{1}.cs",), "namespace PhoenixGrpc.V1 {"),
}


def printed_commands(language: str) -> str:
    """What the help tells to type for a language."""
    help_text = protos.get_help(click.Context(protos))
    block = re.search(rf"^  {re.escape(language)}[,:].*\n((?:    .+\n)+)", help_text + "\n", re.MULTILINE)
    assert block is not None
    return block[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_commands_of_the_help_make_stubs(language: str, offline: Cli, tmp_path: Path) -> None:
    tools, stubs, line = LANGUAGES[language]
    need(*tools)
    offline.run("protos", tmp_path / "protos")
    (tmp_path / "stubs").mkdir()
    # Go installs its plugins there, and not among those of whoever runs the tests.
    gopath = user_cache_path("phoenix-grpc-tests") / "gopath"
    environment = {**os.environ, "PATH": PATH, "GOPATH": str(gopath)}
    done = subprocess.run(
        ["bash", "-euc", printed_commands(language)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = {file.name: file for file in (tmp_path / "stubs").rglob("*") if file.is_file()}
    for name in FILES:
        for stub in stubs:
            assert line in made[stub.format(name, name.capitalize())].read_text()


def test_stubs_serve_where_the_package_is_not_installed(offline: Cli, tmp_path: Path) -> None:
    offline.run("protos", tmp_path / "protos")
    (tmp_path / "stubs").mkdir()
    steps = printed_commands("Python")
    program = "from phoenix_grpc.v1 import auth_pb2_grpc, datasets_pb2_grpc; print(datasets_pb2_grpc.__file__)"
    # -S leaves out the link to this checkout, which an editable installation is.
    printed = subprocess.run(
        ["bash", "-euc", f'{steps}\npython -S -c "{program}"'],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH, "PYTHONPATH": f"{tmp_path / 'stubs'}:{sysconfig.get_path('purelib')}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.endswith(f"{tmp_path}/stubs/phoenix_grpc/v1/datasets_pb2_grpc.py\n")


def test_protoc_needs_nothing_but_the_folder(offline: Cli, tmp_path: Path) -> None:
    folder, out = tmp_path / "protos", tmp_path / "image.binpb"
    assert "Wrote" in offline.run("protos", folder).stderr
    files = sorted(str(file.relative_to(folder)) for file in folder.rglob("*.proto"))
    assert "google/rpc/error_details.proto" in files
    assert [file for file in files if file.startswith("phoenix_grpc/")] == [
        f"phoenix_grpc/v1/{file.name}" for file in sorted(PROTOS.iterdir())
    ]
    protoc = [sys.executable, "-c", "import sys; from grpc_tools.protoc import main; sys.exit(main(sys.argv))"]
    subprocess.run([*protoc, f"-I{folder}", f"--descriptor_set_out={out}", *files], cwd=folder, check=True)
    assert out.stat().st_size > 10_000


def test_a_folder_with_files_is_left_alone_unless_forced(offline: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "not empty" in offline.run("protos", tmp_path, exit_code=2).stderr
    assert not (tmp_path / "google").exists()
    offline.run("protos", tmp_path, "--force")
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_installed_package_has_its_protos_beside_the_stubs(tmp_path: Path) -> None:
    installed = tmp_path / "phoenix_grpc"
    (installed / "v1").mkdir(parents=True)
    for file in PROTOS.iterdir():
        (installed / "v1" / file.name).write_bytes(file.read_bytes())
    files = proto_files(installed)
    ours = {str(source) for name, source in files.items() if name.startswith("phoenix_grpc/")}
    assert ours == {str(file) for file in (installed / "v1").iterdir()}


def test_the_service_config_repeats_what_may_run_twice(offline: Cli, tmp_path: Path) -> None:
    offline.run("protos", tmp_path / "protos")
    (policy,) = json.loads((tmp_path / "protos" / "service_config.json").read_text())["methodConfig"]
    methods = {name["method"] for name in policy["name"]}
    assert {"GetDataset", "CreateDataset", "WhoAmI"} <= methods
    assert not {"UploadDataset", "DownloadDataset", "Login"} & methods
    assert policy["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
