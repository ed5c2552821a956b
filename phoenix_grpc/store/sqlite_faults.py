"""What the failures of SQLite mean."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from phoenix_grpc.errors import ConfigurationError, StoreFull, Unavailable
from phoenix_grpc.store.engine import WRITES_REFUSED

REFUSED = "refused"
"""What the triggers of Transaction.refuse_writes say."""

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_UNAVAILABLE = {
    sqlite3.SQLITE_READONLY: "the database cannot be written: it is read-only",
    sqlite3.SQLITE_IOERR: "the database cannot be read or written",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_NOTADB: "the database is damaged",
}


def as_ours(error: sqlite3.Error) -> Exception:
    """The domain's error for a failure of the environment; any other is returned as it is."""
    by_trigger = getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER
    if by_trigger and str(error) == REFUSED:
        return Unavailable(WRITES_REFUSED, retry_after=None)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StoreFull()
    if code in _BUSY:
        return Unavailable("the database is locked by another process")
    return Unavailable(_UNAVAILABLE[code], retry_after=None) if code in _UNAVAILABLE else error


@contextlib.contextmanager
def opening(path: Path) -> Iterator[None]:
    """Turns failures to open the database into a ConfigurationError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path}: {as_ours(error)}") from error
    except (StoreFull, Unavailable) as error:
        raise ConfigurationError(f"{path}: {error.message}") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
