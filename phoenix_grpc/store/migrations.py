"""Ordered migrations with a ledger; each runs in one transaction with its ledger row.

A migration adds what a release needs, so that servers of the release before go on working beside it; or, marked with
`@after`, removes what only they needed, once they are gone. A start leaves those at the end of the list that are so
marked to `migrate --finish`, or to the first start of the next release, before which they run.
"""

import unicodedata
from collections.abc import Callable

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.ids import parse_id
from phoenix_grpc.model import now
from phoenix_grpc.store import audit_chain
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.first_schema import m001_sequences, m002_accounts, m003_datasets, run_script

LEDGER = "schema_migrations"

Migration = Callable[[Transaction], None]

_BEFORE, _AFTER = "before", "after"


def after(migration: Migration) -> Migration:
    """Marks a migration that servers of the release before cannot work with."""
    migration.__dict__["phase"] = _AFTER
    return migration


def phase_of(migration: Migration) -> str:
    """Whether a migration runs "before" the code that goes with it is everywhere, or "after"."""
    return str(migration.__dict__.get("phase", _BEFORE))


def pending(tx: Transaction, finish: bool = False) -> list[Migration]:
    """What a start has to apply, in order.

    Arguments:
        finish: applies all, since no server of an earlier release runs any more.

    Raises:
        ConfigurationError: when a newer release has removed what this one needs.
    """
    applied: dict[str, str] = {}
    if columns := tx.columns(LEDGER):
        phase = "phase" if "phase" in columns else f"'{_BEFORE}'"
        applied = dict(tx.rows(f"SELECT name, {phase} FROM {LEDGER}"))
    known = {migration.__name__ for migration in MIGRATIONS}
    gone = sorted(name for name, phase in applied.items() if name not in known and phase == _AFTER)
    if gone:
        raise ConfigurationError(f"the database was made by a newer release (migration {gone[-1]}); update the server")
    left = [migration for migration in MIGRATIONS if migration.__name__ not in applied]
    while left and not finish and phase_of(left[-1]) == _AFTER:
        left.pop()
    return left


def migrate(tx: Transaction, finish: bool = False) -> list[str]:
    """Applies what is pending; returns the names of the migrations applied.

    Raises:
        ConfigurationError: as `pending`.
    """
    found = pending(tx, finish)
    if found:
        columns = f"name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL, phase TEXT NOT NULL DEFAULT '{_BEFORE}'"
        tx.define(f"CREATE TABLE IF NOT EXISTS {LEDGER} ({columns})")
        if "phase" not in tx.columns(LEDGER):
            tx.define(f"ALTER TABLE {LEDGER} ADD COLUMN phase TEXT NOT NULL DEFAULT '{_BEFORE}'")
    for migration in found:
        migration(tx)
        tx.run(
            f"INSERT INTO {LEDGER} (name, applied_at, phase) VALUES (:name, :now, :phase)",
            {"name": migration.__name__, "now": now(), "phase": phase_of(migration)},
        )
    return [migration.__name__ for migration in found]


def applied_since(tx: Transaction, time: int) -> list[str]:
    """The names of the migrations applied at `time` or later, in order."""
    rows = tx.rows(f"SELECT name FROM {LEDGER} WHERE applied_at >= :time ORDER BY name", {"time": time})
    return [name for (name,) in rows]


def m004_auth_changes(tx: Transaction) -> None:
    """What each auth revision is about, so that a process forgets no more than that."""
    run_script(
        tx, "CREATE TABLE auth_changes (revision BIGINT PRIMARY KEY, subject TEXT NOT NULL, subject_id TEXT NOT NULL)"
    )


def m005_sign_in(tx: Transaction) -> None:
    """E-mails in their normal form, and nothing beside them; how users sign in; all reset tokens of late.

    No two e-mails become one: the key that was compared before told even fewer of them apart.
    """
    for user_id, email in tx.rows("SELECT id, email FROM users"):
        normal = unicodedata.normalize("NFC", email.strip().lower())
        tx.run("UPDATE users SET email_key = :email WHERE id = :id", {"email": normal, "id": user_id})
    run_script(
        tx,
        """
        ALTER TABLE users DROP COLUMN email;
        ALTER TABLE users RENAME COLUMN email_key TO email;
        ALTER TABLE users ADD COLUMN auth_method TEXT NOT NULL DEFAULT 'LOCAL';
        ALTER TABLE login_failures RENAME COLUMN email_key TO email;

        ALTER TABLE password_resets RENAME TO password_resets_before;
        CREATE TABLE password_resets (
            digest BYTEA PRIMARY KEY,
            user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL
        );
        INSERT INTO password_resets SELECT digest, user_id, created_at, expires_at FROM password_resets_before;
        DROP TABLE password_resets_before;
        CREATE INDEX password_resets_user ON password_resets (user_id, created_at);
        CREATE INDEX password_resets_expires ON password_resets (expires_at)
        """,
    )


def m006_audit_of_data(tx: Transaction) -> None:
    """What was done to data, with names beside ids, and indexes for each filter of the audit log."""
    run_script(
        tx,
        """
        ALTER TABLE audit_events ADD COLUMN target_name TEXT NOT NULL DEFAULT '';
        ALTER TABLE audit_events ADD COLUMN dataset_id BIGINT;
        ALTER TABLE audit_events ADD COLUMN dataset_name TEXT;
        ALTER TABLE audit_events ADD COLUMN version_id BIGINT;
        ALTER TABLE audit_events ADD COLUMN created_count BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE audit_events ADD COLUMN updated_count BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE audit_events ADD COLUMN deleted_count BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE audit_events ADD COLUMN byte_count BIGINT NOT NULL DEFAULT 0;
        CREATE INDEX audit_events_email ON audit_events (actor_email, created_at, id);
        CREATE INDEX audit_events_allowed ON audit_events (allowed, created_at, id);
        CREATE INDEX audit_events_dataset ON audit_events (dataset_id, created_at, id) WHERE dataset_id IS NOT NULL;
        CREATE INDEX audit_events_dataset_name ON audit_events (dataset_name, created_at, id)
            WHERE dataset_name IS NOT NULL
        """,
    )


