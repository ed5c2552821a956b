"""The tables of docs/reference.md: commands, settings and methods, each from its one source."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from phoenix_grpc.cli import main as cli
from phoenix_grpc.config import PREFIX, ClientSettings, Settings
from phoenix_grpc.contract import FILES
from phoenix_grpc.v1 import access_pb2

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference.md"


def commands(group: click.Command = cli, path: str = "phoenix-grpc") -> Iterator[str]:
    """A line for every command, with the first sentence of its help."""
    if not isinstance(group, click.Group) or group.invoke_without_command:
        arguments = "".join(
            f" {p.make_metavar(click.Context(group))}" for p in group.params if p.param_type_name == "argument"
        )
        yield f"| `{path}{_cell(arguments)}` | {_first_sentence(group.help or '')} |"
    if not isinstance(group, click.Group):
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from commands(command, f"{path} {name}")


def settings(kind: type[BaseSettings]) -> Iterator[str]:
    """A line for every setting of a kind."""
    for name, field in kind.model_fields.items():
        yield f"| `{PREFIX}{name.upper()}` | {_shown(field.default)} | {field.description} |"


def methods() -> Iterator[str]:
    """A line for every method, with the first sentence of its comment."""
    for file in FILES:
        comments = _comments(ROOT / "protos" / file.name)
        for service in file.services_by_name.values():
            for method in service.methods:
                rule = method.GetOptions().Extensions[access_pb2.access]
                access = access_pb2.Access.Name(rule.access).removeprefix("ACCESS_")
                who = access + (", no API key" if rule.interactive else "")
                yield f"| `{service.name}.{method.name}` | {who} | {comments[method.name]} |"


TABLES = {
    "commands": ("| command | what it does |", "|---|---|", commands),
    "settings": ("| variable | default | meaning |", "|---|---|---|", partial(settings, Settings)),
    "client": ("| variable | default | meaning |", "|---|---|---|", partial(settings, ClientSettings)),
    "methods": ("| method | who may call | what it does |", "|---|---|---|", methods),
}


def documented(text: str) -> str:
    """The reference with its tables as they ought to be."""
    for name, (head, rule, rows) in TABLES.items():
        table = "\n".join((f"<!-- {name} -->", head, rule, *rows(), "<!-- end -->"))
        text = re.sub(rf"<!-- {name} -->\n(?:\|.*\n)*<!-- end -->", lambda _, table=table: table, text)
    return text


def _comments(proto: Path) -> dict[str, str]:
    """The first sentence of the comment of each rpc."""
    found = re.findall(r"((?:  // .*\n)+)  rpc (\w+)\(", proto.read_text())
    return {name: _first_sentence(re.sub(r"\s*// ", " ", comment)) for comment, name in found}


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return _cell(re.split(r"(?<=[.])\s", paragraph)[0])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _shown(default: Any) -> str:
    if default is None or default in ("", (), {}, PydanticUndefined):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return "" if isinstance(default, SecretStr) else f"`{default}`"


if __name__ == "__main__":
    REFERENCE.write_text(documented(REFERENCE.read_text()))
