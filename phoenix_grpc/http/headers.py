"""Headers of every response."""

from phoenix_grpc import __version__
from phoenix_grpc.http import PHOENIX_VERSION

_HEADERS = [
    ("x-phoenix-server-version", PHOENIX_VERSION),
    ("x-phoenix-grpc-version", __version__),
    ("x-colab-notebook-cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
]
_YEAR = 365 * 86_400


def default_headers(secure: bool) -> list[tuple[str, str]]:
    """The headers that are sent with every response, including those of the HTTP parser.

    Arguments:
        secure: whether the door itself speaks TLS, which browsers are then to insist on (RFC 6797).
    """
    return [*_HEADERS, ("strict-transport-security", f"max-age={_YEAR}")] if secure else _HEADERS
