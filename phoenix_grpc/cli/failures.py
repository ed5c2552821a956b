"""How a command fails: one line on stderr that says what to do, and an exit code that means something."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from phoenix_grpc.client import PhoenixError

EXIT_CODES = """\b
Exit codes:
  0    done
  1    the call was refused or failed
  2    wrong usage or configuration
  3    not authenticated: log in, or send a valid API key
  4    permission denied
  5    not found
  6    conflict: it exists already, or has changed meanwhile
  7    the server or its store is unavailable
  130  interrupted
"""

USAGE = 2
DENIED = 4
NOT_FOUND = 5
UNAVAILABLE = 7
INTERRUPTED = 130
EXIT_CODE_OF = {
    "UNAUTHENTICATED": 3,
    "PERMISSION_DENIED": DENIED,
    "NOT_FOUND": NOT_FOUND,
    "ALREADY_EXISTS": 6,
    "ABORTED": 6,
    "UNAVAILABLE": UNAVAILABLE,
    "DEADLINE_EXCEEDED": UNAVAILABLE,
}

_LOG_IN = "log in with 'phoenix-grpc login'"
ADVICE = {
    "CREDENTIALS_MISSING": f"{_LOG_IN}, or set PHOENIX_API_KEY",
    "CREDENTIALS_MALFORMED": "check --api-key or PHOENIX_API_KEY",
    "CREDENTIALS_CONFLICTING": "check PHOENIX_CLIENT_HEADERS",
    "API_KEY_INVALID": "check --api-key or PHOENIX_API_KEY",
    "API_KEY_EXPIRED": "make another one with 'phoenix-grpc keys create'",
    "API_KEY_REVOKED": "make another one with 'phoenix-grpc keys create'",
    "ACCESS_TOKEN_INVALID": _LOG_IN,
    "ACCESS_TOKEN_EXPIRED": _LOG_IN,
    "SESSION_REVOKED": _LOG_IN,
    "REFRESH_TOKEN_INVALID": _LOG_IN,
    "REFRESH_TOKEN_EXPIRED": _LOG_IN,
    "REFRESH_TOKEN_REUSED": _LOG_IN,
    "LOGIN_FAILED": "check e-mail and password",
    "ROLE_INSUFFICIENT": "ask an admin for another role",
    "CREDENTIAL_NOT_INTERACTIVE": f"{_LOG_IN} and do without --api-key and PHOENIX_API_KEY",
    "KEY_READ_ONLY": "use another key",
    "KEY_NOT_FOR_DATASET": "use another key",
    "NOT_A_USER": f"{_LOG_IN} as a user",
    "DATASET_NOT_FOUND": "'phoenix-grpc datasets list' shows what there is",
    "VERSION_NOT_FOUND": "'phoenix-grpc datasets versions' shows what there is",
    "API_KEY_NOT_FOUND": "'phoenix-grpc keys list' shows what there is",
    "DATASET_EXISTS": "take another name, or add to it with 'datasets upload --action append'",
    "VERSION_MOVED": "look at what changed, and try again on the latest version",
    "ETAG_MISMATCH": "look at what changed, and try again",
}


class Failure(click.ClickException):
    """Ends the command with a message on stderr and an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def failure_of(error: "PhoenixError", address: str) -> Failure:
    """The failure of a call to the server at `address`."""
    status = error.status.name
    code = EXIT_CODE_OF.get(status, 1)
    if not error.reason and code == UNAVAILABLE:
        return Failure(
            f"no answer from {address} ({error.message}); is the server running, and is --address right?",
            code,
        )
    advice = ADVICE.get(error.reason, "")
    if error.retry_after:
        advice = f"try again in {error.retry_after:.0f} s"
    elif status == "INTERNAL":
        advice = f"the server's log has more under request id {error.request_id}"
    message = f"{error.message} ({error.reason or status})"
    return Failure(f"{message}; {advice}" if advice else message, code)


def printable(text: str) -> str:
    """The text on one line, without control characters: a terminal would obey them."""
    return "".join(char if char.isprintable() else " " for char in text)
