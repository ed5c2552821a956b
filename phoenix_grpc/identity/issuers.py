"""Trusted issuers of tokens, and the rules that make a principal of their claims."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from phoenix_grpc.credentials.foreign_tokens import ALGORITHMS
from phoenix_grpc.identity.parts import Part, Rights

OWNERS = (
    *("sub", "email", "hd", "azp", "appid", "client_id", "cid", "oid"),
    *("repository", "repository_id", "repository_owner", "repository_owner_id"),  # GitHub
    *("namespace_path", "namespace_id", "project_path", "project_id"),  # GitLab
)
"""Claims that say whose a token is. The issuers of GitHub, Google and others are the same for the whole world."""

_ANY = "*"
Text = Annotated[str, Field(min_length=1, max_length=1000)]


class Rule(Rights):
    """What the bearer of a token may do whose claims meet all conditions.

    Attributes:
        claims: for each, a value or several of which one is enough; a * stands for what has no / and no : in it.
        max_minutes: how long after it was issued (iat) a token is accepted, if it does not end before.
    """

    claims: dict[Text, Text | Annotated[tuple[Text, ...], Field(min_length=1)]]
    max_minutes: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _owned(self) -> Self:
        owners = [_alternatives(wanted) for name, wanted in self.claims.items() if name in OWNERS]
        if not any(all(re.search(r"[^*/:]", text) for text in texts) for texts in owners):
            raise ValueError(f"claims: must have a condition on whose token it is: one of {', '.join(OWNERS)}")
        return self

    def meets(self, claims: Mapping[str, Any]) -> bool:
        """Whether claims meet all conditions."""
        return all(_meets(claims.get(name), _alternatives(wanted)) for name, wanted in self.claims.items())


class Issuer(Part):
    """Whose tokens are accepted, where its keys are, and what the bearers may do.

    Attributes:
        issuer: as `iss` has it, exactly.
        jwks_uri: where its keys are; by default what its discovery document says (OpenID Connect Discovery).
        jwks_host: the host that this may name, when it is not the issuer's.
        jwks_file: a file of its keys instead.
    """

    issuer: Text
    audience: Text
    jwks_uri: Text | None = None
    jwks_host: Text | None = None
    jwks_file: Path | None = None
    algorithms: Annotated[tuple[str, ...], Field(min_length=1)] = ("RS256", "ES256")
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    @field_validator("algorithms")
    @classmethod
    def _asymmetric(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not set(names) <= set(ALGORITHMS):
            raise ValueError(f"must be of {', '.join(ALGORITHMS)}")
        return names

    @field_validator("jwks_uri")
    @classmethod
    def _secure(cls, uri: str | None) -> str | None:
        if uri is not None and not is_secure(uri):
            raise ValueError("must be an https URL; http only on loopback")
        return uri

    @model_validator(mode="after")
    def _found(self) -> Self:
        if self.jwks_uri is not None and self.jwks_file is not None:
            raise ValueError("must have one of jwks_uri and jwks_file, or neither")
        if self.jwks_uri is None and self.jwks_file is None and not is_secure(self.issuer):
            raise ValueError("issuer: must be an https URL to find its keys by; or set jwks_uri or jwks_file")
        return self

    @property
    def source(self) -> tuple[object, ...]:
        """Where its keys come from."""
        return self.issuer, self.jwks_uri, self.jwks_host, self.jwks_file

    def rule(self, claims: Mapping[str, Any]) -> Rule | None:
        """The first rule whose conditions the claims meet."""
        return next((rule for rule in self.rules if rule.meets(claims)), None)


def is_secure(url: str) -> bool:
    """Whether nobody on the way can change what is read there: https, or http on loopback; and no secret is in it."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or parts.username or parts.password or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _alternatives(wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    return (wanted,) if isinstance(wanted, str) else wanted


def _meets(value: Any, wanted: tuple[str, ...]) -> bool:
    if isinstance(value, list):
        return any(_meets(one, wanted) for one in value if not isinstance(one, list))
    if isinstance(value, bool):
        value = str(value).lower()
    if not isinstance(value, str | int):
        return False
    return any(_pattern(pattern).fullmatch(str(value)) for pattern in wanted)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("[^/:]+".join(map(re.escape, text.split(_ANY))))
