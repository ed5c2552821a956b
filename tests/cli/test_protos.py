"""`phoenix-grpc protos`: from what it writes, stubs can be made without anything else."""

import subprocess
import sys
from pathlib import Path

from phoenix_grpc.cli.protos import proto_files
from tests.cli.conftest import Cli

PROTOS = Path(__file__).parent.parent.parent / "protos" / "phoenix_grpc" / "v1"


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
