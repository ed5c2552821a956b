"""Cross-site request forgery: an unsafe call that a browser makes with a cookie must come from a page of ours.

Without authentication every unsafe call must, for then nothing but its origin tells who makes it.
Programs send no Origin, and pass; a page of another site cannot leave it out (Fetch standard, section 3.1).
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from phoenix_grpc.config import Settings
from phoenix_grpc.http.cookies import ACCESS, REFRESH

_SAFE = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]


def untrusted(request: Request, settings: Settings) -> str | None:
    """Why the origin of a request is not trusted, in Phoenix's words; None when it is, or when it does not matter."""
    if request.method in _SAFE or (settings.enable_auth and not _carries_cookie(request)):
        return None
    for header in ("origin", "referer"):
        if (given := request.headers.get(header)) is not None:
            return None if _origin(given) in _trusted(request, settings) else f"untrusted {header}"
    return None


def _carries_cookie(request: Request) -> bool:
    """Whether a cookie speaks for the caller; logging in counts, for it plants one."""
    if request.url.path.endswith("/auth/login"):
        return True
    return "authorization" not in request.headers and (ACCESS in request.cookies or REFRESH in request.cookies)


def _trusted(request: Request, settings: Settings) -> set[Origin | None]:
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    configured = (settings.root_url, *settings.allowed_origins, *settings.csrf_trusted_origins)
    return {_origin(own), *(_origin(url) for url in configured)} - {None}


def _origin(url: str) -> Origin | None:
    """Scheme, host and port of a URL, or None when it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None
