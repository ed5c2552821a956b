"""What the gRPC library refuses by itself: a fitting status, and never its own words."""

import grpc
import pytest

from phoenix_grpc.http.errors import from_grpc


@pytest.mark.parametrize(
    ("code", "said", "status", "text"),
    [
        ("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (5 vs. 4)", 413, "Request Entity Too Large"),
        ("RESOURCE_EXHAUSTED", "SERVER: Received message larger than max (5 vs. 4)", 413, "Request Entity Too Large"),
        ("RESOURCE_EXHAUSTED", "Stream removed", 503, "Service Unavailable"),
        ("RESOURCE_EXHAUSTED", "received metadata size exceeds hard limit", 503, "Service Unavailable"),
        ("UNAVAILABLE", "Socket closed", 503, "Service Unavailable"),
        ("INTERNAL", "Internal error from Core", 500, "Internal Server Error"),
        ("UNKNOWN", "Stream removed", 500, "Internal Server Error"),
    ],
)
def test_what_the_library_refuses(code: str, said: str, status: int, text: str) -> None:
    nothing = grpc.aio.Metadata()
    refused = from_grpc(grpc.aio.AioRpcError(grpc.StatusCode[code], nothing, nothing, said), "ListDatasets")
    assert (refused.status, refused.text) == (status, text)
