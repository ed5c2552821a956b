"""Output of commands: JSON for scripts, tables for people, progress at a terminal."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phoenix_grpc.cli.failures import printable

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

F = TypeVar("F", bound=Callable[..., Any])

_MAX_CELL = 60  # longer than any id, so that ids are never folded


def json_option(command: F) -> F:
    """Adds the flag `--json` to a command, as its parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON with the field names of the protos.")(
        command
    )


def print_json(value: object) -> None:
    """Prints a value as JSON."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def plain(message: "Message") -> dict[str, Any]:
    """A message as protobuf's JSON with the names of the proto; 64-bit integers are numbers."""
    from google.protobuf.json_format import MessageToDict

    data = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    _numbers(message.DESCRIPTOR, data)  # type: ignore[arg-type]
    return data


def _numbers(descriptor: "Descriptor", data: dict[str, Any]) -> None:
    """Turns the strings that protobuf's JSON makes of 64-bit integers back into numbers."""
    for field in descriptor.fields:
        if field.name not in data:
            continue
        if field.cpp_type == field.CPPTYPE_INT64:
            data[field.name] = int(data[field.name])
        elif field.message_type is not None and not field.message_type.full_name.startswith("google."):
            value = data[field.name]
            for item in value if isinstance(value, list) else [value]:
                _numbers(field.message_type, item)


def items(method: Callable[[Any], Any], request: Any, field: str) -> Iterator[Any]:
    """The items in `field` of all pages that `method` returns."""
    while True:
        page = method(request)
        yield from getattr(page, field)
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows under their headings. Nothing is truncated: long texts are folded, ids are not."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", max_width=_MAX_CELL)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _print(table)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Prints names and values, one per line."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold", max_width=_MAX_CELL)
    for name, value in facts:
        table.add_row(name, _cell(value))
    _print(table)


def _print(table: object) -> None:
    from rich.console import Console

    # rich would truncate at the width of the terminal; a terminal wraps by itself.
    Console(width=10_000, highlight=False).print(table)


def _cell(value: object) -> Any:
    from rich.text import Text

    return Text(printable(value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else str(value)))


def time_text(timestamp: "Timestamp") -> str:
    """A time of a message in local time, for people; empty for the epoch, which means unset."""
    from datetime import UTC

    if not timestamp.seconds:
        return ""
    return timestamp.ToDatetime(UTC).astimezone().isoformat(" ", "seconds")


def counted(number: int, noun: str) -> str:
    """A number of things, in words: "1 example", "1,200 examples"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def note(text: str) -> None:
    """Prints a line for people on stderr, so that stdout has only what scripts read."""
    click.echo(printable(text), err=True)


@contextlib.contextmanager
def progress_bar(label: str, unit: str, then: str = "") -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar on stderr if that is a terminal: a function of the done and the total amount.

    Arguments:
        unit: of the amounts, such as "bytes".
        then: the label of a following step of unknown duration.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich import progress
    from rich.console import Console

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), _how_far(unit))
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(_escaped(label), total=None)

        def show(done: int, total: int | None) -> None:
            if then and done == total:
                bar.remove_task(task)
                bar.add_task(_escaped(then), total=None)
            else:
                bar.update(task, completed=done, total=total)

        yield show


def _escaped(label: str) -> str:
    return printable(label).replace("[", r"\[")


def _how_far(unit: str) -> Any:
    """The column of a bar that shows the amount done, the rate, and the time that is left or has passed."""
    from rich.filesize import decimal
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    def amount(number: float) -> str:
        return decimal(int(number)) if unit == "bytes" else f"{number:,.0f}"

    noun = "" if unit == "bytes" else f" {unit}"

    class HowFar(ProgressColumn):
        def render(self, task: Task) -> Text:
            parts = [f"{_seconds(task.elapsed)} passed"]
            if task.total is not None and task.time_remaining is not None:
                parts = [f"{_seconds(task.time_remaining)} left"]
            if task.speed:
                parts.insert(0, f"{amount(task.speed)}/s")
            if task.completed:
                known = [task.completed] if task.total is None else [task.completed, task.total]
                parts.insert(0, " of ".join(map(amount, known)) + noun)
            return Text(", ".join(parts), no_wrap=True)

    return HowFar()


def _seconds(time: float | None) -> str:
    minutes, seconds = divmod(int(time or 0), 60)
    return f"{minutes}:{seconds:02}"
