"""The one credential of a call: a bearer token (RFC 6750); anything else is refused with a reason."""

from collections.abc import Sequence

from phoenix_grpc.errors import Reason, Unauthenticated

CARRIERS = frozenset({"authorization", "api_key", "api-key", "x-api-key"})
"""Entries that carry credentials somewhere; only `authorization` does here."""
MAX_CREDENTIAL = 8192


def bearer_token(entries: Sequence[tuple[str, str]]) -> str:
    """The token of the one authorization entry; the scheme in any case.

    Arguments:
        entries: what was sent under the names of CARRIERS.

    Raises:
        Unauthenticated: when there is none, more than one, another scheme, or another entry.
    """
    if not entries:
        raise Unauthenticated("send 'authorization: Bearer <API key or access token>'", Reason.CREDENTIALS_MISSING)
    if len(entries) > 1:
        raise Unauthenticated("send exactly one authorization entry", Reason.CREDENTIALS_CONFLICTING)
    name, value = entries[0]
    if name != "authorization":
        raise Unauthenticated(f"send 'authorization: Bearer <key>' instead of {name}", Reason.CREDENTIALS_MALFORMED)
    return _token(value)


def _token(value: str) -> str:
    if len(value) > MAX_CREDENTIAL:
        raise Unauthenticated(f"a credential has {MAX_CREDENTIAL} characters at most", Reason.CREDENTIALS_MALFORMED)
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("the authorization scheme must be Bearer", Reason.CREDENTIALS_MALFORMED)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Unauthenticated("an API key or access token must follow 'Bearer '", Reason.CREDENTIALS_MALFORMED)
    return token
