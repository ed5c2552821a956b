"""Statements about API keys. A key's secrets are digests: the current one, and older ones that go on for a while."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from phoenix_grpc import model
from phoenix_grpc.errors import Invalid, NotFound, Reason, dataset_not_found
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import ApiKey, Role, Row
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.revision import Subject, revoke

USE_RESOLUTION = 60_000_000
"""Microseconds: the last use of a key is written at most so often."""

_COLUMNS = (
    "k.id, k.user_id, k.name, k.description, k.hint, k.created_at, k.expires_at, k.last_used_at, k.read_only,"
    " k.dataset_limited, u.role"
)
_TABLES = "api_keys k JOIN users u ON u.id = k.user_id"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which keys a request is about: the system keys, or personal ones, of one user or of everybody (None)."""

    system: bool
    user_id: int | None = None

    @property
    def kind(self) -> str:
        """The type of the keys' ids."""
        return "SystemApiKey" if self.system else "UserApiKey"

    @property
    def condition(self) -> str:
        """The SQL that holds a statement to this scope; it takes the parameter `user_id`."""
        # The owner alone decides what kind of key it is.
        if self.system:
            return "k.user_id = (SELECT id FROM users WHERE role = 'SYSTEM')"
        return "u.role <> 'SYSTEM'" if self.user_id is None else "u.role <> 'SYSTEM' AND k.user_id = :user_id"


