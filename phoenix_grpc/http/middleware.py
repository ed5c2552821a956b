"""The middleware of every request: its id, the origin check, the headers of its response."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.http.backend import Backend, trace_context
from phoenix_grpc.http.errors import Refused, refused
from phoenix_grpc.http.origins import MISDIRECTED, misdirected, untrusted
from phoenix_grpc.tracing import Span, spanning


class Frame:
    """The outermost middleware of the door.

    Arguments:
        logins: how often one address may call /auth/*, and log in at the gRPC door.
    """

    def __init__(self, app: ASGIApp, backend: Backend, logins: RateLimit) -> None:
        self._app = app
        self._settings = backend.settings
        self._request_id = backend.guard.request_id
        self._trace = backend.trace
        self._logins = logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # FastAPI's own parameter is deprecated, and uvicorn's takes for granted that a proxy cuts the prefix off.
        scope["root_path"] = self._settings.host_root_path
        self._add_root_path(scope)
        headers = Headers(scope=scope)
        identifier = self._request_id(headers.get("x-request-id", ""))
        span = self._trace(scope["method"], trace_context(headers)) if self._trace is not None else None
        scope.setdefault("state", {}).update(request_id=identifier, span=span)

        async def send_framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("cache-control", "no-store")
                headers["x-request-id"] = identifier
                if span is not None:
                    _describe(span, scope, message["status"])
            await send(message)

        app = self._refusal(Request(scope)) or self._app
        with spanning(span):
            await app(scope, receive, send_framed)

    def _add_root_path(self, scope: Scope) -> None:
        """Restores the path if the proxy has removed its prefix: mounted folders require it."""
        root = self._settings.host_root_path
        if root and not f"{scope['path']}/".startswith(f"{root}/"):
            scope["path"] = root + scope["path"]

    def _refusal(self, request: Request) -> ASGIApp | None:
        """The response to a request that goes no further."""
        if misdirected(request, self._settings):
            # RFC 9110, section 15.5.20: the target is none that this server is configured for.
            return Refused(421, MISDIRECTED).response()
        if text := untrusted(request, self._settings):
            return Refused(401, text).response()
        if self._is_auth(request.scope):
            try:
                self._logins.require(request.client.host if request.client else "")
            except LimitExceeded as error:
                return Refused(429, "Too Many Requests", refused(error).headers).response()
        return None

    def _is_auth(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.removeprefix(self._settings.host_root_path).startswith("/auth/")


def _describe(span: Span, scope: Scope, status: int) -> None:
    """Notes what a request was and how it ended, by the names of OpenTelemetry's conventions for HTTP."""
    method: str = scope["method"]
    # The path itself would be a name of its own for each dataset.
    if route := getattr(scope.get("route"), "path", ""):
        span.rename(f"{method} {route}")
        span.note("http.route", route)
    span.note("http.request.method", method)
    span.note("http.response.status_code", status)
