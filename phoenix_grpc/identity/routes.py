"""Rules for the calls of other services, which a proxy asks about: the first that matches host, path and method."""

import re
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import Field, field_validator

from phoenix_grpc.identity.parts import Part

_PATH_CHARS = 8192
_AMBIGUOUS = re.compile(
    r"//|\\|;|#|%(?:2f|5c|2e|25|00|3b|23)|%(?![0-9a-f]{2})|(?:^|/)\.{1,2}(?:/|$)|[^\x21-\x7e]", re.IGNORECASE
)
"""What servers read in different ways: empty and dotted segments, backslashes, parameters, and the same encoded."""

Access = Literal["public", "identified", "read", "write", "admin"]


class Route(Part):
    """A rule: which calls it is about, and who may make them.

    Attributes:
        path: with everything below it, by whole segments.
        access: what a caller must be allowed to do here, as methods declare it; "public" asks for no credential.
        limited_keys: whether keys and workloads that are limited to datasets are let in.
        pass_credential: whether the service behind receives the credential as well.
    """

    host: str | None = Field(None, min_length=1, max_length=253)
    path: str
    methods: Annotated[tuple[Annotated[str, Field(pattern="^[A-Z]{1,20}$")], ...], Field(min_length=1)] | None = None
    access: Access
    limited_keys: bool = False
    pass_credential: bool = False

    @field_validator("host")
    @classmethod
    def _lower(cls, host: str | None) -> str | None:
        return host and host.lower()

    @field_validator("path")
    @classmethod
    def _plain(cls, path: str) -> str:
        if not path.startswith("/") or _AMBIGUOUS.search(path) or (len(path) > 1 and path.endswith("/")):
            raise ValueError("must be a path like /reports, without a slash at its end")
        return path

    def matches(self, host: str, segments: list[str], method: str) -> bool:
        """Whether it is about a call.

        Arguments:
            host: in lower case, without a port.
            segments: those of the path, decoded.
        """
        wanted = self.path.split("/")[1:] if self.path != "/" else []
        return (
            self.host in (None, host)
            and (self.methods is None or method in self.methods)
            and segments[: len(wanted)] == wanted
        )


def segments_of(path: str) -> list[str] | None:
    """The decoded segments of a request's path, whose query does not count; None when it could mean two things."""
    path = path.partition("?")[0]
    if not path.startswith("/") or len(path) > _PATH_CHARS or _AMBIGUOUS.search(path):
        return None
    return unquote(path).split("/")[1:]


def host_of(authority: str) -> str:
    """The host of a Host header or :authority: without its port, in lower case."""
    return re.sub(r":\d*$", "", authority).lower().removesuffix(".")
