"""How a command fails: with one line on stderr that says what to do, and with an exit code."""

import re
from typing import TYPE_CHECKING

import click

from phoenix_grpc.errors import Reason

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
  6    conflict: it already exists, or was changed in the meantime
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
ADVICE: dict[str, str] = {
    Reason.CREDENTIALS_MISSING: f"{_LOG_IN}, or set PHOENIX_API_KEY",
    Reason.CREDENTIALS_MALFORMED: "check --api-key or PHOENIX_API_KEY",
    Reason.CREDENTIALS_CONFLICTING: "check PHOENIX_CLIENT_HEADERS",
    Reason.API_KEY_INVALID: "check --api-key or PHOENIX_API_KEY",
    Reason.API_KEY_EXPIRED: "create another one with 'phoenix-grpc keys create'",
    Reason.API_KEY_REVOKED: "create another one with 'phoenix-grpc keys create'",
    Reason.ACCESS_TOKEN_INVALID: _LOG_IN,
    Reason.ACCESS_TOKEN_EXPIRED: _LOG_IN,
    Reason.SESSION_REVOKED: _LOG_IN,
    Reason.REFRESH_TOKEN_INVALID: _LOG_IN,
    Reason.REFRESH_TOKEN_EXPIRED: _LOG_IN,
    Reason.REFRESH_TOKEN_REUSED: _LOG_IN,
    Reason.LOGIN_FAILED: "check e-mail and password",
    Reason.ROLE_INSUFFICIENT: "ask an admin for another role",
    Reason.CREDENTIAL_NOT_INTERACTIVE: f"{_LOG_IN} and use neither --api-key nor PHOENIX_API_KEY",
    Reason.KEY_READ_ONLY: "use another key",
    Reason.KEY_NOT_FOR_DATASET: "use another key",
    Reason.NOT_A_USER: f"{_LOG_IN} as a user",
    Reason.DATASET_NOT_FOUND: "'phoenix-grpc datasets list' lists what exists",
    Reason.VERSION_NOT_FOUND: "'phoenix-grpc datasets versions' lists what exists",
    Reason.API_KEY_NOT_FOUND: "'phoenix-grpc keys list' lists what exists",
    Reason.DATASET_EXISTS: "choose another name, or add to it with 'datasets upload --action append'",
    Reason.VERSION_MOVED: "look at what changed, and try again on the latest version",
    Reason.ETAG_MISMATCH: "look at what changed, and try again",
}

OPTIONS = {
    "name_contains": "--contains",
    "input_keys": "--input-key",
    "output_keys": "--output-key",
    "metadata_keys": "--metadata-key",
    "split_keys": "--split-key",
    "flatten_keys": "--flatten-key",
    "example_id_key": "--id-key",
    "span_id_key": "--span-key",
    "allow_empty": "--allow-empty",
    "base_version_id": "--base-version",
    "version_description": "--version-description",
    "version_id": "--version",
    "expire_time": "--expires",
    "overlap": "--overlap",
    "current_password": "current password",
    "new_password": "new password",
}
"""The option of the command line for each field of a request that a refusal may name."""


class Failure(click.ClickException):
    """Ends the command with a message on stderr and an exit code."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def failure_of(error: "PhoenixError", address: str) -> Failure:
    """The failure of a call to the server at `address`."""
    status = error.status.name
    code = EXIT_CODE_OF.get(status, 1)
    if not error.reason and "http1.x server" in error.message:  # gRPC's words for a response in HTTP/1
        return Failure(
            f"{address} is an HTTP door; gRPC listens on another port of the server (50051, or PHOENIX_GRPC_PORT): "
            "call that one with --address or PHOENIX_GRPC_ADDRESS",
            USAGE,
        )
    if not error.reason and code == UNAVAILABLE:
        return Failure(
            f"no answer from {address} ({error.message}); is the server running, and is --address, or "
            "PHOENIX_GRPC_ADDRESS, right?",
            code,
        )
    advice = ADVICE.get(error.reason, "")
    if error.retry_after:
        advice = f"try again in {error.retry_after:.0f} s"
    elif status == "INTERNAL":
        advice = f"the server's log has more under request id {error.request_id}"
    message = f"{_in_words_of_options(error)} ({error.reason or status})"
    return Failure(f"{message}; {advice}" if advice else message, code)


def _in_words_of_options(error: "PhoenixError") -> str:
    """The message; if it is about a field of the request, it names the option instead."""
    if not error.violations:
        return error.message
    return re.sub(r"\w+", lambda word: OPTIONS.get(word[0], word[0]), error.message.removeprefix("chunk: "))


def printable(text: str) -> str:
    """The text on one line, without control characters: a terminal would obey them."""
    return "".join(char if char.isprintable() else " " for char in text)
