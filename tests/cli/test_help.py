"""Help: every command has it, with an example that runs."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from phoenix_grpc.cli import COMMANDS, main
from phoenix_grpc.cli.failures import EXIT_CODE_OF, EXIT_CODES
from tests.cli.conftest import Cli


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))


ALL = dict(commands(main))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_says_what_it_does_with_an_example(offline: Cli, path: tuple[str, ...]) -> None:
    shown = offline.run(*path, "--help").stdout
    assert "Examples:" in shown
    assert f"phoenix-grpc {' '.join(path)}".strip() in shown.split("Examples:")[1]
    assert all(option.help for option in ALL[path].params if isinstance(option, click.Option))


def examples() -> Iterator[str]:
    for command in ALL.values():
        text = (command.help or "").replace("\\\n", " ").replace("|\n", "| ")
        for line in re.findall(r"phoenix-grpc .*", text):
            yield re.split(r" [|<] |\)$", line)[0]


@pytest.mark.parametrize("example", sorted(set(examples())))
def test_every_example_is_a_command_with_options_that_exist(example: str) -> None:
    words = shlex.split(example.split(">")[0])[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.Path.convert", lambda _self, value, *_: value)  # the files need not be there
        command.make_context(command.name, words)


def test_the_exit_codes_of_the_help_are_those_of_the_commands(offline: Cli) -> None:
    listed = {int(code) for code in re.findall(r"^  (\d+) ", EXIT_CODES, re.MULTILINE)}
    assert listed == {0, 1, 2, 130, *EXIT_CODE_OF.values()}
    assert "130  interrupted" in offline.run("--help").stdout


def test_the_list_of_commands_is_what_the_commands_say(offline: Cli) -> None:
    said = {name: command.get_short_help_str(100) for name, command in main.commands.items()}
    assert {name: text for name, (_, text) in COMMANDS.items()} == said
    listed = offline.run("--help").stdout
    assert re.findall(r"^  ([a-z][a-z-]*)  +([A-Z].*)$", listed, re.MULTILINE) == list(said.items())
    assert {name: command.name for name, command in main.commands.items()} == {name: name for name in said}


def test_a_command_is_imported_when_it_is_called_or_shown() -> None:
    script = """
import sys
from phoenix_grpc.cli import COMMANDS, main
main(sys.argv[1:], standalone_mode=False)
modules = {place.partition(":")[0] for place, _ in COMMANDS.values()}
print("imported:", *sorted(name for name in modules if f"phoenix_grpc.cli.{name}" in sys.modules))
"""

    def imported(*arguments: str) -> str:
        done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    assert imported("--help") == "imported:"
    assert imported("serve", "--help") == "imported: serve"
    assert imported("audit", "--help") == "imported: audit keys store"  # with types of theirs


def test_a_command_that_is_misspelt_is_suggested(offline: Cli) -> None:
    assert "Did you mean 'datasets'?" in offline.run("dataset", exit_code=2).stderr


def test_help_is_quick_since_nothing_heavy_is_imported() -> None:
    script = "import sys, phoenix_grpc.cli; print([name for name in sys.modules if name in sys.argv[1:]])"
    heavy = ["grpc", "google.protobuf", "pydantic", "rich", "uvloop", "sqlite3", "phoenix_grpc.server.serving"]
    done = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package(offline: Cli) -> None:
    from phoenix_grpc import __version__

    assert offline.run("--version").stdout == f"phoenix-grpc, version {__version__}\n"
