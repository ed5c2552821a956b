"""What can go wrong, in the words of the domain; knows no gRPC and no HTTP.

Each class is one kind of failure; the `reason` is the machine-readable name of the exact one (errors.proto).
"""

from collections.abc import Mapping


class Error(Exception):
    """A failure that a caller may be told about.

    Arguments:
        message: one sentence for people; says what would be right where that is known.
        reason: a name of errors.proto without its prefix.
        metadata: further facts for programs; never a secret.
    """

    reason = "INTERNAL"

    def __init__(self, message: str, reason: str = "", metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.metadata = dict(metadata or {})


class Unauthenticated(Error):
    """The caller is not identified."""

    reason = "CREDENTIALS_MISSING"


class PermissionDenied(Error):
    """The caller is identified, and may not."""

    reason = "ROLE_INSUFFICIENT"


class Invalid(Error):
    """A field of the request is not valid."""

    reason = "INVALID_FIELD"

    def __init__(
        self, field: str, description: str, reason: str = "", metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{field}: {description}" if field else description, reason, metadata)
        self.field = field
        self.description = description


class InvalidRecord(Invalid):
    """A record of an upload is not valid; `line` and `column` count from 1, column 0 means the whole line.

    Arguments:
        part: the key of the record whose value it is about; empty when that is not known.
    """

    reason = "INVALID_RECORD"

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
        name: what was asked for.
    """

    def __init__(self, kind: str, name: str, reason: str) -> None:
        super().__init__(f"{_words(kind)} not found: {name}", reason)
        self.kind = kind
        self.name = name


class AlreadyExists(Error):
    """Another one has this name."""

    def __init__(self, kind: str, name: str, reason: str) -> None:
        super().__init__(f"{_words(kind)} already exists: {name}", reason)
        self.kind = kind
        self.name = name


class Aborted(Error):
    """The state that the request was based on has moved."""

    reason = "VERSION_MOVED"


class FailedPrecondition(Error):
    """The server's state does not allow it, and trying again does not help."""

    reason = "AUTH_DISABLED"


class LimitExceeded(Error):
    """A limit was reached.

    Arguments:
        retry_after: seconds after which to try again; None when trying again does not help.
    """

    reason = "LIMIT_EXCEEDED"

    def __init__(self, message: str, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, reason)
        self.retry_after = retry_after


class StoreFull(LimitExceeded):
    """The disk or the database is full."""

    reason = "STORE_FULL"

    def __init__(self) -> None:
        super().__init__("the server's storage is full")


class Unavailable(Error):
    """The server cannot do it now.

    Arguments:
        retry_after: seconds after which trying again may help; None when somebody must mend something first.
    """

    reason = "STORE_UNAVAILABLE"

    def __init__(self, message: str, reason: str = "", retry_after: float | None = 1.0) -> None:
        super().__init__(message, reason)
        self.retry_after = retry_after


class Unimplemented(Error):
    """The server has no such method."""

    reason = "METHOD_UNIMPLEMENTED"


class ConfigurationError(Exception):
    """A setting or the store stops the start; the message names it and what would be right."""


def dataset_not_found(name: str) -> NotFound:
    """The dataset does not exist; `name` is the id or the name asked for."""
    return NotFound("Dataset", name, "DATASET_NOT_FOUND")


def _words(kind: str) -> str:
    """The type of an id in words: "DatasetSplit" is "dataset split"."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in kind).strip()
