"""The schema as ordered migrations with a ledger; each runs in one transaction with its ledger row.

Keys of the big tables (versions, examples, revisions, splits) begin with dataset_id, so that they can be spread over a
distributed database by that column. Times are microseconds since the epoch.
"""

import unicodedata
from collections.abc import Callable

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.ids import parse_id
from phoenix_grpc.model import now
from phoenix_grpc.store.engine import Transaction

LEDGER = "schema_migrations"


def migrate(tx: Transaction) -> list[str]:
    """Applies what is pending; answers the names of the migrations applied.

    Raises:
        ConfigurationError: when the database was migrated by a newer release.
    """
    tx.run(f"CREATE TABLE IF NOT EXISTS {LEDGER} (name TEXT PRIMARY KEY, applied_at BIGINT NOT NULL)")
    applied = {name for (name,) in tx.rows(f"SELECT name FROM {LEDGER}")}
    unknown = sorted(applied - {migration.__name__ for migration in MIGRATIONS})
    if unknown:
        raise ConfigurationError(
            f"the database was made by a newer release (migration {unknown[-1]}); update the server"
        )
    pending = [migration for migration in MIGRATIONS if migration.__name__ not in applied]
    for migration in pending:
        migration(tx)
        tx.run(
            f"INSERT INTO {LEDGER} (name, applied_at) VALUES (:name, :now)",
            {"name": migration.__name__, "now": now()},
        )
    return [migration.__name__ for migration in pending]


def applied_since(tx: Transaction, time: int) -> list[str]:
    """The names of the migrations applied at `time` or later, in order."""
    rows = tx.rows(f"SELECT name FROM {LEDGER} WHERE applied_at >= :time ORDER BY name", {"time": time})
    return [name for (name,) in rows]


def _statements(tx: Transaction, script: str) -> None:
    for statement in filter(str.strip, script.split(";")):
        tx.run(statement)


def m001_sequences(tx: Transaction) -> None:
    """The next id of each type: ids are taken in blocks and never reused."""
    _statements(tx, "CREATE TABLE sequences (kind TEXT PRIMARY KEY, next BIGINT NOT NULL)")


def m002_accounts(tx: Transaction) -> None:
    """Users, sessions, keys, and the revision that every revoking change raises."""
    _statements(
        tx,
        """
        CREATE TABLE auth_revision (revision BIGINT NOT NULL);
        INSERT INTO auth_revision (revision) VALUES (1);

        CREATE TABLE users (
            id BIGINT PRIMARY KEY,
            email TEXT NOT NULL,
            email_key TEXT NOT NULL UNIQUE,
            username TEXT NOT NULL UNIQUE,
            role TEXT NOT NULL,
            password_hash TEXT,
            password_needs_reset BIGINT NOT NULL DEFAULT 0,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL
        );

        CREATE UNIQUE INDEX users_system ON users (role) WHERE role = 'SYSTEM';

        CREATE TABLE login_failures (
            email_key TEXT PRIMARY KEY,
            failures BIGINT NOT NULL,
            last_failed_at BIGINT NOT NULL
        );
        CREATE INDEX login_failures_last ON login_failures (last_failed_at);

        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            generation BIGINT NOT NULL,
            created_at BIGINT NOT NULL,
            refreshed_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            user_agent TEXT NOT NULL,
            address TEXT NOT NULL
        );
        CREATE INDEX sessions_user ON sessions (user_id, created_at, id);
        CREATE INDEX sessions_expires ON sessions (expires_at);

        CREATE TABLE refresh_tokens (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            digest BYTEA NOT NULL,
            used_at BIGINT,
            PRIMARY KEY (session_id, digest)
        );

        CREATE TABLE password_resets (
            user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
            digest BYTEA NOT NULL UNIQUE,
            created_at BIGINT NOT NULL,
            expires_at BIGINT NOT NULL
        );
        CREATE INDEX password_resets_expires ON password_resets (expires_at);

        CREATE TABLE api_keys (
            id BIGINT PRIMARY KEY,
            user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            description TEXT,
            hint TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            expires_at BIGINT,
            last_used_at BIGINT,
            read_only BIGINT NOT NULL DEFAULT 0,
            dataset_limited BIGINT NOT NULL DEFAULT 0,
            revoked_at BIGINT
        );
        CREATE INDEX api_keys_user ON api_keys (user_id, id);
        CREATE INDEX api_keys_revoked ON api_keys (revoked_at) WHERE revoked_at IS NOT NULL;

        CREATE TABLE api_key_secrets (
            digest BYTEA PRIMARY KEY,
            api_key_id BIGINT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
            expires_at BIGINT
        );
        CREATE INDEX api_key_secrets_key ON api_key_secrets (api_key_id);
        CREATE INDEX api_key_secrets_expires ON api_key_secrets (expires_at) WHERE expires_at IS NOT NULL;

        CREATE TABLE api_key_datasets (
            api_key_id BIGINT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
            dataset_id BIGINT NOT NULL,
            PRIMARY KEY (api_key_id, dataset_id)
        );

        CREATE TABLE audit_events (
            id BIGINT PRIMARY KEY,
            created_at BIGINT NOT NULL,
            action TEXT NOT NULL,
            allowed BIGINT NOT NULL,
            actor_user_id BIGINT,
            actor_email TEXT NOT NULL,
            actor_kind TEXT NOT NULL,
            credential_id TEXT NOT NULL,
            target_id TEXT NOT NULL,
            method TEXT NOT NULL,
            reason TEXT NOT NULL,
            address TEXT NOT NULL,
            request_id TEXT NOT NULL,
            count BIGINT NOT NULL
        );
        CREATE INDEX audit_events_actor ON audit_events (actor_user_id, created_at, id);
        CREATE INDEX audit_events_action ON audit_events (action, created_at, id);
        CREATE INDEX audit_events_created ON audit_events (created_at, id)
        """,
    )


