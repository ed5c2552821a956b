"""`phoenix-grpc datasets upload` and `download`."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from phoenix_grpc.cli.failures import INTERRUPTED, USAGE, Failure
from phoenix_grpc.cli.output import counted, json_option, note, plain, print_json, progress_bar
from phoenix_grpc.cli.remote import Server, server_options

if TYPE_CHECKING:
    from phoenix_grpc.client import DataFile
    from phoenix_grpc.v1 import datasets_pb2

F = TypeVar("F", bound=Callable[..., Any])

UPLOAD_FORMATS = click.Choice(["jsonl", "csv"])
DOWNLOAD_FORMATS = click.Choice(["jsonl", "csv", "examples", "openai_ft", "openai_evals"])
COMPRESSIONS = click.Choice(["none", "gzip", "deflate"])


def _key_option(name: str, help: str) -> Callable[[F], F]:
    return click.option(f"--{name}-key", f"{name}_keys", multiple=True, metavar="KEY", help=f"{help}; may be repeated.")


@click.command()
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--action",
    type=click.Choice(["create", "append", "update"]),
    default="append",
    show_default=True,
    help="create: a new dataset. append: adds and updates. update: also deletes what FILE does not contain.",
)
@_key_option("input", "A key, or column, of the records to put into the input")
@_key_option("output", "One to put into the output")
@_key_option("metadata", "One to put into the metadata")
@_key_option("split", "One that names splits")
@_key_option("flatten", "One of these whose object is merged into its place instead of being nested under its key")
@click.option("--id-key", "example_id_key", default="", metavar="KEY", help="The key of the example's id.")
@click.option("--span-key", "span_id_key", default="", metavar="KEY", help="The key of the span it was taken from.")
@click.option("--format", type=UPLOAD_FORMATS, help="Format of FILE. [default: detected]")
@click.option("--compression", type=COMPRESSIONS, help="Compression of FILE. [default: gzip is detected]")
@click.option("--validate-only", is_flag=True, help="Run every check and change nothing.")
@click.option("--allow-empty", is_flag=True, help="Allow an update without records, which deletes every example.")
@click.option("--ignore-ids", is_flag=True, help="Treat every record as new: to copy from another dataset.")
@click.option(
    "--base-version", "base_version_id", default="", metavar="ID", help="Fail if this is not the latest version."
)
@click.option("--description", help="Description of the dataset, if it is created.")
@click.option("--version-description", help="Description of the new version.")
@click.option("--yes", is_flag=True, help="Accept the guessed columns without asking.")
@server_options
@json_option
def upload(server: Server, name: str, file: Path, action: str, as_json: bool, yes: bool, **header: Any) -> None:
    """Upload FILE into the dataset NAME.

    FILE is CSV, JSON Lines or one JSON array, may be compressed with gzip, and - is standard input. A record is
    {id?, input, output?, metadata?, splits?}. For other columns, the key options say where they go; without any, the
    command guesses by their names, shows the guess, and asks at a terminal. All of the upload is stored, or none.

    \b
    Examples:
      phoenix-grpc datasets upload qa qa.jsonl
      phoenix-grpc datasets upload capitals capitals.csv --input-key question --output-key answer
      phoenix-grpc datasets upload human-eval HumanEval.jsonl.gz --id-key task_id --input-key prompt \\
          --output-key canonical_solution --metadata-key test --metadata-key entry_point
      sqlite3 -csv -header my.db "select q, a from qa" |
          phoenix-grpc datasets upload qa - --format csv --input-key q --output-key a
    """
    given = {field: value for field, value in header.items() if value is not None}
    phase = _Phase(name)
    with _looked_into(file, given) as data, phase.interrupted(), server.connect() as client:
        _tell_mapping(data, given, ask=not yes and str(file) != "-")
        with progress_bar(f"Upload {name}", "bytes", f"Storing {name}") as show:
            done = client.upload(data, name, action, progress=phase.watching(show), **given)
    if done.ignored_keys:
        note(f"Warning: these keys of the records were not used: {', '.join(done.ignored_keys)}")
    if as_json:
        return print_json(plain(done))
    return _tell_upload(done, header["validate_only"])


@contextlib.contextmanager
def _looked_into(file: Path, header: dict[str, Any]) -> Iterator["DataFile"]:
    """The file to upload; a file that cannot be uploaded ends the command."""
    from phoenix_grpc.client import UnfitFile, open_data_file

    source = _standard_input() if str(file) == "-" else file
    format, compression = header.pop("format", ""), header.pop("compression", "")
    try:
        with open_data_file(source, format, compression, allow_empty=header["allow_empty"]) as data:
            yield data
    except UnfitFile as error:
        raise Failure(f"{'standard input' if str(file) == '-' else file}: {error}") from None


def _tell_mapping(data: "DataFile", header: dict[str, Any], *, ask: bool) -> None:
    """Shows the guess of the columns, if there is one, and asks for confirmation at a terminal."""
    from phoenix_grpc.client.columns import FIELDS, KEY_FIELDS, guess_mapping

    guess = {} if any(header.get(field) for field in KEY_FIELDS) else guess_mapping(data.columns)
    if not guess:
        return
    note("Columns, guessed by their names:")
    for role, field in FIELDS.items():
        if columns := guess.get(field):
            note(f"  {role:<10}{columns if isinstance(columns, str) else ', '.join(columns)}")
    if ask and sys.stdin.isatty() and sys.stderr.isatty() and not click.confirm("Upload it like this?", True, err=True):
        raise Failure("nothing was uploaded; set the columns with --input-key, --output-key and so on", USAGE)


class _Phase:
    """Knows whether all of an upload was sent, to tell when it is interrupted what became of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sent = False

    def watching(self, show: Callable[[int, int | None], None]) -> Callable[[int, int | None], None]:
        """A progress function that calls `show`."""

        def progress(done: int, total: int | None) -> None:
            self._sent = done == total
            show(done, total)

        return progress

    @contextlib.contextmanager
    def interrupted(self) -> Iterator[None]:
        """Ends the command with a fitting message on Ctrl-C within the block."""
        try:
            yield
        except (KeyboardInterrupt, click.Abort):
            if not self._sent:
                raise Failure("interrupted: nothing was uploaded", INTERRUPTED) from None
            raise Failure(
                "interrupted while the server stored the upload: it is dropped unless that was done just now; "
                f"'phoenix-grpc datasets versions {self._name}' shows it",
                INTERRUPTED,
            ) from None


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


@click.command()
@click.argument("name")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path), default="-")
@click.option("--format", type=DOWNLOAD_FORMATS, help="Format to write. [default: by the name of FILE, or jsonl]")
@click.option("--version", default="", metavar="ID", help="The version. [default: the latest]")
@click.option("--split", "splits", multiple=True, metavar="NAME", help="Only examples in this split; may be repeated.")
@server_options
def download(server: Server, name: str, file: Path, format: str | None, version: str, splits: tuple[str, ...]) -> None:
    """Download the dataset NAME.

    It is written to FILE, or to standard output. FILE is compressed if its name ends in .gz, and replaced only when
    the download is complete. Uploading a download again changes nothing.

    \b
    Examples:
      phoenix-grpc datasets download qa qa.jsonl.gz
      phoenix-grpc datasets download qa qa.csv --split test
      phoenix-grpc datasets download qa | head -1 | jq
    """
    target: Path | BinaryIO = sys.stdout.buffer if str(file) == "-" else file
    with server.connect() as client, progress_bar(f"Download {name}", "examples") as progress:
        header = client.download(name, target, format or "", version, splits=splits, progress=progress)
    examples = counted(header.version.live_count, "example")
    note(f"{header.dataset.name}: version {header.version.version_id}, {examples}.")
