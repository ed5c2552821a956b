"""`phoenix-grpc datasets`: datasets and their versions."""

from typing import TYPE_CHECKING

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
    time_text,
)
from phoenix_grpc.cli.passwords import require_terminal
from phoenix_grpc.cli.remote import Server, server_options
from phoenix_grpc.cli.transfers import download, upload

if TYPE_CHECKING:
    from phoenix_grpc.v1 import datasets_pb2


@click.group()
def datasets() -> None:
    """List, upload, download and delete datasets.

    \b
    Examples:
      phoenix-grpc datasets upload qa qa.jsonl
      phoenix-grpc datasets download qa qa.jsonl.gz
    """


@datasets.command("list")
@click.option("--contains", default="", metavar="TEXT", help="Only datasets whose names contain TEXT, ignoring case.")
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
@click.option("--description", help="A description for people.")
@server_options
@json_option
def create(server: Server, name: str, description: str | None, as_json: bool) -> None:
    """Create the empty dataset NAME.

    'upload' creates a dataset that does not exist.

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
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
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
            etag = dataset.etag  # delete exactly what was confirmed
        client.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name=name, etag=etag))
    note(f"Deleted {name}.")


for command in (upload, download):
    datasets.add_command(command)
