"""The data that the server keeps, as frozen dataclasses. Times are integers: microseconds since the epoch, UTC."""

import enum
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Row = tuple[Any, ...]
"""A row of the database."""

MAX_SPLITS = 1000
"""Splits that one example may be in."""

FOREVER = 2**62
"""A time that never comes: later than all others."""


def now() -> int:
    """The time: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


class Role(enum.StrEnum):
    """The role of a user; only the system user has SYSTEM."""

    ADMIN = "ADMIN"
    MEMBER = "MEMBER"
    VIEWER = "VIEWER"
    SYSTEM = "SYSTEM"


class AuthMethod(enum.StrEnum):
    """How a user signs in: with a password kept here, or by an identity provider."""

    LOCAL = "LOCAL"
    OAUTH2 = "OAUTH2"
    LDAP = "LDAP"


class PrincipalKind(enum.StrEnum):
    """The kind of credential that identified a caller."""

    SESSION = "SESSION"
    USER_KEY = "USER_KEY"
    SYSTEM_KEY = "SYSTEM_KEY"
    ADMIN_SECRET = "ADMIN_SECRET"  # noqa: S105
    ANONYMOUS = "ANONYMOUS"
    WORKLOAD = "WORKLOAD"
    FOREIGN_TOKEN = "FOREIGN_TOKEN"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls, and with what."""

    kind: PrincipalKind
    role: Role
    user_id: int | None = None
    email: str = ""
    credential_id: str = ""  # public id of the key, or the session id
    expires_at: int | None = None
    read_only: bool = False
    dataset_ids: frozenset[int] | None = None  # None: not limited

    @property
    def interactive(self) -> bool:
        """Whether it is a person; programs use keys."""
        return self.kind in (PrincipalKind.SESSION, PrincipalKind.ADMIN_SECRET)

    @property
    def manages_users(self) -> bool:
        """Whether it may manage users and keys as an admin."""
        return self.role is Role.ADMIN

    @property
    def own_user_id(self) -> int | None:
        """The user behind a session or a personal key; None for callers without a user of their own."""
        return self.user_id if self.kind in (PrincipalKind.SESSION, PrincipalKind.USER_KEY) else None

    @property
    def name(self) -> str:
        """Its name as the owner of request ids: its kind, and its user or else its credential."""
        return f"{self.kind.value}:{self.own_user_id or self.credential_id}"


class Dataset(NamedTuple):
    """A dataset with its latest version and the count of its live examples.

    A tuple, since lists make many: a frozen dataclass sets each field by a call, and is compared in Python.
    """

    id: int
    name: str
    description: str | None
    metadata: str  # JSON object
    created_at: int
    updated_at: int
    change: int  # grows with every change: the etag
    latest_version_id: int
    example_count: int


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a dataset; the counts are the examples that it created, updated, deleted, and has."""

    id: int
    description: str | None
    metadata: str  # JSON object
    created_at: int
    created_by: int | None
    created_count: int
    updated_count: int
    deleted_count: int
    live_count: int


class Record(NamedTuple):
    """One record of an upload, checked, in the order in which it is staged.

    Arguments:
        external_id: the id its owner gave it.
        example_id: the number of the DatasetExample it addresses; never together with an external id.
        content_hash: equal for records of equal content, and only for them.
        input, output, metadata: JSON objects as text.
        splits: a JSON list of checked names of splits; None leaves the example's splits unchanged.
        span_id: the span it was taken from; kept when the example is created.
        flaw: a Flaw in JSON; the record is refused unless the dataset already has it unchanged.
    """

    external_id: str | None
    example_id: int | None
    content_hash: bytes
    input: str
    output: str
    metadata: str
    splits: str | None = None
    span_id: str | None = None
    flaw: str | None = None


@dataclass(frozen=True, slots=True)
class Flaw:
    """A rule that a record breaks, as in InvalidRecord. The dataset may have rows from before the rule."""

    line: int
    description: str
    part: str


@dataclass(frozen=True, slots=True)
class Split:
    """A named subset of a dataset's examples; not versioned."""

    id: int
    name: str
    description: str | None
    color: str
    metadata: str
    created_at: int
    updated_at: int
    example_count: int


@dataclass(frozen=True, slots=True)
class Label:
    """A server-wide label for datasets."""

    id: int
    name: str
    description: str | None
    color: str


@dataclass(frozen=True, slots=True)
class User:
    """A user; the password's hash stays in the store."""

    id: int
    email: str
    username: str
    role: Role
    created_at: int
    updated_at: int
    password_needs_reset: bool
    auth_method: AuthMethod = AuthMethod.LOCAL


@dataclass(frozen=True, slots=True)
class Session:
    """A session, which began with one login."""

    id: str
    user_id: int
    created_at: int
    refreshed_at: int
    expires_at: int
    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key without its secret."""

    id: int
    user_id: int
    name: str
    description: str | None
    hint: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    read_only: bool
    system: bool
    dataset_ids: frozenset[int] | None = None  # None: not limited


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event: what was done, or what was refused.

    Arguments:
        count: above 1 for refusals that are counted by the minute.
        target_name: the name of the target at that time.
        dataset_id, dataset_name: the dataset it was done in, under the name it had before.
        created_count, updated_count, deleted_count: of examples; for a split, those added and removed.
        byte_count: the bytes that a download sent.
    """

    action: str
    allowed: bool
    created_at: int = field(default_factory=now)
    actor_user_id: int | None = None
    actor_email: str = ""
    actor_kind: str = ""
    credential_id: str = ""
    target_id: str = ""
    method: str = ""
    reason: str = ""
    address: str = ""
    request_id: str = ""
    count: int = 1
    target_name: str = ""
    dataset_id: int | None = None
    dataset_name: str | None = None
    version_id: int | None = None
    created_count: int = 0
    updated_count: int = 0
    deleted_count: int = 0
    byte_count: int = 0
    id: int = 0
