"""A claim in the docs is a test: every command, setting, method and script is documented, and nothing else is."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import click
import pytest

from phoenix_grpc.cli import main as cli
from phoenix_grpc.config import ClientSettings, Settings
from phoenix_grpc.contract import FILES

ROOT = Path(__file__).parent.parent
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("document", ROOT / "scripts" / "document.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(group: click.Command, path: str) -> list[str]:
    if not isinstance(group, click.Group):
        return [path]
    context = click.Context(group)
    return [
        leaf
        for name in group.list_commands(context)
        for leaf in leaves(group.get_command(context, name), f"{path} {name}")
    ]


def test_the_tables_are_up_to_date() -> None:
    assert script().documented(REFERENCE) == REFERENCE, "run scripts/document"


@pytest.mark.parametrize("command", leaves(cli, "phoenix-grpc"))
def test_every_command_is_documented(command: str) -> None:
    assert f"| `{command}" in REFERENCE


@pytest.mark.parametrize("name", sorted({*Settings.model_fields, *ClientSettings.model_fields}))
def test_every_setting_is_documented(name: str) -> None:
    assert f"| `PHOENIX_{name.upper()}` |" in REFERENCE


@pytest.mark.parametrize("method", [m for file in FILES for s in file.services_by_name.values() for m in s.methods])
def test_every_method_is_documented_and_names_its_statuses(method) -> None:
    assert f"`{method.containing_service.name}.{method.name}`" in REFERENCE
    proto = (ROOT / "protos" / method.containing_service.file.name).read_text()
    comment = re.search(rf"((?:  //.*\n)+)  rpc {method.name}\(", proto)
    assert comment is not None
    assert "Statuses: " in comment[1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_variable_is_named_that_does_not_exist(document: Path) -> None:
    known = {f"PHOENIX_{name.upper()}" for name in {*Settings.model_fields, *ClientSettings.model_fields}}
    # PHOENIX_HOST means the server's address to it, and the server's URL to Phoenix's TypeScript client.
    assert set(re.findall(r"\bPHOENIX_[A-Z_]+[A-Z]\b", document.read_text())) <= known


def test_every_script_is_documented() -> None:
    listed = (ROOT / "scripts" / "README.md").read_text()
    scripts = {file.name for file in (ROOT / "scripts").iterdir() if "." not in file.name and file.is_file()}
    assert scripts == set(re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_the_readme_leads_to_every_document() -> None:
    readme = (ROOT / "README.md").read_text()
    for document in DOCUMENTS[1:]:
        assert f"({document.relative_to(ROOT)})" in readme, document
