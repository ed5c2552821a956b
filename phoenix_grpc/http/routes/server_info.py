"""Open to everyone: whether the server lives, its versions, the ways to log in."""

import hashlib

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from phoenix_grpc.http import PHOENIX_VERSION
from phoenix_grpc.http.backend import Backend, Door
from phoenix_grpc.http.errors import Refused
from phoenix_grpc.http.responses import json_answer
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import sessions
from phoenix_grpc.v1 import auth_pb2

_KEYS_SECONDS = 300
"""How long the public keys may be cached: far shorter than a new one is published before it is used."""

router = Resource("server", "")


@router.get("/healthz", operation_id="healthz", response_class=PlainTextResponse)
async def healthz() -> str:
    """Returns OK while the process lives."""
    return "OK"


@router.get(
    "/readyz",
    operation_id="readyz",
    response_class=PlainTextResponse,
    responses={503: {"description": "The store is away, or the server stops."}},
)
async def readyz(request: Request) -> str:
    """Returns OK while the server serves."""
    backend: Backend = request.app.state.backend
    if not backend.serving():
        raise Refused(503, "the server is not serving")
    return "OK"


@router.get("/.well-known/jwks.json", operation_id="jsonWebKeySet")
async def jwks(request: Request) -> Response:
    """Returns the public keys that verify access tokens (RFC 7517); none unless PHOENIX_SIGNING_KEYS_DIR is set."""
    backend: Backend = request.app.state.backend
    keys = backend.published()
    tag = f'"{hashlib.sha256(keys).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": f"public, max-age={_KEYS_SECONDS}"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(keys, media_type="application/json", headers=headers)


@router.get("/arize_phoenix_version", operation_id="phoenixVersion", response_class=PlainTextResponse)
async def phoenix_version() -> str:
    """The version of Phoenix whose clients work with this server."""
    return PHOENIX_VERSION


@router.rpc("GET", "/v1/config", "GetServerConfig", sessions.Config)
async def get_config(door: Door) -> Response:
    """Returns what a client must know before it logs in."""
    config = await door.call("GetServerConfig", auth_pb2.GetServerConfigRequest())
    return json_answer(
        {
            "authentication_enabled": config.authentication_enabled,
            "version": config.version,
            "phoenix_version": PHOENIX_VERSION,
            "login_methods": list(config.login_methods),
            "password_reset_enabled": config.password_reset_enabled,
            "api_key_max_days": config.api_key_max_lifetime.ToMilliseconds() / 86_400_000 or None,
        }
    )
