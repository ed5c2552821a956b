"""Statements about users."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from phoenix_grpc import model
from phoenix_grpc.errors import AlreadyExists, Invalid, NotFound, PermissionDenied, Reason
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import AuthMethod, Role, Row, User
from phoenix_grpc.store.accounts.passwords import set_password
from phoenix_grpc.store.accounts.sessions import end_sessions
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.revision import Subject, revoke

SYSTEM_EMAIL = "system@localhost"
ADMIN_EMAIL = "admin@localhost"

_COLUMNS = "id, email, username, role, created_at, updated_at, password_needs_reset, auth_method"


@dataclass(frozen=True, slots=True)
class UserChange:
    """What to change of a user; None leaves it as it is."""

    username: str | None = None
    role: Role | None = None
    password_hash: str | None = None


def insert_user(
    tx: Transaction,
    email: str,
    username: str,
    role: Role,
    password_hash: str | None,
    auth_method: AuthMethod = AuthMethod.LOCAL,
) -> User:
    """Creates a user; one who signs in with a password should change it.

    Arguments:
        email: in its normal form, as everywhere in the store.

    Raises:
        AlreadyExists: when e-mail or username is taken.
    """
    if find_user(tx, email):
        raise AlreadyExists("User", email, Reason.EMAIL_EXISTS)
    _require_free_username(tx, username)
    now = model.now()
    needs_reset = role is not Role.SYSTEM and auth_method is AuthMethod.LOCAL
    user = User(tx.take_ids("User"), email, username, role, now, now, needs_reset, auth_method)
    tx.run(
        "INSERT INTO users (id, email, username, role, password_hash, password_needs_reset, auth_method, created_at,"
        " updated_at) VALUES (:id, :email, :username, :role, :password_hash, :password_needs_reset, :auth_method,"
        " :created_at, :updated_at)",
        {
            **{name: getattr(user, name) for name in User.__slots__},
            "role": role.value,
            "auth_method": auth_method.value,
            "password_hash": password_hash,
            "password_needs_reset": int(user.password_needs_reset),
        },
    )
    return user


def get_user(tx: Transaction, user_id: int) -> User:
    """The user.

    Raises:
        NotFound: when there is none.
    """
    row = tx.row(f"SELECT {_COLUMNS} FROM users WHERE id = :id", {"id": user_id})
    if row is None:
        raise NotFound("User", encode_id("User", user_id), Reason.USER_NOT_FOUND)
    return _user(row)


def find_user(tx: Transaction, email: str) -> User | None:
    """The user with this e-mail; None when there is none."""
    row = tx.row(f"SELECT {_COLUMNS} FROM users WHERE email = :email", {"email": email})
    return _user(row) if row else None


def system_user(tx: Transaction) -> User:
    """The user that system keys belong to: made at first start, never deleted."""
    return _user(tx.one(f"SELECT {_COLUMNS} FROM users WHERE email = :email", {"email": SYSTEM_EMAIL}))


def list_users(tx: Transaction, before: int, limit: int) -> list[User]:
    """Users with ids below `before`, newest first."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM users WHERE id < :before ORDER BY id DESC LIMIT :limit",
        {"before": before, "limit": limit},
    )
    return [_user(row) for row in rows]


def update_user(tx: Transaction, user_id: int, change: UserChange, actor_id: int | None) -> User:
    """Changes a user; another role or password ends the user's sessions.

    Arguments:
        actor_id: the user who does it.

    Raises:
        NotFound: when there is no such user.
        AlreadyExists: when the username is taken.
        Invalid: naming `password`, when the user signs in without one.
        PermissionDenied: USER_PROTECTED for the system user, one's own role or password, the role of the default admin
            and of the last admin.
    """
    user = get_user(tx, user_id)
    _require_unprotected(tx, user, change, actor_id)
    if change.username not in (None, user.username):
        _require_free_username(tx, change.username or "")
    changed = replace(user, username=change.username or user.username, role=change.role or user.role)
    tx.run(
        "UPDATE users SET username = :username, role = :role, updated_at = :now WHERE id = :id",
        {"id": user_id, "username": changed.username, "role": changed.role.value, "now": model.now()},
    )
    if change.password_hash is not None:
        if user.auth_method is not AuthMethod.LOCAL:
            raise Invalid("password", f"this user signs in by {user.auth_method.value}, and has no password")
        set_password(tx, user_id, change.password_hash, needs_reset=True)
    if changed.role is not user.role:
        end_sessions(tx, user_id)
    return get_user(tx, user_id)


