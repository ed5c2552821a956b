"""`phoenix-grpc users`: users and their roles."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_grpc.cli.failures import NOT_FOUND, Failure
from phoenix_grpc.cli.output import items, json_option, note, plain, print_json, print_table, time_text
from phoenix_grpc.cli.passwords import (
    new_password,
    password_stdin_option,
    random_password_option,
    require_terminal,
    tell_password,
)
from phoenix_grpc.cli.remote import Server, server_options
from phoenix_grpc.cli.store import database_options, database_settings
from phoenix_grpc.errors import Reason

if TYPE_CHECKING:
    from phoenix_grpc.client import Client
    from phoenix_grpc.model import User
    from phoenix_grpc.store.engine import Transaction
    from phoenix_grpc.v1 import auth_pb2

ROLES = click.Choice(["admin", "member", "viewer"], case_sensitive=False)
METHODS = click.Choice(["local", "oauth2", "ldap"], case_sensitive=False)


@click.group()
def users() -> None:
    """List, create, change and delete users.

    It requires an admin; reset-password requires access to the database instead.

    \b
    Examples:
      phoenix-grpc users list
      phoenix-grpc users create ada@example.com --role member
    """


@users.command("list")
@server_options
@json_option
def list_users(server: Server, as_json: bool) -> None:
    """List all users, newest first.

    \b
    Examples:
      phoenix-grpc users list
      phoenix-grpc users list --json | jq -r '.[].email'
    """
    from phoenix_grpc.v1 import auth_pb2

    with server.connect() as client:
        found = list(items(client.auth.ListUsers, auth_pb2.ListUsersRequest(), "users"))
    if as_json:
        return print_json([plain(user) for user in found])
    return print_table(
        ["ID", "E-MAIL", "USERNAME", "ROLE", "SIGNS IN BY", "CREATED"],
        (
            (user.user_id, user.email, user.username, _role(user), _auth_method(user), time_text(user.create_time))
            for user in found
        ),
    )


def _role(user: "auth_pb2.User") -> str:
    from phoenix_grpc.v1 import auth_pb2

    return auth_pb2.Role.Name(user.role).removeprefix("ROLE_")


def _auth_method(user: "auth_pb2.User") -> str:
    from phoenix_grpc.v1 import auth_pb2

    return auth_pb2.AuthMethod.Name(user.auth_method).removeprefix("AUTH_METHOD_")


@users.command()
@click.argument("email")
@click.option("--role", type=ROLES, default="member", show_default=True, help="What the user may do.")
@click.option("--username", help="The user's name. [default: the e-mail]")
@click.option(
    "--auth-method",
    "method",
    type=METHODS,
    default="local",
    show_default=True,
    help="How the user signs in: with a password kept here, or by a provider.",
)
@password_stdin_option
@random_password_option
@server_options
@json_option
def create(
    server: Server,
    email: str,
    role: str,
    username: str | None,
    method: str,
    password_stdin: bool,
    random_password: bool,
    as_json: bool,
) -> None:
    """Create a user who logs in with EMAIL.

    A user who signs in by a provider has no password, and cannot log in while the server has no such provider.

    \b
    Examples:
      phoenix-grpc users create ada@example.com --role member
      phoenix-grpc users create bob@example.com --role viewer --random-password
      phoenix-grpc users create eve@example.com --auth-method oauth2
    """
    from phoenix_grpc.v1 import auth_pb2

    if method != "local" and (password_stdin or random_password):
        raise click.UsageError(f"a user of --auth-method {method} has no password")
    password = new_password(password_stdin, random_password) if method == "local" else ""
    request = auth_pb2.CreateUserRequest(
        email=email,
        username=username or "",
        role=f"ROLE_{role.upper()}",
        password=password,
        auth_method=f"AUTH_METHOD_{method.upper()}",
    )
    with server.connect() as client:
        user = client.auth.CreateUser(request)
    if as_json:
        print_json({**plain(user), **({"password": password} if random_password else {})})
        return
    note(f"Created {user.email} ({user.user_id}), {_role(user)}.")
    tell_password(password, random_password)


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=ROLES)
@server_options
@json_option
def set_role(server: Server, email: str, role: str, as_json: bool) -> None:
    """Give the user EMAIL another ROLE.

    It ends the user's sessions.

    \b
    Examples:
      phoenix-grpc users set-role ada@example.com viewer
    """
    from phoenix_grpc.v1 import auth_pb2

    with server.connect() as client:
        user = _find_user(client, email)
        user = client.auth.UpdateUser(auth_pb2.UpdateUserRequest(user_id=user.user_id, role=f"ROLE_{role.upper()}"))
    if as_json:
        return print_json(plain(user))
    return note(f"{user.email} is {_role(user)}.")


@users.command()
@click.argument("email")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@server_options
def delete(server: Server, email: str, yes: bool) -> None:
    """Delete the user EMAIL with all sessions and keys.

    \b
    Examples:
      phoenix-grpc users delete ada@example.com
      phoenix-grpc users delete ada@example.com --yes
    """
    from phoenix_grpc.v1 import auth_pb2

    with server.connect() as client:
        user = _find_user(client, email)
        if not yes:
            require_terminal("--yes")
            if not click.confirm(f"Delete {user.email} with all sessions and keys?", err=True):
                raise Failure("nothing was deleted")
        client.auth.DeleteUser(auth_pb2.DeleteUserRequest(user_id=user.user_id))
    note(f"Deleted {user.email}.")


def _find_user(client: "Client", email: str) -> "auth_pb2.User":
    from phoenix_grpc.v1 import auth_pb2

    wanted = email.strip().lower()
    for user in items(client.auth.ListUsers, auth_pb2.ListUsersRequest(page_size=1000), "users"):
        if user.email == wanted:
            found: auth_pb2.User = user
            return found
    raise Failure(f"no user has the e-mail {email}; 'phoenix-grpc users list' shows them", NOT_FOUND)


@users.command("reset-password")
@click.argument("email")
@password_stdin_option
@random_password_option
@database_options
def reset_password(
    email: str, password_stdin: bool, random_password: bool, working_dir: Path | None, database_url: str | None
) -> None:
    """Set a new password for the user EMAIL.

    It changes the database itself: it requires access to the file, but no login and no server. It ends the user's
    sessions. A running server accepts the new password at once.

    \b
    Examples:
      phoenix-grpc users reset-password admin@localhost
      phoenix-grpc users reset-password admin@localhost --random-password --working-dir /srv/phoenix
    """
    import asyncio

    from phoenix_grpc.credentials.passwords import checked_password, hash_password

    settings = database_settings(working_dir, database_url)
    password = new_password(password_stdin, random_password)
    checked_password(password, "password", settings.enable_strong_password_policy)
    user = asyncio.run(_reset(settings.database_url, email, hash_password(password)))
    note(f"{user.email} has a new password; all sessions have ended.")
    tell_password(password, random_password)


async def _reset(url: str, email: str, password_hash: str) -> "User":
    from phoenix_grpc.store.opening import open_existing

    engine = open_existing(url)
    try:
        return await engine.write(_set_password, email, password_hash)
    finally:
        await engine.close()


def _set_password(tx: "Transaction", email: str, password_hash: str) -> "User":
    from phoenix_grpc.credentials.emails import normal_email
    from phoenix_grpc.errors import NotFound
    from phoenix_grpc.ids import encode_id
    from phoenix_grpc.model import AuditEvent
    from phoenix_grpc.store import audit
    from phoenix_grpc.store.accounts import users as accounts

    user = accounts.find_user(tx, normal_email(email))
    if user is None:
        raise NotFound("User", email, Reason.USER_NOT_FOUND)
    user = accounts.update_user(tx, user.id, accounts.UserChange(password_hash=password_hash), actor_id=None)
    event = AuditEvent("user.update", allowed=True, target_id=encode_id("User", user.id), target_name=user.email)
    audit.record(tx, [event])
    return user
