"""Cross-site request forgery: an unsafe call that a browser makes with a cookie must come from a page of ours.

Without authentication every unsafe call must, for then nothing but its origin tells who makes it.
Programs send no Origin, and pass; a page of another site cannot leave it out (Fetch standard, section 3.1).

Nor does the origin tell anything when somebody's name is made to lead here (DNS rebinding): the page and the server it
calls then have one origin. With authentication on, such a page has no cookie of ours; with it off, only names that are
this server's are served. An attack needs a name that the attacker owns, so addresses pass: that of a container, say.
gRPC needs no such check: browsers do not speak it, and gRPC-Web is not served.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from phoenix_grpc.config import Settings
from phoenix_grpc.http.cookies import ACCESS, REFRESH

_SAFE = ("GET", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}

Origin = tuple[str, str, int]

MISDIRECTED = (
    "While authentication is off, this server is reached as localhost, by an IP address, or by the name in PHOENIX_HOST"
    " or PHOENIX_ROOT_URL: set PHOENIX_ROOT_URL to the address that people use, or switch authentication on."
)


def misdirected(request: Request, settings: Settings) -> bool:
    """Whether a request without authentication was sent to a name that is not known to be this server's.

    A request without Host passes: no browser sends one.
    """
    if settings.enable_auth:
        return False
    own = {settings.host.lower(), urlsplit(settings.root_url).hostname}
    hosts = [_hostname(host) for host in request.headers.getlist("host")]
    return not all(host in own or _is_loopback_name(host) or _is_address(host) for host in hosts)


def _hostname(host: str) -> str:
    """The name or the address in a Host field, without port, brackets and the dot of the root."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_loopback_name(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")  # RFC 6761, section 6.3


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def untrusted(request: Request, settings: Settings) -> str | None:
    """Why the origin of a request is not trusted, in Phoenix's words; None if it is trusted, or does not matter."""
    if request.method in _SAFE or (settings.enable_auth and not _carries_cookie(request)):
        return None
    for header in ("origin", "referer"):
        if (given := request.headers.get(header)) is not None:
            return None if _origin(given) in _trusted(request, settings) else f"untrusted {header}"
    return None


def _carries_cookie(request: Request) -> bool:
    """Whether a cookie identifies the caller; logging in counts, since it sets one."""
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