def m003_datasets(tx: Transaction) -> None:
    """Datasets, versions as intervals of revisions, splits, labels, staged uploads, answered requests."""
    _statements(
        tx,
        """
        CREATE TABLE datasets (
            id BIGINT PRIMARY KEY,
            name TEXT NOT NULL,
            name_folded TEXT NOT NULL,
            description TEXT,
            metadata TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            change BIGINT NOT NULL,
            latest_version_id BIGINT NOT NULL,
            example_count BIGINT NOT NULL,
            deleted_at BIGINT
        );
        CREATE UNIQUE INDEX datasets_name ON datasets (name) WHERE deleted_at IS NULL;
        CREATE INDEX datasets_deleted ON datasets (deleted_at) WHERE deleted_at IS NOT NULL;

        CREATE TABLE versions (
            dataset_id BIGINT NOT NULL,
            id BIGINT NOT NULL,
            description TEXT,
            metadata TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            created_by BIGINT,
            created_count BIGINT NOT NULL,
            updated_count BIGINT NOT NULL,
            deleted_count BIGINT NOT NULL,
            live_count BIGINT NOT NULL,
            PRIMARY KEY (dataset_id, id)
        );

        CREATE TABLE examples (
            dataset_id BIGINT NOT NULL,
            id BIGINT NOT NULL,
            external_id TEXT,
            span_id TEXT,
            PRIMARY KEY (dataset_id, id)
        );
        CREATE UNIQUE INDEX examples_external ON examples (dataset_id, external_id) WHERE external_id IS NOT NULL;

        CREATE TABLE revisions (
            dataset_id BIGINT NOT NULL,
            example_id BIGINT NOT NULL,
            born BIGINT NOT NULL,
            died BIGINT,
            created_at BIGINT NOT NULL,
            content_hash BYTEA NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            metadata TEXT NOT NULL,
            PRIMARY KEY (dataset_id, example_id, born)
        );
        CREATE UNIQUE INDEX revisions_live ON revisions (dataset_id, example_id) WHERE died IS NULL;
        CREATE INDEX revisions_live_content ON revisions (dataset_id, content_hash, example_id) WHERE died IS NULL;

        CREATE TABLE splits (
            dataset_id BIGINT NOT NULL,
            id BIGINT NOT NULL,
            name TEXT NOT NULL,
            description TEXT,
            color TEXT NOT NULL,
            metadata TEXT NOT NULL,
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            example_count BIGINT NOT NULL,
            PRIMARY KEY (dataset_id, id),
            UNIQUE (dataset_id, name)
        );

        CREATE TABLE split_members (
            dataset_id BIGINT NOT NULL,
            split_id BIGINT NOT NULL,
            example_id BIGINT NOT NULL,
            PRIMARY KEY (dataset_id, split_id, example_id)
        );
        CREATE INDEX split_members_example ON split_members (dataset_id, example_id, split_id);

        CREATE TABLE labels (
            id BIGINT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            description TEXT,
            color TEXT NOT NULL
        );

        CREATE TABLE dataset_labels (
            dataset_id BIGINT NOT NULL,
            label_id BIGINT NOT NULL REFERENCES labels (id) ON DELETE CASCADE,
            PRIMARY KEY (dataset_id, label_id)
        );
        CREATE INDEX dataset_labels_label ON dataset_labels (label_id, dataset_id);

        CREATE TABLE uploads (
            id BIGINT PRIMARY KEY,
            lease_expires_at BIGINT NOT NULL
        );
        CREATE INDEX uploads_lease ON uploads (lease_expires_at);

        CREATE TABLE staged_examples (
            upload_id BIGINT NOT NULL,
            ordinal BIGINT NOT NULL,
            external_id TEXT,
            example_id BIGINT,
            splits TEXT,
            span_id TEXT,
            content_hash BYTEA NOT NULL,
            input TEXT NOT NULL,
            output TEXT NOT NULL,
            metadata TEXT NOT NULL,
            PRIMARY KEY (upload_id, ordinal)
        );

        CREATE TABLE staged_splits (
            upload_id BIGINT NOT NULL,
            ordinal BIGINT NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (upload_id, ordinal, name)
        );

        CREATE TABLE upload_matches (
            upload_id BIGINT NOT NULL,
            ordinal BIGINT NOT NULL,
            example_id BIGINT NOT NULL,
            outcome BIGINT NOT NULL,
            PRIMARY KEY (upload_id, ordinal)
        );
        CREATE UNIQUE INDEX upload_matches_example ON upload_matches (upload_id, example_id);

        CREATE TABLE requests (
            principal TEXT NOT NULL,
            method TEXT NOT NULL,
            request_id TEXT NOT NULL,
            digest BYTEA NOT NULL,
            response BYTEA NOT NULL,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (principal, method, request_id)
        );
        CREATE INDEX requests_created ON requests (created_at)
        """,
    )


