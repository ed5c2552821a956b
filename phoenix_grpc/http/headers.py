"""Headers of every answer."""

from phoenix_grpc import __version__
from phoenix_grpc.http import PHOENIX_VERSION

DEFAULT_HEADERS = [
    ("x-phoenix-server-version", PHOENIX_VERSION),
    ("x-phoenix-grpc-version", __version__),
    ("x-colab-notebook-cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
]
"""Sent with every answer, also with those the HTTP parser gives by itself."""