def m007_staged_bytes(tx: Transaction) -> None:
    """What an upload has staged, since publishing takes as much again."""
    run_script(tx, "ALTER TABLE uploads ADD COLUMN staged_bytes BIGINT NOT NULL DEFAULT 0")


def m008_key_expiry(tx: Transaction) -> None:
    """Who made a key, by the audit log where it reaches back; how many days before its end a mail was last sent."""
    run_script(
        tx,
        """
        ALTER TABLE api_keys ADD COLUMN created_by BIGINT; ALTER TABLE api_keys ADD COLUMN noticed_days BIGINT;
        CREATE INDEX api_keys_expires ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND revoked_at IS NULL
        """,
    )
    for key, user in tx.rows("SELECT target_id, actor_user_id FROM audit_events WHERE action = 'api_key.create'"):
        if parsed := parse_id(key):
            tx.run("UPDATE api_keys SET created_by = :user WHERE id = :id", {"user": user, "id": parsed[1]})


def m009_flaws(tx: Transaction) -> None:
    """What is wrong with a staged record, which is refused unless the dataset has it already."""
    run_script(tx, "ALTER TABLE staged_examples ADD COLUMN flaw TEXT")


def m010_publishing(tx: Transaction) -> None:
    """One publication of a dataset at a time, whose rows are written before they are seen.

    Revisions and marks of a version above the latest are not seen. Splits and memberships have no version: theirs is
    the edition of the dataset, which every publication raises. What uploads had staged is dropped.
    """
    run_script(
        tx,
        """
        ALTER TABLE datasets ADD COLUMN edition BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE datasets ADD COLUMN publishing BIGINT;
        ALTER TABLE datasets ADD COLUMN publishing_version BIGINT;
        ALTER TABLE datasets ADD COLUMN publishing_until BIGINT NOT NULL DEFAULT 0;
        CREATE INDEX datasets_publishing ON datasets (publishing) WHERE publishing IS NOT NULL;
        ALTER TABLE splits ADD COLUMN born BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE split_members ADD COLUMN born BIGINT NOT NULL DEFAULT 0;
        ALTER TABLE split_members ADD COLUMN died BIGINT;
        CREATE INDEX split_members_died ON split_members (dataset_id, split_id, example_id) WHERE died IS NOT NULL;
        ALTER TABLE uploads ADD COLUMN record_count BIGINT NOT NULL DEFAULT 0;
        UPDATE uploads SET lease_expires_at = 0;
        DROP TABLE staged_examples;
        CREATE TABLE staged_examples (
            upload_id BIGINT NOT NULL,
            ordinal BIGINT NOT NULL,
            weight BIGINT NOT NULL,
            external_id TEXT,
            example_id BIGINT,
            splits TEXT,
            span_id TEXT,
            flaw TEXT,
            content_hash BYTEA NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            metadata TEXT NOT NULL,
            PRIMARY KEY (upload_id, ordinal)
        )
        """,
    )


def m011_moves(tx: Transaction) -> None:
    """Whether the store is being moved to another database, or was, or is arriving from one."""
    run_script(tx, "CREATE TABLE moves (id TEXT PRIMARY KEY, state TEXT NOT NULL, other TEXT NOT NULL)")


def m012_publishing_steps(tx: Transaction) -> None:
    """How many steps a publication has taken, so that it notices when a failover undid one."""
    run_script(tx, "ALTER TABLE datasets ADD COLUMN publishing_step BIGINT NOT NULL DEFAULT 0")


def m013_generations(tx: Transaction) -> None:
    """How often what a dataset's readers see has changed, so that a replica can tell whether it has all of it."""
    run_script(tx, "ALTER TABLE datasets ADD COLUMN generation BIGINT NOT NULL DEFAULT 0")


def m014_audit_chain(tx: Transaction) -> None:
    """The place of each event in the chain, once it is sealed, and the two ends of the chain."""
    run_script(
        tx,
        f"""
        ALTER TABLE audit_events ADD COLUMN seq BIGINT;
        ALTER TABLE audit_events ADD COLUMN hash TEXT;
        CREATE UNIQUE INDEX audit_events_seq ON audit_events (seq) WHERE seq IS NOT NULL;
        CREATE INDEX audit_events_unsealed ON audit_events (id) WHERE seq IS NULL;
        CREATE TABLE audit_chain (
            id BIGINT PRIMARY KEY,
            head_seq BIGINT NOT NULL,
            head_hash TEXT NOT NULL,
            head_time BIGINT NOT NULL,
            head_signature TEXT NOT NULL,
            anchor_seq BIGINT NOT NULL,
            anchor_hash TEXT NOT NULL,
            anchor_time BIGINT NOT NULL,
            anchor_signature TEXT NOT NULL
        );
        INSERT INTO audit_chain VALUES (1, 0, '{audit_chain.GENESIS}', 0, '', 0, '{audit_chain.GENESIS}', 0, '')
        """,
    )
    audit_chain.make_append_only(tx)


MIGRATIONS: tuple[Migration, ...] = (
    m001_sequences,
    m002_accounts,
    m003_datasets,
    m004_auth_changes,
    m005_sign_in,
    m006_audit_of_data,
    m007_staged_bytes,
    m008_key_expiry,
    m009_flaws,
    m010_publishing,
    m011_moves,
    m012_publishing_steps,
    m013_generations,
    m014_audit_chain,
)
