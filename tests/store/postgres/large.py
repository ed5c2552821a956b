"""A database in PostgreSQL with a million examples, for what plans depend on."""

import psycopg

EXAMPLES = 1_000_000
"""Most of them in dataset 1."""

_OF_DATASET_1 = 900_000
_FIRST = 1000  # what is below, tests have made by the store's functions

# As the store writes them, in bulk: versions 2 and 3 of dataset 1 have changed every tenth example.
_FILL = f"""
    INSERT INTO datasets (id, name, name_folded, metadata, created_at, updated_at, change, latest_version_id,
        example_count)
        SELECT {_FIRST} + n, 'other' || n, 'other' || n, '{{}}', n, n, {_FIRST} + n, {_FIRST} + n, 100
        FROM generate_series(1, 1000) AS n;
    INSERT INTO versions (dataset_id, id, metadata, created_at, created_count, updated_count, deleted_count, live_count)
        SELECT {_FIRST} + n, {_FIRST} + n, '{{}}', n, 100, 0, 0, 100 FROM generate_series(1, 1000) AS n;
    INSERT INTO splits (dataset_id, id, name, color, metadata, created_at, updated_at, example_count)
        SELECT {_FIRST} + n, {_FIRST} + n, 's', '#808080', '{{}}', n, n, 10 FROM generate_series(1, 1000) AS n;
    INSERT INTO examples (dataset_id, id, external_id)
        SELECT CASE WHEN n <= {_OF_DATASET_1} THEN 1 ELSE {_FIRST} + 1 + n % 1000 END, {_FIRST} + n,
            CASE WHEN n % 2 = 0 THEN 'external' || n END
        FROM generate_series(1, {EXAMPLES}) AS n;
    INSERT INTO revisions (dataset_id, example_id, born, died, created_at, content_hash, input, output, metadata)
        SELECT dataset_id, id, 1, CASE WHEN dataset_id = 1 AND id % 10 = 0 THEN 2 + id % 2 END, 1,
            decode(md5(id::text), 'hex'), '{{"n": ' || id || '}}', '{{}}', '{{}}'
        FROM examples WHERE id > {_FIRST};
    INSERT INTO revisions (dataset_id, example_id, born, created_at, content_hash, input, output, metadata)
        SELECT dataset_id, example_id, died, 1, decode(md5('new' || example_id), 'hex'), '{{}}', '{{}}', '{{}}'
        FROM revisions WHERE died IS NOT NULL AND example_id > {_FIRST};
    INSERT INTO split_members (dataset_id, split_id, example_id)
        SELECT 1, 1, id FROM examples WHERE dataset_id = 1 AND id > {_FIRST} AND id % 4 = 0;
    INSERT INTO split_members (dataset_id, split_id, example_id)
        SELECT dataset_id, dataset_id, id FROM examples WHERE dataset_id > {_FIRST} AND id % 10 = 0;
    INSERT INTO users (id, email, username, role, created_at, updated_at)
        SELECT {_FIRST} + n, 'u' || n, 'u' || n, 'MEMBER', n, n FROM generate_series(1, 5000) AS n;
    INSERT INTO sessions (id, user_id, generation, created_at, refreshed_at, expires_at, user_agent, address)
        SELECT 'session' || n, {_FIRST} + 1 + n % 5000, 1, n, n, n, '', '' FROM generate_series(1, 20000) AS n;
    INSERT INTO api_keys (id, user_id, name, hint, created_at)
        SELECT {_FIRST} + n, {_FIRST} + 1 + n % 5000, 'key', 'hint', n FROM generate_series(1, 20000) AS n;
    INSERT INTO api_key_secrets (digest, api_key_id)
        SELECT decode(md5(n::text), 'hex'), {_FIRST} + n FROM generate_series(1, 20000) AS n;
    INSERT INTO audit_events (id, created_at, action, allowed, actor_user_id, actor_email, actor_kind, credential_id,
        target_id, method, reason, address, request_id, count, dataset_id, dataset_name)
        SELECT {_FIRST} + n, n, 'a' || n % 20, (n % 10)::bool::int, n % 1000, 'e' || n % 1000, 'USER', '', '', '', '',
            '', '', 1, n % 1000, 'd' || n % 1000
        FROM generate_series(1, 100000) AS n;
    INSERT INTO requests (principal, method, request_id, digest, response, created_at)
        SELECT 'p', 'm', 'r' || n, 'd', 'r', n FROM generate_series(1, 20000) AS n;
    UPDATE sequences SET next = 10 * {EXAMPLES};
"""


def fill(url: str) -> None:
    """Makes a database large in which dataset 1 has a split 1 and the versions 1 to 3."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FILL)  # type: ignore[arg-type] # not a literal
        connection.execute("VACUUM ANALYZE")  # as autovacuum does in time
