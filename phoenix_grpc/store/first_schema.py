"""The first three migrations: the schema that the later ones change.

Keys of the big tables (versions, examples, revisions, splits) begin with dataset_id, so that they can be spread over a
distributed database by that column. Times are microseconds since the epoch.
"""

from phoenix_grpc.store.engine import Transaction


def run_script(tx: Transaction, script: str) -> None:
    """Runs statements that are separated by semicolons."""
    for statement in filter(str.strip, script.split(";")):
        tx.define(statement)


def m001_sequences(tx: Transaction) -> None:
    """The next id of each type: ids are taken in blocks and never reused."""
    run_script(tx, "CREATE TABLE sequences (kind TEXT PRIMARY KEY, next BIGINT NOT NULL)")


def m002_accounts(tx: Transaction) -> None:
    """Users, sessions, keys, and the revision that every revoking change raises."""
    run_script(
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
    """Datasets, versions as intervals of revisions, splits, labels, staged uploads, completed requests."""
    run_script(
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
