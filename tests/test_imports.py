"""Imports go one way: which part of the package may know which, at two levels."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "phoenix_grpc"
FILES = sorted(file for file in PACKAGE.rglob("*.py") if not {"v1", "envoy"} & set(file.parts))

# The ground: words that all may use. Each module says here what it may import of ours.
GROUND = {
    "__init__": set(),
    "beside": set(),
    "certificates": {"config", "errors"},
    "config": {"errors"},
    "contract": {"errors", "v1"},
    "errors": set(),
    "ids": {"errors"},
    "json_keys": set(),
    "logs": set(),
    "model": set(),
    "pace": set(),
    "identity": {"credentials", "errors"},
    "structs": {"errors"},
    "tracing": set(),
}
# The rooms. "guard" is all of that room, "guard.call" one module or folder of it.
ROOMS = {
    "__main__": {"cli"},
    "credentials": {"errors", "model"},
    "formats": {"errors", "ids", "json_keys", "model"},
    "store": {"beside", "errors", "formats", "ids", "model", "tracing"},
    "guard": {
        "config",
        "contract",
        "credentials",
        "errors",
        "ids",
        "identity",
        "logs",
        "model",
        "store",
        "tracing",
        "v1",
    },
    "rpc": {"beside", "certificates", "config", "contract", "errors", "guard", "identity", "logs", "tracing", "v1"},
    # Of the guard a service sees which call it serves, what a rule allows, and what bounds memory.
    "services": {
        *("__init__", "config", "contract", "credentials", "errors", "formats", "ids", "model", "pace", "store"),
        *("envoy", "structs", "v1", "guard.access", "guard.call", "guard.capacity", "identity"),
    },
    # Of the guard the door sees the way in; of the store and the services nothing.
    "http": {
        *("__init__", "beside", "certificates", "config", "contract", "errors", "ids", "json_keys", "pace", "structs"),
        *("v1", "formats.compression", "guard.admission", "guard.call", "guard.capacity"),
        *("guard.proxies", "guard.rates", "identity", "tracing"),
    },
    "client": {"__init__", "config", "contract", "errors", "v1"},
    # The composition root knows them all.
    "server": {
        *("__init__", "beside", "certificates", "config", "contract", "credentials", "errors", "ids", "logs"),
        *("guard", "http", "identity", "model", "rpc", "services", "store", "tracing", "v1"),
    },
    "cli": {
        *("__init__", "client", "config", "contract", "credentials", "errors", "formats", "ids", "model", "server"),
        *("store", "v1"),
    },
}
ALLOWED = GROUND | ROOMS
GRPC_STATUS = re.compile(r"\bgrpc\b.*\bStatusCode\b")
# Within a room: folders that do not know each other. Their SQL may join, and services share what is beside them.
STRANGERS = [("store.accounts", "store.datasets"), ("services.auth", "services.datasets")]

# Libraries that one place alone may import.
ALONE = {
    "sqlite_utils": {"store/sqlite.py"},
    "sqlite3": {
        *("store/sqlite.py", "store/sqlite_accounts.py", "store/sqlite_backup.py", "store/sqlite_faults.py"),
    },
    "psycopg": {"store/postgres"},
    "psycopg_pool": {"store/postgres"},
    "greenlet": {"store/postgres"},
    "uvicorn": {"http", "guard/proxies.py"},
    "fastapi": {"http"},
    "click": {"cli"},
    "rich": {"cli"},
    "jwt": {"credentials"},
    "argon2": {"credentials"},
    "cryptography": {"certificates.py", "credentials"},
    "opentelemetry": {"server/audit_otlp.py", "server/traces.py"},
    "prometheus_client": {"server/metrics.py"},
    "pydantic_settings": {"config"},
}
# What may not be imported by a room: only the adapters know gRPC.
FOREIGN = {
    **{key: {"grpc", "google"} for key in ("store", "formats", "credentials")},
    **{key: {"grpc"} for key in ("guard", "services", "http", "errors", "model", "contract")},
}


def imported(file: Path) -> set[str]:
    """The dotted names of all that a file imports, in its functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_of(dotted: str) -> str:
    """The module or folder of ours in a dotted name: `phoenix_grpc.store.engine.Engine` is of `store.engine`."""
    found: list[str] = []
    for name in dotted.split(".")[1:]:
        place = PACKAGE.joinpath(*found, name)
        if not (place.is_dir() or place.with_suffix(".py").is_file()):
            break
        found.append(name)
    return ".".join(found) or "__init__"


def name_of(file: Path) -> str:
    """The dotted name of a file, without the package."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def is_within(module: str, part: str) -> bool:
    """Whether a module is that part or lies in it."""
    return f"{module}.".startswith(f"{part}.")


def ours(file: Path) -> set[str]:
    """The modules of ours that a file imports."""
    return {module_of(name) for name in imported(file) if name.split(".")[0] == "phoenix_grpc"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_hold_to_the_table(file: Path) -> None:
    room = name_of(file).split(".")[0]
    for module in ours(file):
        allowed = module.split(".")[0] == room or any(is_within(module, part) for part in ALLOWED[room])
        assert allowed, f"{name_of(file)} imports {module}"
        for one, other in STRANGERS:
            assert not (is_within(name_of(file), one) and is_within(module, other))
            assert not (is_within(name_of(file), other) and is_within(module, one))
    libraries = {name.split(".")[0] for name in imported(file)}
    assert not libraries & FOREIGN.get(room, set())
    place = file.relative_to(PACKAGE)
    for library in libraries & set(ALONE):
        assert any(place.is_relative_to(alone) for alone in ALONE[library]), f"{library} in {place}"


def test_nothing_imports_in_a_circle() -> None:
    edges = {name_of(file): ours(file) - {name_of(file)} for file in FILES}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join((*way, module))}"
        if module not in done:
            for next_module in edges.get(module, ()):
                visit(next_module, (*way, module))
            done.add(module)

    for module in edges:
        visit(module, ())


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_only_settings_read_the_environment(file: Path) -> None:
    if name_of(file) != "config.loading":
        assert not {name for name in imported(file) if name in ("os.environ", "os.getenv")}
        assert "os.environ" not in file.read_text()
        assert "getenv" not in file.read_text()


def test_only_an_adapter_chooses_a_status() -> None:
    choosing = {name_of(file).split(".")[0] for file in FILES if GRPC_STATUS.search(file.read_text())}
    assert choosing <= {"rpc", "client", "cli"}


def test_the_table_names_the_rooms_that_there_are() -> None:
    assert set(ALLOWED) == {name_of(file).split(".")[0] for file in FILES}
