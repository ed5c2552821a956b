"""The other end of a connection, and by which names a certificate vouches for it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

FORWARDED = "x-forwarded-client-cert"
"""The header in which a proxy says whose certificate it has verified (Envoy)."""

_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)+")
_SPIFFE_CHARS = 2048


class Name(NamedTuple):
    """A name that a certificate has.

    Arguments:
        kind: "spiffe" for a SPIFFE ID, "dns" or "cn".
    """

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text if self.kind == "spiffe" else f"{self.kind}:{self.text}"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection.

    Arguments:
        address: an IP address; "unix" on a Unix socket.
        names: those of the certificate that was verified.
        forwarded: the values of x-forwarded-client-cert, by which a proxy says whose certificate it has verified.
    """

    address: str
    names: tuple[Name, ...] = ()
    forwarded: tuple[str, ...] = ()


def names_of(uris: Iterable[str], dns: Iterable[str], cn: str) -> tuple[Name, ...]:
    """The names in a certificate; of URIs only that of an X.509-SVID, which has exactly one (SPIFFE X.509-SVID, 2)."""
    found = list(uris)
    spiffe = [Name("spiffe", found[0])] if len(found) == 1 and is_spiffe_id(found[0]) else []
    return (*spiffe, *(Name("dns", name.lower()) for name in dns), *([Name("cn", cn)] if cn else []))


def is_spiffe_id(text: str) -> bool:
    """Whether a text is the SPIFFE ID of a workload: a trust domain and a path."""
    return len(text) <= _SPIFFE_CHARS and _SPIFFE.fullmatch(text) is not None
