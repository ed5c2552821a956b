"""Users, and audit events."""

from datetime import datetime
from typing import Literal

from phoenix_grpc.http.schemas import Model


class User(Model):
    """A user."""

    id: str
    created_at: datetime
    updated_at: datetime
    email: str
    username: str
    role: Literal["ADMIN", "MEMBER", "VIEWER", "SYSTEM"]
    auth_method: Literal["LOCAL", "OAUTH2", "LDAP"]
    password_needs_reset: bool


class Anonymous(Model):
    """Nobody: authentication is off."""

    auth_method: Literal["ANONYMOUS"]


class NewUser(Model):
    """A user to create."""

    email: str
    username: str
    role: Literal["ADMIN", "MEMBER", "VIEWER", "SYSTEM"]
    auth_method: Literal["LOCAL", "OAUTH2", "LDAP"]
    password: str | None = None


class UserCreation(Model):
    """A user to create, and whether to mail a link to set the password."""

    user: NewUser
    send_welcome_email: bool = True


class UserChange(Model):
    """Changes to a user; absent fields stay unchanged."""

    username: str | None = None
    role: Literal["ADMIN", "MEMBER", "VIEWER", "SYSTEM"] | None = None
    password: str | None = None


class PasswordChange(Model):
    """The current and the new password."""

    current_password: str
    new_password: str


class AuditEvent(Model):
    """An audit event: what was done, or what was refused."""

    id: int
    created_at: datetime
    action: str
    allowed: bool
    actor_email: str
    actor_kind: str
    method: str
    reason: str
    address: str
    target_id: str
    target_name: str
    dataset_id: str
    dataset_name: str
    version_id: str
    created_count: int
    updated_count: int
    deleted_count: int
    byte_count: int
    request_id: str
    count: int
