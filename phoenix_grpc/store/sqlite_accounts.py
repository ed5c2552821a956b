"""What a restore does not turn back: who may get in. Keys that were revoked and users who were deleted stay so."""

import contextlib
import sqlite3
from pathlib import Path

from phoenix_grpc.errors import ConfigurationError, StoreFull, Unavailable
from phoenix_grpc.store import audit_chain, migrations
from phoenix_grpc.store.disk import Disk
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.moving import require_unmarked
from phoenix_grpc.store.sqlite import BEGIN_WRITE, BUSY_TIMEOUT_SECONDS, Transacting, connect

# Of one kind each: which accounts there are, and what was done. Those first that others refer to.
_KEPT = (
    "users",
    "login_failures",
    "api_keys",
    "api_key_secrets",
    "api_key_datasets",
    "audit_events",
    "audit_chain",
    "auth_revision",
    "auth_changes",
)
_ENDED = ("sessions", "password_resets")
# It is made when a store begins, to the microsecond, and moves along to another database.
_BEGAN = "SELECT created_at FROM {schema}.users WHERE role = 'SYSTEM'"


def settle_accounts(restored: Path, replaced: Path | None) -> str:
    """Ends all sessions of a database that takes the place of another, and gives it the other's accounts.

    Accounts are users, keys and the audit log. Ids that either has given are not given again.

    Arguments:
        replaced: None when its accounts are not wanted, or it is damaged.

    Returns why the accounts are those of the restored database, "" if they are not.

    Raises:
        ConfigurationError: when the restored database was made by a newer release, or either is marked as moved.
    """
    reason = "" if replaced is None else _unfit(replaced)
    # Nobody reads the file before it takes its place: no journal must stay beside it when this is killed.
    pragmas = ("PRAGMA foreign_keys = OFF", "PRAGMA journal_mode = MEMORY")
    with contextlib.closing(connect(restored, BUSY_TIMEOUT_SECONDS, *pragmas)) as connection:
        if replaced is not None and not reason:
            connection.execute("ATTACH DATABASE ? AS replaced", (str(replaced),))
        with Transacting(connection, Disk(restored, 0), BEGIN_WRITE) as tx:
            migrations.migrate(tx)
            require_unmarked(tx)
            for table in (*_ENDED, "refresh_tokens"):
                tx.run(f"DELETE FROM {table}")
            if replaced is not None and not reason:
                reason = _take_accounts(tx)
            tx.run("UPDATE auth_revision SET revision = revision + 1")
    return reason


def _unfit(replaced: Path) -> str:
    """Why the accounts of a database cannot be read; "" if they can. It is brought up to date for that."""
    try:
        with (
            contextlib.closing(connect(replaced, BUSY_TIMEOUT_SECONDS)) as connection,
            Transacting(connection, Disk(replaced, 0), BEGIN_WRITE) as tx,
        ):
            migrations.migrate(tx)
    except (ConfigurationError, Unavailable, StoreFull) as error:
        return str(error)
    except sqlite3.Error:
        return "it cannot be read"
    return ""


def _take_accounts(tx: Transaction) -> str:
    began = tx.row(_BEGAN.format(schema="main"))
    if began is None or began != tx.row(_BEGAN.format(schema="replaced")):
        return "it is another store"
    # Else there would be two stores of the same ids, here and there.
    if tx.row("SELECT 1 FROM replaced.moves"):
        raise ConfigurationError("the store was moved, or is being moved; 'phoenix-grpc copy --give-up' ends that")
    audit_chain.end_append_only(tx)
    for table in _KEPT:
        columns = ", ".join(tx.columns(table))
        tx.run(f"DELETE FROM main.{table}")
        tx.run(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM replaced.{table}")
    audit_chain.make_append_only(tx)
    tx.run(
        "INSERT INTO main.sequences (kind, next) SELECT kind, next FROM replaced.sequences WHERE true"
        " ON CONFLICT (kind) DO UPDATE SET next = MAX(main.sequences.next, excluded.next)"
    )
    return ""
