"""Tokens of other issuers: JWTs that an issuer's published keys verify (RFC 8725)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""All of them asymmetric: a published key must never be taken for a secret."""

MAX_TOKEN = 8192
LEEWAY_SECONDS = 60
_MIN_RSA_BITS = 2048


class NotVerified(Exception):
    """A token does not verify; the text says why, and repeats nothing of it."""


class Peek(NamedTuple):
    """What a token says of itself before it is verified, to find the key by; nothing else may trust it."""

    issuer: str
    kid: str
    algorithm: str


def peek(token: str) -> Peek | None:
    """The issuer that a token names; None when it is no JWT, or names none."""
    if token.count(".") != 2 or len(token) > MAX_TOKEN:
        return None
    try:
        header = jwt.get_unverified_header(token)
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except (jwt.InvalidTokenError, ValueError, RecursionError, UnicodeError):
        return None
    kid, algorithm = header.get("kid", ""), header.get("alg", "")
    # A critical extension is one that must be understood, and none is here (RFC 7515, section 4.1.11).
    if not isinstance(issuer, str) or not isinstance(kid, str) or "crit" in header:
        return None
    return Peek(issuer, kid, str(algorithm))


def verified_claims(
    token: str, key: Mapping[str, Any], algorithms: Sequence[str], issuer: str, audience: str
) -> dict[str, Any]:
    """The claims of a token that one of an issuer's keys has signed, for us, and that has not expired.

    Arguments:
        key: a JSON Web Key.
        algorithms: those that the configuration allows; what the token says only chooses among them.

    Raises:
        NotVerified: for any other.
    """
    algorithm = str(jwt.get_unverified_header(token).get("alg", ""))
    if algorithm not in algorithms or key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
        raise NotVerified("its algorithm is not allowed for this issuer")
    try:
        found = jwt.PyJWK.from_dict(dict(key), algorithm)
        if isinstance(found.key, RSAPublicKey) and found.key.key_size < _MIN_RSA_BITS:
            raise NotVerified("the issuer's key is too short")
        claims: dict[str, Any] = jwt.decode(
            token,
            found.key,
            [algorithm],
            {"require": ["iss", "aud", "exp", "sub"]},
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
        )
    except jwt.ExpiredSignatureError:
        raise NotVerified("it has expired") from None
    except jwt.InvalidAudienceError:
        raise NotVerified("it is for another audience") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        raise NotVerified("it does not verify with the issuer's keys") from None
    return claims
