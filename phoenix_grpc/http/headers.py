"""Headers of every response."""

from phoenix_grpc import __version__
from phoenix_grpc.http import PHOENIX_VERSION

DEFAULT_HEADERS = [
    ("x-phoenix-server-version", PHOENIX_VERSION),
    ("x-phoenix-grpc-version", __version__),
    ("x-colab-notebook-cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
]
"""Sent with every response, including those of the HTTP parser."""
