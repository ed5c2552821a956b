"""The pages for browsers: the console and the API's documentation, with nothing from another host."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_PROTECTED = {"content-security-policy": CONTENT_SECURITY_POLICY}
_CONSOLE = Path(__file__).parents[2] / "console"
_HERE = Path(__file__).parents[1]

router = APIRouter(include_in_schema=False)


class Assets(StaticFiles):
    """Files of a folder; browsers ask each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or 404."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "no-cache"
        response.headers.update(_PROTECTED)
        return response


def assets() -> list[Mount]:
    """The folders of static files."""
    return [
        Mount("/console", Assets(directory=_CONSOLE)),
        Mount("/docs/assets", Assets(directory=str(files("fastapi_offline") / "static"))),
        Mount("/docs/page", Assets(directory=_HERE / "docs")),
    ]


@router.get("/")
@router.get("/login")
async def console() -> Response:
    """The console; its pages are behind the hash of the address."""
    return HTMLResponse((_CONSOLE / "index.html").read_bytes(), headers=_PROTECTED)


@router.get("/logout")
async def logged_out(request: Request) -> Response:
    """The page after logging out, if there is no password login."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/login", 302)


@router.get("/docs")
async def docs() -> Response:
    """The documentation of the API, by Swagger UI."""
    return HTMLResponse((_HERE / "docs" / "index.html").read_bytes(), headers=_PROTECTED)
