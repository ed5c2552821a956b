"""Sessions of browsers and of programs: log in, refresh, log out, reset a password."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from phoenix_grpc.config import Settings
from phoenix_grpc.http import cookies
from phoenix_grpc.http.backend import Door
from phoenix_grpc.http.errors import Refused
from phoenix_grpc.http.json_bodies import decode_object
from phoenix_grpc.http.responses import json_answer
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import sessions
from phoenix_grpc.v1 import auth_pb2

router = Resource("sessions", "/auth")
without_auth = APIRouter(prefix="/auth")

_NOTHING_TO_END = (401, 403)


def _credentials(_: Settings) -> int:
    """The limit of a body that anybody may send."""
    return 64 << 10


def _takes(*fields: str) -> dict[str, Any]:
    """The OpenAPI description of a body that is read by hand, for Phoenix's responses to missing fields."""
    schema = {"type": "object", "properties": {field: {"type": "string"} for field in fields}, "required": fields}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _gives_tokens() -> dict[int | str, dict[str, Any]]:
    answer = {"model": sessions.Tokens, "description": "The tokens, when the Accept header asks for JSON."}
    return {200: answer}


@router.rpc(
    "POST",
    "/login",
    "Login",
    status=204,
    body_limit=_credentials,
    responses=_gives_tokens(),
    openapi_extra=_takes("email", "password"),
)
async def login(door: Door) -> Response:
    """Begins a session, in cookies."""
    body = decode_object(await door.body())
    email, password = _text(body, "email"), _text(body, "password")
    if not email or not password:
        raise Refused(401, "Email and password required")
    tokens = await door.call("Login", auth_pb2.LoginRequest(email=email, password=password))
    return _session_answer(door, tokens)


@router.rpc("POST", "/refresh", "RefreshToken", status=204, responses=_gives_tokens())
async def refresh(door: Door) -> Response:
    """Exchanges the refresh cookie for new cookies."""
    token = door.cookies.get(cookies.REFRESH)
    if not token:
        raise Refused(401, "Missing refresh token")
    tokens = await door.call("RefreshToken", auth_pb2.RefreshTokenRequest(refresh_token=token))
    return _session_answer(door, tokens)


def _session_answer(door: Door, tokens: auth_pb2.TokenPair) -> Response:
    """204 and cookies as Phoenix does; programs that ask for JSON get the tokens as well."""
    response = Response(status_code=204)
    if "application/json" in door.headers.get("accept", ""):
        response = json_answer(
            {
                "access_token": tokens.access_token,
                "refresh_token": tokens.refresh_token,
                "token_type": "bearer",
                "expires_in": int(door.settings.access_token_expiry_minutes * 60),
            }
        )
    cookies.set_tokens(response, tokens, door.settings)
    return response


@router.rpc("GET", "/logout", "RevokeToken", status=302, response_class=RedirectResponse)
async def logout_everywhere(door: Door) -> Response:
    """Ends all sessions of the user, clears the cookies, and leads to the login page."""
    await _end_sessions(door, everywhere=True)
    page = "/logout" if door.settings.disable_basic_auth else "/login"
    response = RedirectResponse(door.settings.host_root_path + page, 302)
    cookies.clear(response, door.settings)
    return response


@router.rpc("POST", "/logout", "RevokeToken", status=204)
async def logout(
    door: Door,
    everywhere: Annotated[bool, Query(alias="all", description="Whether to end all sessions of the user.")] = False,
) -> Response:
    """Ends the session that asks, and clears the cookies."""
    await _end_sessions(door, everywhere=everywhere)
    response = Response(status_code=204)
    cookies.clear(response, door.settings)
    return response


async def _end_sessions(door: Door, *, everywhere: bool) -> None:
    """Ends the session of the request's credential; if there is none, that of the refresh cookie."""
    if await _logged_out(door, everywhere):
        return
    token = door.cookies.get(cookies.REFRESH)
    if token is None or "authorization" in door.headers:
        return
    if not everywhere:
        await door.call("RevokeToken", auth_pb2.RevokeTokenRequest(refresh_token=token))
        return
    try:
        tokens = await door.call("RefreshToken", auth_pb2.RefreshTokenRequest(refresh_token=token))
    except Refused as refused:
        if refused.status not in _NOTHING_TO_END:
            raise
    else:
        await _logged_out(door.acting_as(tokens.access_token), everywhere)


async def _logged_out(door: Door, everywhere: bool) -> bool:
    """Whether the credential was one that can log out."""
    try:
        await door.call("Logout", auth_pb2.LogoutRequest(all=everywhere))
    except Refused as refused:
        if refused.status not in _NOTHING_TO_END:
            raise
        return False
    return True


@router.rpc(
    "POST",
    "/password-reset-email",
    "RequestPasswordReset",
    status=204,
    body_limit=_credentials,
    openapi_extra=_takes("email"),
)
async def request_password_reset(door: Door) -> Response:
    """Mails a link to set a new password, and does not reveal whether the user exists."""
    email = _text(decode_object(await door.body()), "email")
    if not email:
        raise Refused(422, "Email required")
    await door.call("RequestPasswordReset", auth_pb2.RequestPasswordResetRequest(email=email))
    return Response(status_code=204)


@router.rpc(
    "POST",
    "/password-reset",
    "ResetPassword",
    status=204,
    body_limit=_credentials,
    openapi_extra=_takes("token", "password"),
)
async def reset_password(door: Door) -> Response:
    """Sets a new password with a mailed token."""
    body = decode_object(await door.body())
    token, password = _text(body, "token"), _text(body, "password")
    if not token:
        raise Refused(401, "Invalid token")
    if not password:
        raise Refused(422, "Password required")
    await door.call("ResetPassword", auth_pb2.ResetPasswordRequest(token=token, password=password))
    return Response(status_code=204)


def _text(body: dict[str, Any], field: str) -> str:
    """A field of a body, empty if it is missing or not a string."""
    value = body.get(field)
    return value if isinstance(value, str) else ""


@without_auth.post("/{path:path}", include_in_schema=False)
async def refuse_without_auth(path: str) -> Response:
    """There are no sessions while authentication is off: Phoenix returns 405."""
    raise Refused(405, "Method Not Allowed", {"allow": ""})
