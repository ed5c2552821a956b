"""Access and refresh tokens: JWTs told apart by the `typ` header (RFC 8725).

The secret signs them with HS256; access tokens that others verify are signed by a private key instead.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from phoenix_grpc import model
from phoenix_grpc.credentials.secrets import new_token
from phoenix_grpc.credentials.signing_keys import SigningKeys
from phoenix_grpc.errors import Reason, Unauthenticated
from phoenix_grpc.model import Role

ISSUER = AUDIENCE = "phoenix_grpc"
ACCESS_TYPE = "at+jwt"  # RFC 9068
REFRESH_TYPE = "rt+jwt"
MAX_TOKEN = 8192
_ALGORITHM = "HS256"
_SECOND = 1_000_000
# Expiry is checked with our own clock, to raise our own errors.
_OPTIONS: Any = {
    "require": ["iss", "aud", "sid", "jti", "iat", "exp"],
    "verify_exp": False,
    "verify_iat": False,
}


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """The claims of an access token: the session, its generation (it grows with each refresh), and its user.

    `expires_at` is in microseconds, a whole second.
    """

    session_id: str
    generation: int
    subject: str  # public id of the user
    role: Role
    expires_at: int


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """The claims of a refresh token; `expires_at` is in microseconds, a whole second."""

    session_id: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class PublicTokens:
    """Access tokens that others verify.

    Arguments:
        issuer, audience: where they are from and for whom (RFC 7519).
    """

    keys: SigningKeys
    issuer: str
    audience: str


_SCOPES = {Role.VIEWER: "read", Role.MEMBER: "read write", Role.ADMIN: "read write admin", Role.SYSTEM: ""}
"""What a role may do, as a scope (RFC 9068) that a mesh can check; the guard goes by the role."""


class KeyRing:
    """Signs with one secret, and verifies with it and the previous one.

    Arguments:
        secret: 32 characters or more.
        previous: the previous secret, whose tokens are still valid.
        public: signs access tokens instead; those that the secret has signed stay valid.
    """

    def __init__(self, secret: str, previous: str | None = None, public: PublicTokens | None = None) -> None:
        self._public = public
        self._kid = _key_id(secret)
        self._secret = secret.encode()
        self._keys = {_key_id(text): text.encode() for text in (previous, secret) if text}

    def issue_access(self, claims: AccessClaims) -> str:
        """A signed access token."""
        owner = {"sub": claims.subject, "role": claims.role.value, "gen": claims.generation}
        if self._public is None:
            return self._issue(ACCESS_TYPE, claims.session_id, claims.expires_at, owner)
        key = self._public.keys.current()
        names = {"iss": self._public.issuer, "aud": self._public.audience, "scope": _SCOPES[claims.role]}
        payload = {**_payload(claims.session_id, claims.expires_at), **owner, **names}
        return jwt.encode(payload, key.private, key.algorithm, headers={"typ": ACCESS_TYPE, "kid": key.kid})

    def issue_refresh(self, claims: RefreshClaims) -> str:
        """A signed refresh token, different from any other."""
        return self._issue(REFRESH_TYPE, claims.session_id, claims.expires_at, {})

    def read_access(self, token: str) -> AccessClaims:
        """The claims of an access token that verifies and has not expired; its session may have ended.

        Raises:
            Unauthenticated: ACCESS_TOKEN_INVALID, ACCESS_TOKEN_EXPIRED, or TOKEN_TYPE_UNSUPPORTED for another token
                of ours.
        """
        kind, payload = self._verified(token, Reason.ACCESS_TOKEN_INVALID)
        if kind != ACCESS_TYPE:
            raise Unauthenticated(
                "this is not an access token; send an access token or API key", Reason.TOKEN_TYPE_UNSUPPORTED
            )
        claims = AccessClaims(
            payload["sid"], payload["gen"], payload["sub"], Role(payload["role"]), payload["exp"] * _SECOND
        )
        if claims.expires_at <= model.now():
            raise Unauthenticated("the access token has expired", Reason.ACCESS_TOKEN_EXPIRED)
        return claims

    def read_refresh(self, token: str) -> RefreshClaims:
        """The claims of a refresh token that verifies and has not expired; it may have been used.

        Raises:
            Unauthenticated: REFRESH_TOKEN_INVALID or REFRESH_TOKEN_EXPIRED.
        """
        kind, payload = self._verified(token, Reason.REFRESH_TOKEN_INVALID)
        if kind != REFRESH_TYPE:
            raise Unauthenticated("this is not a refresh token", Reason.REFRESH_TOKEN_INVALID)
        claims = RefreshClaims(payload["sid"], payload["exp"] * _SECOND)
        if claims.expires_at <= model.now():
            raise Unauthenticated("the refresh token has expired; log in again", Reason.REFRESH_TOKEN_EXPIRED)
        return claims

    def sign(self, text: str) -> str:
        """A signature of a text that is no token: HMAC-SHA-256 with a key derived from the secret, hexadecimal."""
        return _signature(self._secret, text)

    def verifies(self, text: str, signature: str) -> bool:
        """Whether a text was signed with the secret, or with the previous one."""
        return any(hmac.compare_digest(_signature(key, text), signature) for key in self._keys.values())

    def _issue(self, kind: str, session_id: str, expires_at: int, more: Mapping[str, object]) -> str:
        payload = {**_payload(session_id, expires_at), **more, "iss": ISSUER, "aud": AUDIENCE}
        return jwt.encode(payload, self._secret, _ALGORITHM, headers={"typ": kind, "kid": self._kid})

    def _verified(self, token: str, reason: Reason) -> tuple[str, dict[str, Any]]:
        """The type and the claims of a token that we signed."""
        if len(token) > MAX_TOKEN:  # before any of it is parsed
            raise Unauthenticated("the token does not verify", reason)
        try:
            header = jwt.get_unverified_header(token)
            payload = self._decoded(token, header.get("kid", ""))
        except (jwt.InvalidTokenError, KeyError, RecursionError, UnicodeError):
            # The last two are what PyJWT lets through of a header nested deep, and of text that is no UTF-8.
            raise Unauthenticated("the token does not verify", reason) from None
        # The header is signed with the rest.
        return header.get("typ", ""), payload

    def _decoded(self, token: str, kid: str) -> dict[str, Any]:
        """The claims of a token; the key says by which algorithm, and never the token."""
        public = self._public
        if public is not None and (key := public.keys.find(kid)) is not None:
            allowed = [key.algorithm]
            return jwt.decode(
                token, key.private.public_key(), allowed, _OPTIONS, audience=public.audience, issuer=public.issuer
            )
        return jwt.decode(token, self._keys[kid], [_ALGORITHM], _OPTIONS, audience=AUDIENCE, issuer=ISSUER)


def _payload(session_id: str, expires_at: int) -> dict[str, Any]:
    return {
        "sid": session_id,
        "jti": new_token(),
        "iat": model.now() // _SECOND,
        "exp": expires_at // _SECOND,
    }


def _signature(secret: bytes, text: str) -> str:
    key = hmac.digest(secret, b"signed texts", "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key_id(secret: str) -> str:
    """Identifies a secret in the tokens that it signed, and reveals nothing about it."""
    return hmac.new(secret.encode(), b"kid", hashlib.sha256).hexdigest()[:16]
