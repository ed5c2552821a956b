"""`phoenix-grpc datasets`: what the server is for."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from phoenix_grpc.cli.failures import Failure
from phoenix_grpc.cli.output import (
    counted,
    items,
    json_option,
    note,
    plain,
    print_facts,
    print_json,
    print_table,
    progress_bar,
    time_text,
)
from phoenix_grpc.cli.passwords import require_terminal
from phoenix_grpc.cli.remote import Server, server_options

if TYPE_CHECKING:
    from phoenix_grpc.v1 import datasets_pb2

F = TypeVar("F", bound=Callable[..., Any])

UPLOAD_FORMATS = click.Choice(["jsonl", "csv"])
DOWNLOAD_FORMATS = click.Choice(["jsonl", "csv", "examples", "openai_ft", "openai_evals"])
COMPRESSIONS = click.Choice(["none", "gzip", "deflate"])


@click.group()
def datasets() -> None:
    """List, upload, download and delete datasets.

    \b
    Examples:
      phoenix-grpc datasets upload qa qa.jsonl
      phoenix-grpc datasets download qa qa.jsonl.gz
    """


@datasets.command("list")
@click.option("--contains", default="", metavar="TEXT", help="Only those with TEXT in their names, in any case.")
@server_options
@json_option
def list_datasets(server: Server, contains: str, as_json: bool) -> None:
    """List datasets, newest first.

    \b
    Examples:
      phoenix-grpc datasets list
      phoenix-grpc datasets list --contains eval --json | jq -r '.[].name'
    """
    from phoenix_grpc.v1 import datasets_pb2

    with server.connect() as client:
        request = datasets_pb2.ListDatasetsRequest(name_contains=contains, page_size=1000)
        found = list(items(client.datasets.ListDatasets, request, "datasets"))
    if as_json:
        return print_json([plain(dataset) for dataset in found])
    return print_table(
        ["NAME", "EXAMPLES", "UPDATED", "ID", "DESCRIPTION"],
        ((d.name, d.example_count, time_text(d.update_time), d.dataset_id, d.description) for d in found),
    )


@datasets.command()
@click.argument("name")
@server_options
@json_option
def show(server: Server, name: str, as_json: bool) -> None:
    """Show the dataset NAME.

    \b
    Examples:
      phoenix-grpc datasets show qa
      phoenix-grpc datasets show qa --json | jq .example_count
    """
    from phoenix_grpc.v1 import datasets_pb2

    with server.connect() as client:
        dataset = client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name=name))
    if as_json:
        return print_json(plain(dataset))
    return _print_dataset(dataset)


def _print_dataset(dataset: "datasets_pb2.Dataset") -> None:
    facts = [
        ("Name", dataset.name),
        ("Id", dataset.dataset_id),
        ("Description", dataset.description),
        ("Examples", dataset.example_count),
        ("Latest version", dataset.latest_version_id),
        ("Created", time_text(dataset.create_time)),
        ("Updated", time_text(dataset.update_time)),
    ]
    print_facts((name, value) for name, value in facts if value != "")


@datasets.command()
@click.argument("name")
@click.option("--description", help="What it is, for people.")
@server_options
@json_option
def create(server: Server, name: str, description: str | None, as_json: bool) -> None:
    """Create the empty dataset NAME.

    'upload' creates it by itself.

    \b
    Examples:
      phoenix-grpc datasets create qa --description "Questions and answers"
    """
    from phoenix_grpc.v1 import datasets_pb2

    with server.connect() as client:
        request = datasets_pb2.CreateDatasetRequest(name=name, description=description)
        dataset = client.datasets.CreateDataset(request)
    if as_json:
        return print_json(plain(dataset))
    return note(f"Created {dataset.name} ({dataset.dataset_id}).")


def _key_option(name: str, help: str) -> Callable[[F], F]:
    return click.option(f"--{name}-key", f"{name}_keys", multiple=True, metavar="KEY", help=f"{help}; may be repeated.")


@datasets.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--action",
    type=click.Choice(["create", "append", "update"]),
    default="append",
    show_default=True,
    help="create: a new dataset. append: adds and changes. update: also deletes what FILE does not have.",
)
@_key_option("input", "A key, or column, of the records that goes into the input")
@_key_option("output", "One that goes into the output")
@_key_option("metadata", "One that goes into the metadata")
@_key_option("split", "One that names splits")
@_key_option("flatten", "One of these whose object is spread into its place instead of being nested under its key")
@click.option("--id-key", "example_id_key", default="", metavar="KEY", help="The key of the example's id.")
@click.option("--span-key", "span_id_key", default="", metavar="KEY", help="The key of the span it was taken from.")
@click.option("--format", type=UPLOAD_FORMATS, help="What FILE is. [default: what its name says, else jsonl]")
@click.option(
    "--compression", type=COMPRESSIONS, help="How it is compressed. [default: gzip when its name ends in .gz]"
)
@click.option("--validate-only", is_flag=True, help="Run every check and change nothing.")
@click.option("--allow-empty", is_flag=True, help="Let an update without records delete every example.")
@click.option("--ignore-ids", is_flag=True, help="Take every record as new: to copy from another dataset.")
@click.option(
    "--base-version", "base_version_id", default="", metavar="ID", help="Fail when this is not the latest version."
)
@click.option("--description", help="Describes the dataset when it is created.")
@click.option("--version-description", help="Describes the new version.")
@server_options
@json_option
def upload(server: Server, name: str, file: Path, action: str, as_json: bool, **header: Any) -> None:
    """Upload FILE into the dataset NAME.

    FILE is JSONL or CSV, may be compressed, and - is standard input. Without keys a JSONL record is
    {id?, input, output?, metadata?, splits?}. All of the upload counts, or none.

    \b
    Examples:
      phoenix-grpc datasets upload qa qa.jsonl
      phoenix-grpc datasets upload human-eval HumanEval.jsonl.gz --id-key task_id --input-key prompt \\
          --output-key canonical_solution --metadata-key test --metadata-key entry_point
      sqlite3 -csv -header my.db "select q, a from qa" |
          phoenix-grpc datasets upload qa - --format csv --input-key q --output-key a
    """
    given = {field: value for field, value in header.items() if value is not None}
    source = _standard_input() if str(file) == "-" else file
    with server.connect() as client, progress_bar(f"Upload {name}") as progress:
        done = client.upload(source, name, action, progress=progress, **given)
    if done.ignored_keys:
        note(f"Warning: these keys of the records were not used: {', '.join(done.ignored_keys)}")
    if as_json:
        return print_json(plain(done))
    return _tell_upload(done, header["validate_only"])


def _standard_input() -> Any:
    # Unbuffered: a thread that waits in a buffered read holds its lock, and an interrupted Python then aborts.
    return getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)


def _tell_upload(done: "datasets_pb2.UploadDatasetResponse", validated: bool) -> None:
    counts = f"{done.created_count:,} created, {done.updated_count:,} updated, {done.deleted_count:,} deleted"
    if validated:
        note(f"Valid: {counted(done.record_count, 'record')}; an upload would have {counts}.")
    else:
        note(f"{done.dataset.name}: {counted(done.record_count, 'record')} read, {counts}.")
        note(f"Version {done.version.version_id} has {counted(done.version.live_count, 'example')}.")


@datasets.command()
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--format", type=DOWNLOAD_FORMATS, help="What to write. [default: what FILE's name says, or jsonl]")
@click.option("--version", default="", metavar="ID", help="The version. [default: the latest]")
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Only examples in this split; may be repeated.")
@server_options
def download(server: Server, name: str, file: Path, format: str | None, version: str, splits: tuple[str, ...]) -> None:
    """Download the dataset NAME.

    It goes into FILE, or to standard output. FILE is compressed when its name ends in .gz, and replaced only when all
    of it has come. Uploading a download again changes nothing.

    \b
    Examples:
      phoenix-grpc datasets download qa qa.jsonl.gz
      phoenix-grpc datasets download qa qa.csv --split test
      phoenix-grpc datasets download qa | head -1 | jq
    """
    target: Path | BinaryIO = sys.stdout.buffer if str(file) == "-" else file
    with server.connect() as client, progress_bar(f"Download {name}") as progress:
        header = client.download(name, target, format or "", version, splits=splits, progress=progress)
    examples = counted(header.version.live_count, "example")
    note(f"{header.dataset.name}: version {header.version.version_id}, {examples}.")


@datasets.command()
@click.argument("name")
@server_options
@json_option
def versions(server: Server, name: str, as_json: bool) -> None:
    """List the versions of the dataset NAME.

    \b
    Examples:
      phoenix-grpc datasets versions qa
      phoenix-grpc datasets versions qa --json | jq -r '.[0].version_id'
    """
    from phoenix_grpc.v1 import datasets_pb2

    with server.connect() as client:
        request = datasets_pb2.ListVersionsRequest(name=name, page_size=1000)
        found = list(items(client.datasets.ListVersions, request, "versions"))
    if as_json:
        return print_json([plain(version) for version in found])
    return print_table(
        ["ID", "CREATED", "EXAMPLES", "+", "~", "-", "DESCRIPTION"],
        (
            (
                version.version_id,
                time_text(version.create_time),
                version.live_count,
                version.created_count,
                version.updated_count,
                version.deleted_count,
                version.description,
            )
            for version in found
        ),
    )


@datasets.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@server_options
def delete(server: Server, name: str, yes: bool) -> None:
    """Delete the dataset NAME with all its versions.

    \b
    Examples:
      phoenix-grpc datasets delete qa
      phoenix-grpc datasets delete qa --yes
    """
    from phoenix_grpc.v1 import datasets_pb2

    with server.connect() as client:
        etag = ""
        if not yes:
            require_terminal("--yes")
            dataset = client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name=name))
            question = f"Delete {dataset.name} with {counted(dataset.example_count, 'example')} and all versions?"
            if not click.confirm(question, err=True):
                raise Failure("nothing was deleted")
            etag = dataset.etag  # what was agreed to is what goes
        client.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name=name, etag=etag))
    note(f"Deleted {name}.")
