"""The cookies of a browser's session, with Phoenix's names and attributes."""

import hmac
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from phoenix_grpc.config import Settings
from phoenix_grpc.v1.auth_pb2 import TokenPair

ACCESS = "phoenix-access-token"
REFRESH = "phoenix-refresh-token"
_ALL = (ACCESS, REFRESH, "phoenix-oauth2-state", "phoenix-oauth2-nonce")


def credentials(request: Request, settings: Settings) -> Sequence[str]:
    """The authorization values of a request: those of its headers, or else that of the cookie."""
    if given := request.headers.getlist("authorization"):
        return given
    token = request.cookies.get(ACCESS)
    if token is None:
        return ()
    # The admin secret is not accepted there, so the guard is passed a value that it refuses.
    return ("" if _is_admin_secret(token, settings) else f"Bearer {token}",)


def _is_admin_secret(token: str, settings: Settings) -> bool:
    """Whether a cookie contains the admin secret, which no browser may keep."""
    secret = settings.admin_secret
    return secret is not None and hmac.compare_digest(token.encode(), secret.get_secret_value().encode())


def set_tokens(response: Response, tokens: TokenPair, settings: Settings) -> None:
    """Sets the tokens of a session in the browser."""
    for name, token, minutes in (
        (ACCESS, tokens.access_token, settings.access_token_expiry_minutes),
        (REFRESH, tokens.refresh_token, settings.refresh_token_expiry_minutes),
    ):
        response.set_cookie(
            name,
            token,
            max_age=int(minutes * 60),
            path=settings.cookies_path,
            secure=settings.secure_cookies,
            httponly=True,
            samesite="strict",
        )


def clear(response: Response, settings: Settings) -> None:
    """Removes all cookies, under the path with which they were set."""
    for name in _ALL:
        response.delete_cookie(
            name, path=settings.cookies_path, secure=settings.secure_cookies, httponly=True, samesite="strict"
        )
