"""`phoenix-grpc protos`: the .proto files, for stubs in any language."""

import json
import re
import shutil
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from phoenix_grpc.cli.failures import USAGE, Failure
from phoenix_grpc.cli.output import note

_ERRORS = ("google/rpc/status.proto", "google/rpc/error_details.proto", "google/rpc/code.proto")
_SERVICE_CONFIG = "service_config.json"
_IMPORT = re.compile(r'^import (?:public |weak )?"([^"]+)";', re.MULTILINE)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write even if the folder contains other files.")
def protos(folder: Path, force: bool) -> None:
    """Write the .proto files into DIR.

    This includes the files that they import, and those of error details. Generate stubs from them with the tools of
    your language, here into the folder stubs. The repository's folder examples has programs in six languages.

    DIR/service_config.json tells gRPC's own libraries which calls to repeat, and when. Those that change something are
    done once only if they have a request_id.

    \b
    Examples:
      phoenix-grpc protos protos
      mkdir stubs

    \b
    Python:
      pip install grpcio-tools grpcio-status
      python -m grpc_tools.protoc -I protos --python_out=stubs --pyi_out=stubs \\
        --grpc_python_out=stubs protos/phoenix_grpc/v1/*.proto

    \b
    Go:
      go install google.golang.org/protobuf/cmd/protoc-gen-go@latest
      go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@latest
      export PATH="$PATH:$(go env GOPATH)/bin"
      protoc -I protos --go_out=stubs --go_opt=paths=source_relative \\
        --go-grpc_out=stubs --go-grpc_opt=paths=source_relative \\
        protos/phoenix_grpc/v1/*.proto

    \b
    Java, with Debian's protobuf-compiler and protobuf-compiler-grpc-java-plugin:
      protoc -I protos --java_out=stubs --grpc-java_out=stubs \\
        --plugin=protoc-gen-grpc-java="$(command -v grpc_java_plugin)" \\
        protos/phoenix_grpc/v1/*.proto

    \b
    Node:
      npm install @grpc/grpc-js @grpc/proto-loader
      npx proto-loader-gen-types --grpcLib=@grpc/grpc-js -I protos -O stubs \\
        protos/phoenix_grpc/v1/*.proto

    \b
    C++, with Debian's protobuf-compiler-grpc:
      protoc -I protos --cpp_out=stubs --grpc_out=stubs \\
        --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" \\
        protos/phoenix_grpc/v1/*.proto protos/google/rpc/*.proto

    \b
    Ruby, with the gem grpc-tools or Debian's ruby-grpc-tools:
      grpc_tools_ruby_protoc -I protos --ruby_out=stubs --grpc_out=stubs \\
        protos/phoenix_grpc/v1/*.proto

    \b
    C#, messages only; in a project, Grpc.Tools generates the services as well:
      protoc -I protos --csharp_out=stubs protos/phoenix_grpc/v1/*.proto
    """
    from phoenix_grpc.client.endpoint import service_config

    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise Failure(f"{folder} is not empty; name a new folder, or say --force", USAGE)
    files = proto_files(resources.files("phoenix_grpc"))
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
    (folder / _SERVICE_CONFIG).write_text(f"{json.dumps(json.loads(service_config()), indent=2)}\n", encoding="utf-8")
    note(f"Wrote {len(files) + 1} files into {folder}; give protoc -I {folder}.")


def proto_files(package: Traversable) -> dict[str, Traversable]:
    """Our .proto files, those of error details, and everything that they import, by the name of their import.

    Arguments:
        package: the folder of phoenix_grpc, in a checkout or installed.
    """
    ours = _our_folder(package)
    waiting = [f"phoenix_grpc/v1/{file.name}" for file in ours.iterdir() if file.name.endswith(".proto")]
    waiting += _ERRORS
    found: dict[str, Traversable] = {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _find(name, ours)
            waiting += _IMPORT.findall(found[name].read_text(encoding="utf-8"))
    return found


def _our_folder(package: Traversable) -> Traversable:
    """Beside the stubs in an installed package, in protos/ in a checkout."""
    installed = package / "v1"
    if any(file.name.endswith(".proto") for file in installed.iterdir()):
        return installed
    return Path(str(package)).parent / "protos" / "phoenix_grpc" / "v1"


def _find(name: str, ours: Traversable) -> Traversable:
    top, _, rest = name.rpartition("/")
    if top == "phoenix_grpc/v1":
        return ours / rest
    if top == "google/rpc":
        return resources.files("google.rpc") / rest  # googleapis-common-protos
    return resources.files("grpc_tools") / "_proto" / name