@dataclass(frozen=True, slots=True)
class KeyOwner:
    """What stands behind a secret that was sent."""

    key_id: int
    user_id: int
    email: str
    role: Role
    expires_at: int | None
    replaced_at: int | None  # when this secret ends or ended, after a rotation
    revoked_at: int | None
    read_only: bool
    dataset_ids: frozenset[int] | None


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key with the e-mail and the username of its owner."""

    key: ApiKey
    email: str
    username: str


def find_owner(tx: Transaction, digest: bytes) -> KeyOwner | None:
    """The key with this secret, also one that is over, and its owner as it is now; None when there never was one."""
    row = tx.row(
        "SELECT k.id, k.user_id, u.email, u.role, k.expires_at, s.expires_at, k.revoked_at, k.read_only,"
        " k.dataset_limited FROM api_key_secrets s JOIN api_keys k ON k.id = s.api_key_id"
        " JOIN users u ON u.id = k.user_id WHERE s.digest = :digest",
        {"digest": digest},
    )
    if row is None:
        return None
    key_id, user_id, email, role, expires_at, replaced_at, revoked_at, read_only, limited = row
    return KeyOwner(
        key_id,
        user_id,
        email,
        Role(role),
        expires_at,
        replaced_at,
        revoked_at,
        bool(read_only),
        _limits(tx, key_id) if limited else None,
    )


def insert_key(tx: Transaction, key: ApiKey, digest: bytes, created_by: int | None = None) -> ApiKey:
    """Keeps a key, with an id and the times given here.

    Arguments:
        created_by: the user who made it, whoever owns it.

    Raises:
        NotFound: when a dataset it is limited to does not exist.
    """
    key = replace(key, id=tx.take_ids("ApiKey"), created_at=model.now())
    tx.run(
        "INSERT INTO api_keys (id, user_id, name, description, hint, created_at, expires_at, read_only,"
        " dataset_limited, created_by) VALUES (:id, :user_id, :name, :description, :hint, :created_at, :expires_at,"
        " :read_only, :limited, :created_by)",
        {**_params(key), "created_by": created_by},
    )
    _insert_limits(tx, key)
    _insert_secret(tx, key.id, digest)
    return key


def get_key(tx: Transaction, scope: Scope, key_id: int) -> ApiKey:
    """The key.

    Raises:
        NotFound: when the scope has no such key, or it was revoked.
    """
    row = tx.row(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE k.id = :id AND k.revoked_at IS NULL AND {scope.condition}",
        {"id": key_id, "user_id": scope.user_id},
    )
    if row is None:
        raise NotFound("ApiKey", encode_id(scope.kind, key_id), Reason.API_KEY_NOT_FOUND)
    return _key(tx, row)


def list_keys(
    tx: Transaction, scope: Scope, before: int, limit: int, idle_since: int = model.FOREVER
) -> list[OwnedKey]:
    """Keys with ids below `before`, newest first, without those revoked.

    Arguments:
        idle_since: only keys that were not used after this time, nor made.
    """
    rows = tx.rows(
        f"SELECT {_COLUMNS}, u.email, u.username FROM {_TABLES}"
        f" WHERE k.id < :before AND k.revoked_at IS NULL AND {scope.condition}"
        " AND COALESCE(k.last_used_at, k.created_at) <= :idle_since ORDER BY k.id DESC LIMIT :limit",
        {"before": before, "user_id": scope.user_id, "idle_since": idle_since, "limit": limit},
    )
    return [OwnedKey(_key(tx, row[:-2]), *row[-2:]) for row in rows]


def update_key(tx: Transaction, scope: Scope, key_id: int, changes: Mapping[str, object]) -> ApiKey:
    """Renames or narrows a key.

    Arguments:
        changes: new values of `name`, `description`, `expires_at`, `read_only` and `dataset_ids`.

    Raises:
        NotFound: as `get_key`, and when a dataset does not exist.
        Invalid: naming the field, when the key would be worth more than it is.
    """
    old = get_key(tx, scope, key_id)
    key: ApiKey = replace(old, **changes)  # type: ignore[arg-type]
    _require_narrower(old, key)
    tx.run(
        "UPDATE api_keys SET name = :name, description = :description, expires_at = :expires_at,"
        " read_only = :read_only, dataset_limited = :limited WHERE id = :id",
        _params(key),
    )
    if key.dataset_ids != old.dataset_ids:
        tx.run("DELETE FROM api_key_datasets WHERE api_key_id = :id", {"id": key_id})
        _insert_limits(tx, key)
    revoke(tx, Subject.KEY, key_id)
    return key


def rotate_key(
    tx: Transaction,
    scope: Scope,
    key_id: int,
    digest: bytes,
    hint: str,
    overlap: int,
    latest_expiry: int = model.FOREVER,
) -> ApiKey:
    """Gives a key another secret; every secret before ends after `overlap` microseconds at the latest.

    Arguments:
        latest_expiry: when the key ends, unless it ends sooner.

    Raises:
        NotFound: as `get_key`.
    """
    key = get_key(tx, scope, key_id)
    tx.run(
        "UPDATE api_key_secrets SET expires_at = :until"
        " WHERE api_key_id = :id AND (expires_at IS NULL OR expires_at > :until)",
        {"id": key_id, "until": model.now() + overlap},
    )
    _insert_secret(tx, key_id, digest)
    key = replace(key, hint=hint)
    if latest_expiry < (key.expires_at or model.FOREVER):
        key = replace(key, expires_at=latest_expiry)
    tx.run("UPDATE api_keys SET hint = :hint, expires_at = :expires_at WHERE id = :id", _params(key))
    revoke(tx, Subject.KEY, key_id)
    return key


def revoke_key(tx: Transaction, scope: Scope, key_id: int) -> ApiKey:
    """Ends a key, and returns it. It is kept until it is swept, so that whoever sends it is told that it was revoked.

    Raises:
        NotFound: as `get_key`.
    """
    key = get_key(tx, scope, key_id)
    tx.run("UPDATE api_keys SET revoked_at = :now WHERE id = :id", {"id": key_id, "now": model.now()})
    revoke(tx, Subject.KEY, key_id)
    return key


def record_uses(tx: Transaction, uses: Iterable[tuple[int, int]]) -> None:
    """Writes when keys (by id) were used (microseconds), for each at most once a minute."""
    for key_id, used_at in uses:
        tx.run(
            "UPDATE api_keys SET last_used_at = :used_at"
            " WHERE id = :id AND (last_used_at IS NULL OR last_used_at <= :before)",
            {"id": key_id, "used_at": used_at, "before": used_at - USE_RESOLUTION},
        )


def sweep_keys(tx: Transaction, before: int, limit: int) -> int:
    """Removes at most `limit` keys revoked, and as many secrets replaced, before that time; returns how many."""
    params = {"before": before, "limit": limit}
    return tx.run(
        "DELETE FROM api_keys WHERE id IN"
        " (SELECT id FROM api_keys WHERE revoked_at IS NOT NULL AND revoked_at <= :before LIMIT :limit)",
        params,
    ) + tx.run(
        "DELETE FROM api_key_secrets WHERE digest IN"
        " (SELECT digest FROM api_key_secrets WHERE expires_at IS NOT NULL AND expires_at <= :before LIMIT :limit)",
        params,
    )


def _key(tx: Transaction, row: Row) -> ApiKey:
    key_id, user_id, name, description, hint, created_at, expires_at, last_used_at, read_only, limited, role = row
    return ApiKey(
        key_id,
        user_id,
        name,
        description,
        hint,
        created_at,
        expires_at,
        last_used_at,
        bool(read_only),
        role == Role.SYSTEM,
        _limits(tx, key_id) if limited else None,
    )


def _limits(tx: Transaction, key_id: int) -> frozenset[int]:
    """The datasets a limited key reaches, without those deleted."""
    rows = tx.rows(
        "SELECT l.dataset_id FROM api_key_datasets l JOIN datasets d ON d.id = l.dataset_id"
        " WHERE l.api_key_id = :id AND d.deleted_at IS NULL",
        {"id": key_id},
    )
    return frozenset(dataset_id for (dataset_id,) in rows)


def _insert_limits(tx: Transaction, key: ApiKey) -> None:
    for dataset_id in key.dataset_ids or ():
        if not tx.row("SELECT 1 FROM datasets WHERE id = :id AND deleted_at IS NULL", {"id": dataset_id}):
            raise dataset_not_found(encode_id("Dataset", dataset_id))
        tx.run(
            "INSERT INTO api_key_datasets (api_key_id, dataset_id) VALUES (:id, :dataset_id)",
            {"id": key.id, "dataset_id": dataset_id},
        )


def _insert_secret(tx: Transaction, key_id: int, digest: bytes) -> None:
    tx.run("INSERT INTO api_key_secrets (digest, api_key_id) VALUES (:digest, :id)", {"digest": digest, "id": key_id})


def _require_narrower(old: ApiKey, new: ApiKey) -> None:
    if old.expires_at is not None and (new.expires_at is None or new.expires_at > old.expires_at):
        raise Invalid("api_key.expire_time", "a key's life can be shortened, not prolonged; make a new key")
    if old.read_only and not new.read_only:
        raise Invalid("api_key.read_only", "a read-only key stays read-only; make a new key")
    if old.dataset_ids is not None and (new.dataset_ids is None or not new.dataset_ids <= old.dataset_ids):
        raise Invalid("api_key.dataset_ids", "a key can be limited to fewer datasets, not to others; make a new key")


def _params(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "user_id": key.user_id,
        "name": key.name,
        "description": key.description,
        "hint": key.hint,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "read_only": int(key.read_only),
        "limited": int(key.dataset_ids is not None),
    }
