"""PostgreSQL's failures in the words of the domain."""

import re

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from phoenix_grpc.errors import Invalid, StoreFull, Unavailable
from phoenix_grpc.store.engine import WRITES_REFUSED

CONFLICTS = (pg.SerializationFailure, pg.DeadlockDetected, pg.UniqueViolation)
"""The transaction met another one and left nothing behind; it may succeed when it runs again.

A name that another transaction took is found when the transaction reads it anew, and refused by its own error.
"""

_UNAVAILABLE: tuple[tuple[type[Exception], str, float | None], ...] = (
    (PoolTimeout, "the database cannot be reached, or all connections to it are busy", 1.0),
    (pg.SerializationFailure, "too many changes of the same data at once", 1.0),
    (pg.DeadlockDetected, "too many changes of the same data at once", 1.0),
    (pg.UniqueViolation, "too many changes of the same data at once", 1.0),
    (pg.LockNotAvailable, "the database is locked by another process", 1.0),
    (pg.QueryCanceled, "the database took too long", 1.0),
    (pg.ReadOnlySqlTransaction, "the database cannot be written: it is read-only", 1.0),
    (pg.InvalidSqlStatementName, "", None),
    (pg.DuplicatePreparedStatement, "", None),
    (pg.IoError, "the database cannot be read or written", None),
    (pg.DataCorrupted, "the database is damaged", None),
    (pg.IndexCorrupted, "the database is damaged", None),
    (pg.InsufficientPrivilege, "the database's role lacks a permission", None),
    (pg.UndefinedTable, "the database has no schema of this release", 1.0),
)
_PREPARED = (
    "prepared statements do not work with the pooler before the database; set PHOENIX_SQL_PREPARED_STATEMENTS=false"
)

# PostgreSQL's words for 28P01, 28000, 3D000 and 42501 at the door, then libpq's and PgBouncer's.
_REFUSED = re.compile(
    r'FATAL: +(?:password authentication failed|(?:database|role) ".*" (?:does not exist|is not permitted to log in)'
    r"|no pg_hba\.conf entry|pg_hba\.conf rejects|permission denied for database|no such (?:database|user))"
    r"|no password supplied"
)


def lost_connection(error: BaseException) -> bool:
    """Whether the connection to the database is gone, or never was."""
    # A failure of one statement has a state of another class; 08 and 57P are about the connection.
    return isinstance(error, psycopg.OperationalError) and (
        error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate[:3] == "57P"
    )


def is_refused(error: BaseException) -> bool:
    """Whether the database answers, and lets nobody in by this URL; waiting would not help.

    A connection that fails has no SQLSTATE, only words. A server that says them in another language is waited for.
    """
    return isinstance(error, psycopg.OperationalError) and bool(_REFUSED.search(str(error)))


def as_ours(error: Exception) -> Exception:
    """The domain's error for a failure of the environment; any other is returned as it is."""
    if isinstance(error, pg.DiskFull):
        return StoreFull()
    if isinstance(error, psycopg.Error) and error.sqlstate == "PG001":  # Transaction.refuse_writes
        return Unavailable(WRITES_REFUSED, retry_after=None)
    for kind, message, retry_after in _UNAVAILABLE:
        if isinstance(error, kind):
            return Unavailable(message or _PREPARED, retry_after=retry_after)
    if isinstance(error, psycopg.DataError) and error.sqlstate is None and "NUL" in str(error):
        # Whatever is stored was checked; this is something that is looked for, and cannot be there.
        return Invalid("", "no text may have NUL characters")
    if isinstance(error, psycopg.OperationalError):
        return Unavailable("the database does not answer")
    return error


def unknown_outcome() -> Unavailable:
    """The connection went between the order to commit and its confirmation."""
    return Unavailable(
        "the connection to the database was lost during the commit, so the outcome is unknown;"
        " repeat the call with the same request_id, or look before you repeat it",
        retry_after=1.0,
    )
