"""The OpenAPI document: what FastAPI finds in the routes, and how callers identify themselves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from phoenix_grpc.contract import BY_NAME
from phoenix_grpc.http.cookies import ACCESS
from phoenix_grpc.http.methods import method_in

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or an access token."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": ACCESS, "description": "What logging in sets."},
}
_SECURED: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]


def document(app: FastAPI) -> dict[str, Any]:
    """The document of the application; made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, servers=_servers(app)
        )
        made["components"]["securitySchemes"] = _SCHEMES
        for operation in (operation for path in made["paths"].values() for operation in path.values()):
            method = method_in(operation)
            if method is not None and not BY_NAME[method].rule.public:
                operation["security"] = _SECURED
        app.openapi_schema = made
    return app.openapi_schema


def _servers(app: FastAPI) -> list[dict[str, str]]:
    return [{"url": app.root_path or "/"}]
