"""The application: the routes, the middleware around them, and the response to each kind of failure."""

import functools
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Match

from phoenix_grpc import __version__
from phoenix_grpc.config import Settings
from phoenix_grpc.errors import Error
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.http import openapi
from phoenix_grpc.http.backend import Backend, door_of
from phoenix_grpc.http.errors import Invalid, Refused, refused
from phoenix_grpc.http.methods import method_of
from phoenix_grpc.http.middleware import Frame
from phoenix_grpc.http.routes import (
    datasets,
    downloads,
    keys,
    labels,
    pages,
    server_info,
    sessions,
    splits,
    uploads,
    users,
)

_EXPOSED = ["x-phoenix-server-version", "x-phoenix-grpc-version", "x-request-id", "retry-after", "content-disposition"]


def create_app(backend: Backend, logins: RateLimit) -> FastAPI:
    """The door as an ASGI application.

    Arguments:
        logins: how often one address may log in, by either door.
    """
    settings = backend.settings
    app = FastAPI(
        title="phoenix-grpc",
        version=__version__,
        description="Versioned evaluation datasets for LLM teams: the REST API of Phoenix.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=_middleware(backend, logins),
    )
    app.state.backend = backend
    for router in _routers(settings):
        # The routes themselves, not an included router: one flat table, which tests and the Allow header read.
        app.router.routes.extend(router.routes)
    app.router.routes.extend(pages.assets())
    app.openapi = functools.partial(openapi.document, app)  # type: ignore[method-assign]
    app.add_exception_handler(Refused, _answer_refused)
    app.add_exception_handler(Error, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_unexpected)
    return app


def _routers(settings: Settings) -> list[APIRouter]:
    # The order counts where paths overlap: /v1/users/api_keys before /v1/users/{id}, /v1/datasets/upload before {id}.
    resources = [server_info, uploads, downloads, datasets, splits, labels, keys, users, pages]
    login = sessions.router if settings.enable_auth else sessions.without_auth
    return [login, *(resource.router for resource in resources)]


def _middleware(backend: Backend, logins: RateLimit) -> list[Middleware]:
    # At level 1, the 128 KiB that it compresses on the loop take a few ms; the rest goes to a thread.
    found = [
        Middleware(Frame, backend=backend, logins=logins),
        Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1),
    ]
    if backend.settings.allowed_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=backend.settings.allowed_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            allow_credentials=True,
            expose_headers=_EXPOSED,
        )
        found.insert(0, cors)
    return found


async def _answer_refused(request: Request, error: Any) -> Response:
    if isinstance(error, Invalid) and (refusal := await _access_refusal(request)):
        return refusal
    answer: Response = error.response()
    return answer


async def _answer_error(_request: Request, error: Any) -> Response:
    """An error of a part of the server that the door uses itself, such as a spent budget."""
    return refused(error).response()


async def _answer_invalid(request: Request, error: Any) -> Response:
    """FastAPI's response to a request that does not fit, without the input: it may contain a password."""
    if refusal := await _access_refusal(request):
        return refusal
    problems = [{key: value for key, value in problem.items() if key != "input"} for problem in error.errors()]
    return JSONResponse({"detail": jsonable_encoder(problems)}, 422)


async def _access_refusal(request: Request) -> Response | None:
    """Asks the guard about the caller and the route's method first, so that strangers learn no schema."""
    method = method_of(request.scope.get("route"))
    if method is None:
        return None
    try:
        await door_of(request).check_access(method)
    except Refused as refused:
        return refused.response()
    return None


async def _answer_http_error(request: Request, error: Any) -> Response:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if error.status_code == 405:
        headers["allow"] = ", ".join(sorted(_allowed_methods(request)))
    return PlainTextResponse(error.detail, error.status_code, headers)


def _allowed_methods(request: Request) -> set[str]:
    """The methods of all routes with the request's path."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in routes for method in getattr(route, "methods", None) or ()}


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    """The response for a client that went away before the end of its body: this is not a failure of ours."""
    return PlainTextResponse("The body did not arrive.", 400)


async def _answer_unexpected(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("Internal Server Error", 500)
