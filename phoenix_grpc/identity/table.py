"""The identity file: which workloads there are, what they may do, and who may vouch for them. TOML, checked whole."""

import functools
import ipaddress
import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.identity.issuers import Issuer
from phoenix_grpc.identity.parts import Part, Rights
from phoenix_grpc.identity.peers import Name, is_spiffe_id
from phoenix_grpc.identity.routes import Route

SETTING = "PHOENIX_IDENTITY_FILE"
MAX_BYTES = 1 << 20
_UNIX = "unix"
_ANY = "*"
_STAND_IN = "x"


class Workload(Rights):
    """A row: the name that a workload has, and what it may do then."""

    spiffe: str | None = None
    dns: str | None = Field(None, min_length=1, max_length=253)
    cn: str | None = Field(None, min_length=1, max_length=200)

    @field_validator("spiffe")
    @classmethod
    def _pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            domain, *segments = pattern.removeprefix("spiffe://").split("/")
            plain = "/".join([domain, *(_STAND_IN if segment == _ANY else segment for segment in segments)])
            if not pattern.startswith("spiffe://") or not is_spiffe_id(f"spiffe://{plain}"):
                raise ValueError("must be spiffe://DOMAIN/PATH; a * stands for one segment of the path")
        return pattern

    @field_validator("dns")
    @classmethod
    def _lower(cls, name: str | None) -> str | None:
        return name and name.lower()

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if sum(name is not None for name in (self.spiffe, self.dns, self.cn)) != 1:
            raise ValueError("must have one of spiffe, dns and cn")
        return self

    def matches(self, name: Name) -> bool:
        """Whether it is about a workload of this name."""
        if name.kind == "spiffe" and self.spiffe is not None:
            pattern, given = self.spiffe.split("/"), name.text.split("/")
            pairs = zip(pattern, given, strict=False)
            return len(pattern) == len(given) and all(wanted in (_ANY, found) for wanted, found in pairs)
        return name.text == (self.dns if name.kind == "dns" else self.cn if name.kind == "cn" else None)


class IdentityTable(Part):
    """The whole file.

    Attributes:
        forwarded_by: whose x-forwarded-client-cert counts: networks, unix, SPIFFE IDs of proxies.
        may_check: who may ask about calls of other services, likewise.
        issuers: whose tokens are accepted.
        routes: the rules for these.
    """

    forwarded_by: tuple[str, ...] = ()
    may_check: tuple[str, ...] = ()
    workloads: tuple[Workload, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    routes: tuple[Route, ...] = ()

    @field_validator("forwarded_by", "may_check")
    @classmethod
    def _proxies(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            if entry != _UNIX and not is_spiffe_id(entry):
                try:
                    ipaddress.ip_network(entry)
                except ValueError:
                    raise ValueError("must be unix, networks like 10.0.0.0/8, or SPIFFE IDs") from None
        return entries

    def trusts(self, address: str, names: tuple[Name, ...]) -> bool:
        """Whether the peer with this address and these names may say whose certificate it has verified."""
        return _includes(self.forwarded_by, address, names)

    def lets_check(self, address: str, names: tuple[Name, ...]) -> bool:
        """Whether the peer with this address and these names may ask about calls of other services."""
        return _includes(self.may_check, address, names)

    def row(self, names: tuple[Name, ...]) -> tuple[Workload, Name] | None:
        """The first row that is about one of these names."""
        return next(((row, name) for row in self.workloads for name in names if row.matches(name)), None)


@functools.lru_cache(maxsize=1000)  # the few peers that proxies are, at every call
def _includes(entries: tuple[str, ...], address: str, names: tuple[Name, ...]) -> bool:
    if any(name.kind == "spiffe" and name.text in entries for name in names):
        return True
    if address == _UNIX:
        return _UNIX in entries
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both versions calls 192.0.2.1 by ::ffff:192.0.2.1.
    found = getattr(found, "ipv4_mapped", None) or found
    networks = (entry for entry in entries if entry != _UNIX and not entry.startswith("spiffe:"))
    return any(found in ipaddress.ip_network(network) for network in networks)


def read_table(path: Path) -> IdentityTable:
    """The table in a file.

    Raises:
        ConfigurationError: naming the line or the row and the field, when it is not right.
    """
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise ConfigurationError(f"{SETTING}: {path} must have {MAX_BYTES:,} bytes at most")
        return IdentityTable.model_validate(tomllib.loads(data.decode()))
    except OSError as error:
        raise ConfigurationError(f"{SETTING}: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{SETTING}: {path} must be TOML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(_shown(problem) for problem in error.errors(include_input=False, include_url=False))
        raise ConfigurationError(f"{SETTING}: {path}: {problems}") from None


def _shown(problem: Any) -> str:
    """A problem with its place: workloads 2, role."""
    numbered = [f"{part + 1}" if isinstance(part, int) else str(part) for part in problem["loc"]]
    place = " ".join(numbered[:2]) + "".join(f", {part}" for part in numbered[2:])
    return f"{place}: {problem['msg'].removeprefix('Value error, ')}"
