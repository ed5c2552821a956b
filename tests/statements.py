"""Records which statements the store makes, so that a later release can show that its schema carries them.

A plugin of pytest, which scripts/record uses when a release is made.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from phoenix_grpc.store.sqlite import SqliteTransaction

_KINDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
# Lists have as many marks as values: one is enough.
_LIST = re.compile(r"IN \(:([a-z_]+?)\d+(?:, :\1\d+)+\)")
_STORE = "/phoenix_grpc/store/"
# These run before or beside the code of their own release alone.
_OTHERS = ("migrations.py", "first_schema.py", "moving.py", "sqlite_accounts.py")


class Recorder:
    """Notes the statements of every SQLite transaction of this process, until the tests end.

    Arguments:
        path: where they are written then.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._statements: set[str] = set()
        for name in ("rows", "row", "one", "scan", "run"):
            self._wrap(name, lambda sql, *_: sql)
        self._wrap("append", _insertion)

    def pytest_sessionfinish(self) -> None:
        """Writes them, in order."""
        self._path.write_text(json.dumps(sorted(self._statements), indent=1) + "\n")

    def _wrap(self, name: str, statement: Any) -> None:
        original = getattr(SqliteTransaction, name)

        def recorded(tx: SqliteTransaction, *args: Any, **kwargs: Any) -> Any:
            file = sys._getframe(1).f_code.co_filename
            if _STORE in file and not file.endswith(_OTHERS):
                self._note(statement(*args))
            return original(tx, *args, **kwargs)

        setattr(SqliteTransaction, name, recorded)

    def _note(self, sql: str) -> None:
        text = _LIST.sub(r"IN (:\g<1>0)", " ".join(sql.split()))
        if text.startswith(_KINDS):
            self._statements.add(text)


def _insertion(table: str, columns: Any, *_: object) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(f':{column}' for column in columns)})"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-statements", type=Path, required=True, help="the file to write")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config.getoption("--record-statements")))
