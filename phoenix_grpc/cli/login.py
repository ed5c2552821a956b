"""`phoenix-grpc login`, `logout`, `whoami` and `passwd`."""

import click

from phoenix_grpc.cli.output import json_option, note, plain, print_facts, print_json, time_text
from phoenix_grpc.cli.passwords import ask_password, password_stdin_option, require_terminal
from phoenix_grpc.cli.remote import Server, address_options, login_of, server_options


@click.command()
@click.option("--email", help="The e-mail to log in with. [default: asked for]")
@password_stdin_option
@address_options
def login(server: Server, email: str | None, password_stdin: bool) -> None:
    """Log in with e-mail and password.

    Later commands use this login. The tokens are kept in a file that only you can read, one login per server address,
    in PHOENIX_CONFIG_DIR or the settings folder of this system.

    \b
    Examples:
      phoenix-grpc login
      phoenix-grpc login --email admin@localhost --password-stdin < password.txt
    """
    from phoenix_grpc.v1 import auth_pb2

    if email is None:
        require_terminal("--email and --password-stdin")
        email = str(click.prompt("E-mail", default="admin@localhost", err=True))
    password = ask_password(password_stdin)
    with server.connect() as client:
        pair = client.auth.Login(auth_pb2.LoginRequest(email=email, password=password))
    server.logins.put(server.name, login_of(email, pair))
    note(f"Logged in to {server.name} as {email}.")
    if server.settings.api_key:
        note("Warning: PHOENIX_API_KEY is set and overrides this login.")


@click.command()
@click.option("--all", "everywhere", is_flag=True, help="End all your sessions, including those on other machines.")
@address_options
def logout(server: Server, everywhere: bool) -> None:
    """End the session and forget the login.

    \b
    Examples:
      phoenix-grpc logout
      phoenix-grpc logout --all
    """
    from phoenix_grpc.v1 import auth_pb2

    with server.connect() as client:
        if everywhere:
            client.auth.Logout(auth_pb2.LogoutRequest(all=True))
        forgotten = server.logins.take(server.name)
        if forgotten is not None:
            client.auth.RevokeToken(auth_pb2.RevokeTokenRequest(refresh_token=forgotten.refresh_token))
    note(f"Logged out of {server.name}." if forgotten else f"There was no login at {server.name}.")


@click.command()
@server_options
@json_option
def whoami(server: Server, as_json: bool) -> None:
    """Show who you are and what you may do.

    \b
    Examples:
      phoenix-grpc whoami
      phoenix-grpc whoami --json | jq -r .role
    """
    from phoenix_grpc.v1 import auth_pb2

    with server.connect() as client:
        principal = client.auth.WhoAmI(auth_pb2.WhoAmIRequest())
    if as_json:
        return print_json(plain(principal))
    facts = [
        ("Server", server.name),
        ("Kind", auth_pb2.PrincipalKind.Name(principal.kind).removeprefix("PRINCIPAL_KIND_")),
        ("User", principal.user.email),
        ("Role", auth_pb2.Role.Name(principal.role).removeprefix("ROLE_")),
        ("Credential", principal.credential_id),
        ("Expires", time_text(principal.expire_time)),
        ("Limits", ", ".join([*["read-only"] * principal.read_only, *principal.dataset_ids])),
        ("Methods", f"{len(principal.allowed_methods)} allowed (--json lists them)"),
    ]
    return print_facts((name, value) for name, value in facts if value)


@click.command()
@click.option(
    "--password-stdin", is_flag=True, help="Read the current and the new password from two lines of standard input."
)
@address_options
def passwd(server: Server, password_stdin: bool) -> None:
    """Change your password.

    It requires a login, and ends your other sessions.

    \b
    Examples:
      phoenix-grpc passwd
      phoenix-grpc passwd --password-stdin < old-and-new.txt
    """
    from phoenix_grpc.v1 import auth_pb2

    current = ask_password(password_stdin, prompt="Current password")
    new = ask_password(password_stdin, prompt="New password", confirm=True)
    with server.connect() as client:
        client.auth.ChangePassword(auth_pb2.ChangePasswordRequest(current_password=current, new_password=new))
    note("Your password is changed, and your other sessions have ended.")