def m004_auth_changes(tx: Transaction) -> None:
    """What each auth revision is about, so that a process forgets no more than that."""
    _statements(
        tx, "CREATE TABLE auth_changes (revision BIGINT PRIMARY KEY, subject TEXT NOT NULL, subject_id TEXT NOT NULL)"
    )


def m005_sign_in(tx: Transaction) -> None:
    """E-mails in their normal form, and nothing beside them; how users sign in; all reset tokens of late.

    No two e-mails become one: the key that was compared before told even fewer of them apart.
    """
    for user_id, email in tx.rows("SELECT id, email FROM users"):
        normal = unicodedata.normalize("NFC", email.strip().lower())
        tx.run("UPDATE users SET email_key = :email WHERE id = :id", {"email": normal, "id": user_id})
    _statements(
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
    _statements(
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
    _statements(tx, "ALTER TABLE uploads ADD COLUMN staged_bytes BIGINT NOT NULL DEFAULT 0")


def m008_key_expiry(tx: Transaction) -> None:
    """Who made a key, by the audit log where it reaches back; how many days before its end a mail was last sent."""
    _statements(
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
    _statements(tx, "ALTER TABLE staged_examples ADD COLUMN flaw TEXT")


MIGRATIONS: tuple[Callable[[Transaction], None], ...] = (
    m001_sequences,
    m002_accounts,
    m003_datasets,
    m004_auth_changes,
    m005_sign_in,
    m006_audit_of_data,
    m007_staged_bytes,
    m008_key_expiry,
    m009_flaws,
)
