"""Imports go one way: which part of the package may know which."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "phoenix_grpc"
FILES = sorted(file for file in PACKAGE.rglob("*.py") if "v1" not in file.parts)

# What a part may import of ours. A part is a module or a folder directly below the package.
ALLOWED = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "config": {"errors"},
    "model": set(),
    "capacity": {"errors"},
    "ending": set(),
    "proxies": set(),
    "rates": {"errors"},
    "pace": set(),
    "carriers": set(),
    "ids": {"errors"},
    "connections": set(),
    "contract": {"errors", "v1"},
    "structs": {"errors"},
    "json_keys": set(),
    "access": {"contract", "errors", "model", "v1"},
    "credentials": {"errors", "model"},
    "store": {"errors", "ids", "json_keys", "model"},
    "mail": {"config", "errors"},
    "keyfile": {"config", "credentials", "errors"},
    "authentication": {"config", "credentials", "errors", "ids", "model", "remembered", "store"},
    "remembered": {"model", "store"},
    "audit": {"access", "model", "store"},
    "statuses": {"errors"},
    "guard": {
        "access",
        "audit",
        "authentication",
        "contract",
        "capacity",
        "carriers",
        "ending",
        "errors",
        "ids",
        "logs",
        "model",
        "reception",
        "proxies",
        "rates",
        "statuses",
        "store",
    },
    "services": {
        "__init__",
        "access",
        "capacity",
        "config",
        "contract",
        "credentials",
        "errors",
        "ids",
        "mail",
        "model",
        "pace",
        "store",
        "structs",
        "v1",
    },
    "grpc_door": {
        "access",
        "config",
        "connections",
        "contract",
        "ending",
        "errors",
        "guard",
        "proxies",
        "reflection",
        "services",
        "store",
        "v1",
    },
    "reception": {"capacity", "contract", "errors", "wire"},
    "reflection": set(),
    "logs": set(),
    "key_expiry": {"config", "mail", "model", "store"},
    "maintenance": {"audit", "authentication", "config", "errors", "key_expiry", "mail", "model", "store"},
    "http": {
        "__init__",
        "capacity",
        "carriers",
        "config",
        "contract",
        "errors",
        "ids",
        "json_keys",
        "pace",
        "proxies",
        "rates",
        "structs",
        "v1",
    },
    "client": {"__init__", "config", "contract", "errors", "v1"},
    "cli": {"__init__", "client", "config", "credentials", "errors", "ids", "model", "server", "store", "v1"},
    "console": set(),
    "wire": {"errors"},
    # The composition root knows them all.
    "server": None,
}

# Libraries that one place alone may import.
ALONE = {
    "sqlite_utils": {"store/sqlite.py"},
    "sqlite3": {"store/sqlite.py", "store/sqlite_backup.py"},
    "uvicorn": {"http", "proxies.py"},
    "fastapi": {"http"},
    "click": {"cli"},
    "rich": {"cli"},
    "jwt": {"credentials"},
    "argon2": {"credentials"},
    "pydantic_settings": {"config.py"},
}
# What may not be imported by a part.
FOREIGN = {"store": {"grpc", "google"}, "credentials": {"grpc", "google"}, "model": {"grpc"}, "errors": {"grpc"}}


def imported(file: Path) -> set[str]:
    """The dotted names of all that a file imports."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part_of(dotted: str) -> str:
    """The part of ours in a dotted name: `phoenix_grpc.store.engine.Engine` is of `store`."""
    rest = dotted.split(".")[1:]
    known = rest and ((PACKAGE / rest[0]).is_dir() or (PACKAGE / f"{rest[0]}.py").is_file())
    return rest[0] if known else "__init__"


def name_of(file: Path) -> str:
    """The part that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_hold_to_the_table(file: Path) -> None:
    part = name_of(file)
    allowed = ALLOWED[part]
    ours = {part_of(name) for name in imported(file) if name.split(".")[0] == "phoenix_grpc"} - {part}
    assert allowed is None or ours <= allowed
    libraries = {name.split(".")[0] for name in imported(file)}
    assert not libraries & FOREIGN.get(part, set())
    place = file.relative_to(PACKAGE)
    for library in libraries & set(ALONE):
        assert any(place.is_relative_to(alone) for alone in ALONE[library]), f"{library} in {place}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_only_settings_read_the_environment(file: Path) -> None:
    if name_of(file) != "config":
        assert not {name for name in imported(file) if name in ("os.environ", "os.getenv")}
        assert "os.environ" not in file.read_text()
        assert "getenv" not in file.read_text()


def test_only_the_guard_chooses_a_status() -> None:
    choosing = {name_of(file) for file in FILES if "StatusCode" in file.read_text()}
    assert choosing <= {"statuses", "guard", "client", "http", "cli"}


def test_the_table_names_the_parts_that_there_are() -> None:
    assert set(ALLOWED) == {name_of(file) for file in FILES} | {"console"}
