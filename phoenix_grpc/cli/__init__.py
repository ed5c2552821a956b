"""The command line, `phoenix-grpc`. Commands import what they work with when they run, so that --help is quick."""

import errno

import click

from phoenix_grpc import __version__
from phoenix_grpc.cli.audit import audit
from phoenix_grpc.cli.datasets import datasets
from phoenix_grpc.cli.failures import DENIED, EXIT_CODES, INTERRUPTED, NOT_FOUND, UNAVAILABLE, USAGE, Failure
from phoenix_grpc.cli.keys import keys
from phoenix_grpc.cli.login import login, logout, passwd, whoami
from phoenix_grpc.cli.protos import protos
from phoenix_grpc.cli.serve import serve
from phoenix_grpc.cli.store import backup, migrate, restore
from phoenix_grpc.cli.users import users
from phoenix_grpc.errors import ConfigurationError, Error, NotFound, PermissionDenied, Unavailable

# What commands on the database itself may meet; those that call a server have the server's status.
_OFFLINE_CODES = {NotFound: NOT_FOUND, PermissionDenied: DENIED, Unavailable: UNAVAILABLE}


class _Commands(click.Group):
    """All commands; their failures become one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise Failure(str(error), USAGE) from None
        except Error as error:
            raise Failure(f"{error.message} ({error.reason})", _OFFLINE_CODES.get(type(error), 1)) from None
        except UnicodeEncodeError:
            raise Failure("an argument is no valid UTF-8", USAGE) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of a pipe has gone: click ends quietly
                raise
            raise Failure(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from None
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="phoenix-grpc")
def main() -> None:
    """Versioned evaluation datasets for LLM teams, over gRPC.

    \b
    Examples:
      phoenix-grpc serve
      phoenix-grpc login
      phoenix-grpc datasets upload qa qa.jsonl
    """


for command in (serve, migrate, backup, restore, protos, login, logout, whoami, passwd, users, keys, datasets, audit):
    main.add_command(command)