def delete_user(tx: Transaction, user_id: int, actor_id: int | None) -> User:
    """Deletes a user with sessions and keys, and returns it as it was.

    Raises:
        NotFound: when there is no such user.
        PermissionDenied: USER_PROTECTED for oneself, the system user, the default admin and the last admin.
    """
    user = get_user(tx, user_id)
    if user.role is Role.SYSTEM or _is_default_admin(user):
        raise _protected("Cannot delete the default admin or system user")  # Phoenix's words, which programs know
    if user_id == actor_id:
        raise _protected("nobody can delete itself")
    _require_another_admin(tx, user)
    tx.run("DELETE FROM users WHERE id = :id", {"id": user_id})
    revoke(tx, Subject.USER, user_id)
    return user


def has_first_users(tx: Transaction, admins: Sequence[tuple[str, str]]) -> bool:
    """Whether the system user and all of `admins` (usernames and e-mails) exist."""
    return all(find_user(tx, email) for email in (SYSTEM_EMAIL, *(email for _, email in admins)))


def is_default_admins_hash(tx: Transaction, password_hash: str) -> bool:
    """Whether this is the hash of the default admin's password."""
    return bool(
        tx.row(
            "SELECT 1 FROM users WHERE email = :email AND password_hash = :hash",
            {"email": ADMIN_EMAIL, "hash": password_hash},
        )
    )


def make_first_users(tx: Transaction, password_hash: str, admins: Sequence[tuple[str, str]]) -> bool:
    """Makes the system user, the default admin and `admins` (usernames and e-mails), each if missing.

    Of processes that start at once, one makes them.

    Returns:
        whether the default admin was made now, with this password.

    Raises:
        AlreadyExists: when the username of a missing admin is taken.
    """
    first = find_user(tx, SYSTEM_EMAIL) is None
    if first:
        insert_user(tx, SYSTEM_EMAIL, "system", Role.SYSTEM, None)
        insert_user(tx, ADMIN_EMAIL, "admin", Role.ADMIN, password_hash)
    for username, email in admins:
        if find_user(tx, email) is None:
            insert_user(tx, email, username, Role.ADMIN, None)
    return first


def _user(row: Row) -> User:
    user_id, email, username, role, created_at, updated_at, needs_reset, method = row
    return User(user_id, email, username, Role(role), created_at, updated_at, bool(needs_reset), AuthMethod(method))


def _require_free_username(tx: Transaction, username: str) -> None:
    if tx.row("SELECT 1 FROM users WHERE username = :username", {"username": username}):
        raise AlreadyExists("User", username, Reason.USERNAME_EXISTS)


def _require_unprotected(tx: Transaction, user: User, change: UserChange, actor_id: int | None) -> None:
    if user.role is Role.SYSTEM:
        raise _protected("the system user cannot be changed")
    if user.id == actor_id and change.password_hash is not None:
        raise _protected("to change one's own password takes ChangePassword")
    if change.role in (None, user.role):
        return
    if user.id == actor_id:
        raise _protected("nobody can change their own role")
    if _is_default_admin(user):
        raise _protected("the role of the default admin cannot be changed")
    _require_another_admin(tx, user)


def _is_default_admin(user: User) -> bool:
    # By e-mail, which nobody can change.
    return user.email == ADMIN_EMAIL


def _require_another_admin(tx: Transaction, user: User) -> None:
    if user.role is not Role.ADMIN:
        return
    if not tx.row("SELECT 1 FROM users WHERE role = :role AND id <> :id LIMIT 1", {"role": "ADMIN", "id": user.id}):
        raise _protected("the last admin can be neither deleted nor demoted")


def _protected(message: str) -> PermissionDenied:
    return PermissionDenied(message, Reason.USER_PROTECTED)
