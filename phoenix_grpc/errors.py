"""The errors of the domain; they know neither gRPC nor HTTP.

Each class is one kind of failure; the `reason` is the machine-readable name of the exact one (errors.proto).
"""

import enum
from collections.abc import Mapping

_MAX_BYTES = 300
"""The maximum size of a text for clients: those of gRPC refuse metadata above 8 KiB."""


class Reason(enum.StrEnum):
    """The exact failure, by the names of errors.proto without their prefix."""

    @staticmethod
    def _generate_next_value_(name: str, _start: int, _count: int, _values: list[str]) -> str:
        return name

    CREDENTIALS_MISSING = enum.auto()
    CREDENTIALS_MALFORMED = enum.auto()
    CREDENTIALS_CONFLICTING = enum.auto()
    API_KEY_INVALID = enum.auto()
    API_KEY_EXPIRED = enum.auto()
    API_KEY_REVOKED = enum.auto()
    ACCESS_TOKEN_INVALID = enum.auto()
    ACCESS_TOKEN_EXPIRED = enum.auto()
    SESSION_REVOKED = enum.auto()
    TOKEN_TYPE_UNSUPPORTED = enum.auto()
    LOGIN_FAILED = enum.auto()
    REFRESH_TOKEN_INVALID = enum.auto()
    REFRESH_TOKEN_EXPIRED = enum.auto()
    REFRESH_TOKEN_REUSED = enum.auto()
    RESET_TOKEN_INVALID = enum.auto()
    ROLE_INSUFFICIENT = enum.auto()
    CREDENTIAL_NOT_INTERACTIVE = enum.auto()
    KEY_READ_ONLY = enum.auto()
    KEY_NOT_FOR_DATASET = enum.auto()
    NOT_A_USER = enum.auto()
    USER_PROTECTED = enum.auto()
    LOGIN_THROTTLED = enum.auto()
    LIMIT_EXCEEDED = enum.auto()
    STORE_FULL = enum.auto()
    DATASET_NOT_FOUND = enum.auto()
    VERSION_NOT_FOUND = enum.auto()
    EXAMPLE_NOT_FOUND = enum.auto()
    SPLIT_NOT_FOUND = enum.auto()
    LABEL_NOT_FOUND = enum.auto()
    USER_NOT_FOUND = enum.auto()
    API_KEY_NOT_FOUND = enum.auto()
    SESSION_NOT_FOUND = enum.auto()
    METHOD_NOT_FOUND = enum.auto()
    DATASET_EXISTS = enum.auto()
    SPLIT_EXISTS = enum.auto()
    LABEL_EXISTS = enum.auto()
    EMAIL_EXISTS = enum.auto()
    USERNAME_EXISTS = enum.auto()
    VERSION_MOVED = enum.auto()
    ETAG_MISMATCH = enum.auto()
    DATASET_DELETED = enum.auto()
    INVALID_FIELD = enum.auto()
    INVALID_RECORD = enum.auto()
    INVALID_MESSAGE = enum.auto()
    REQUEST_ID_REUSED = enum.auto()
    AUTH_DISABLED = enum.auto()
    VALUE_NOT_REPRESENTABLE = enum.auto()
    MAIL_NOT_CONFIGURED = enum.auto()
    PASSWORD_LOGIN_DISABLED = enum.auto()
    STORE_UNAVAILABLE = enum.auto()
    DRAINING = enum.auto()
    METHOD_UNIMPLEMENTED = enum.auto()
    INTERNAL = enum.auto()


class Error(Exception):
    """A failure that a caller may be told about.

    Arguments:
        message: one sentence for people; says what would be right, if that is known.
        reason: the exact failure; by default that of the class.
        metadata: further facts for programs; never a secret.
    """

    reason: Reason = Reason.INTERNAL

    def __init__(self, message: str, reason: Reason | None = None, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.metadata = dict(metadata or {})


class Unauthenticated(Error):
    """The caller is not identified."""

    reason = Reason.CREDENTIALS_MISSING


class PermissionDenied(Error):
    """The caller is identified, but not allowed to."""

    reason = Reason.ROLE_INSUFFICIENT


class Invalid(Error):
    """A field of the request is not valid."""

    reason = Reason.INVALID_FIELD

    def __init__(
        self, field: str, description: str, reason: Reason | None = None, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{field}: {description}" if field else description, reason, metadata)
        self.field = field
        self.description = description


class InvalidRecord(Invalid):
    """A record of an upload is not valid; `line` and `column` count from 1, column 0 means the whole line.

    Arguments:
        part: the key of the record with the bad value; empty if that is not known.
    """

    reason = Reason.INVALID_RECORD

    def __init__(self, line: int, description: str, column: int = 0, part: str = "") -> None:
        place = f"line {line}, column {column}" if column else f"line {line}"
        metadata = {"line": str(line), "column": str(column), **({"part": part} if part else {})}
        super().__init__("chunk", f"{place}: {description}", metadata=metadata)
        self.line = line
        self.column = column


class NotFound(Error):
    """Nothing has this id or name.

    Arguments:
        kind: the type of an id ("Dataset", "DatasetSplit", ...).
        name: the id or name that was requested.
    """

    def __init__(self, kind: str, name: str, reason: Reason) -> None:
        super().__init__(f"{_words(kind)} not found: {name}", reason)
        self.kind = kind
        self.name = name


class AlreadyExists(Error):
    """The name is taken."""

    def __init__(self, kind: str, name: str, reason: Reason) -> None:
        super().__init__(f"{_words(kind)} already exists: {name}", reason)
        self.kind = kind
        self.name = name


class Aborted(Error):
    """The state that the request was based on has changed."""

    reason = Reason.VERSION_MOVED


class FailedPrecondition(Error):
    """The server's state does not allow it, and a retry does not help."""

    reason = Reason.AUTH_DISABLED


class LimitExceeded(Error):
    """A limit was reached.

    Arguments:
        retry_after: seconds after which to retry; None if a retry does not help.
    """

    reason = Reason.LIMIT_EXCEEDED

    def __init__(self, message: str, reason: Reason | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, reason)
        self.retry_after = retry_after


class StoreFull(LimitExceeded):
    """The disk or the database is full."""

    reason = Reason.STORE_FULL

    def __init__(self) -> None:
        super().__init__("the server's storage is full")


class Unavailable(Error):
    """The server cannot do it now.

    Arguments:
        retry_after: seconds after which a retry may help; None if something must be repaired first.
    """

    reason = Reason.STORE_UNAVAILABLE

    def __init__(self, message: str, reason: Reason | None = None, retry_after: float | None = 1.0) -> None:
        super().__init__(message, reason)
        self.retry_after = retry_after


class Unimplemented(Error):
    """The server has no such method."""

    reason = Reason.METHOD_UNIMPLEMENTED


class Cancelled(Error):
    """The caller went away, or ended the call."""


class ConfigurationError(Exception):
    """A setting or the store prevents the start; the message names it and says what would be right."""


def shown(text: str) -> str:
    """The text, short and without control characters: it may quote what a client sent."""
    clean = "".join(char if char.isprintable() else " " for char in text[: _MAX_BYTES + 1])
    data = clean.encode("utf-8", "replace")
    return clean if len(data) <= _MAX_BYTES else data[:_MAX_BYTES].decode("utf-8", "ignore") + "…"


def dataset_not_found(name: str) -> NotFound:
    """The dataset does not exist; `name` is the id or the name that was requested."""
    return NotFound("Dataset", name, Reason.DATASET_NOT_FOUND)


def _words(kind: str) -> str:
    """The type of an id in words: "DatasetSplit" is "dataset split"."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in kind).strip()
