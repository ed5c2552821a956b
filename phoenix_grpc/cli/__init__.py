"""The command line, `phoenix-grpc`. A command is imported when it is called, and imports what it needs when it runs."""

import errno
from collections import UserDict
from importlib import import_module
from typing import Any

import click

from phoenix_grpc import __version__
from phoenix_grpc.cli.failures import DENIED, EXIT_CODES, INTERRUPTED, NOT_FOUND, UNAVAILABLE, USAGE, Failure
from phoenix_grpc.errors import ConfigurationError, Error, NotFound, PermissionDenied, Unavailable

# What commands on the database itself may meet; those that call a server have the server's status.
_OFFLINE_CODES = {NotFound: NOT_FOUND, PermissionDenied: DENIED, Unavailable: UNAVAILABLE}


COMMANDS = {
    "audit": ("audit:audit", "List audit events, newest first, including refusals."),
    "backup": ("store:backup", "Copy the database to the new FILE."),
    "copy": (
        "copy:copy",
        "Copy the store in SOURCE to the new database TARGET.",
    ),
    "datasets": ("datasets:datasets", "List, upload, download and delete datasets."),
    "end-sessions": ("store:end_sessions", "End all sessions: everybody logs in again."),
    "keys": ("keys:keys", "Create, list, rotate and revoke API keys."),
    "login": ("login:login", "Log in with e-mail and password."),
    "logout": ("login:logout", "End the session and forget the login."),
    "migrate": ("store:migrate", "Create the database, or bring it up to date."),
    "passwd": ("login:passwd", "Change your password."),
    "protos": ("protos:protos", "Write the .proto files into DIR."),
    "restore": ("store:restore", "Replace the database with the backup FILE."),
    "secrets": ("secrets:secrets", "Rotate and list the keys that sign access tokens."),
    "serve": ("serve:serve", "Run the server until SIGTERM or Ctrl-C."),
    "users": ("users:users", "List, create, change and delete users."),
    "whoami": ("login:whoami", "Show who you are and what you may do."),
}
"""Each command by name: where it is in this package, and the first sentence of its help, to list it unimported."""


class _Unimported(UserDict[str, Any]):
    """The commands by name; each is imported when it is looked up."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = COMMANDS[name][0].partition(":")
        return getattr(import_module(f"{__name__}.{module}"), attribute)


class _Commands(click.Group):
    """All commands; their failures become one line on stderr and an exit code."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Failure(str(error), USAGE) from None
        except Error as error:
            raise Failure(f"{error.message} ({error.reason})", _OFFLINE_CODES.get(type(error), 1)) from None
        except UnicodeEncodeError:
            raise Failure("an argument is not valid UTF-8", USAGE) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe has gone: click exits silently
                raise
            raise Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_Commands,
    commands=_Unimported(dict.fromkeys(COMMANDS)),
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="phoenix-grpc")
def main() -> None:
    """Versioned evaluation datasets for LLM teams, over gRPC.

    \b
    Examples:
      phoenix-grpc serve
      phoenix-grpc login
      phoenix-grpc datasets upload qa qa.jsonl
    """
