"""The admin port: metrics, health and readiness in plain HTTP, for those who operate the server."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.http.connections import Connections
from phoenix_grpc.http.listener import Protocol, Server, guest_config, listen, running

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus's text format."""

_CONNECTIONS = 50
_HEAD_BYTES = 16 << 10
_STALL_SECONDS = 10


@contextlib.asynccontextmanager
async def admin_door(
    host: str, port: int, metrics: Callable[[], bytes], ready: Callable[[], bool]
) -> AsyncIterator[int]:
    """Serves the admin port until the block ends; returns the port.

    Arguments:
        metrics: what Prometheus is told.
        ready: whether the server serves.

    Raises:
        ConfigurationError: when it cannot listen.
    """

    async def show_metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(metrics), media_type=METRICS_TYPE)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("OK")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("OK") if ready() else PlainTextResponse("not serving", 503)

    routes = [Route("/metrics", show_metrics), Route("/healthz", healthz), Route("/readyz", readyz)]
    listener = listen(host, port, "PHOENIX_ADMIN_HOST, PHOENIX_ADMIN_PORT")
    speak = functools.partial(
        Protocol,
        max_head_bytes=_HEAD_BYTES,
        open_connections=Connections(_CONNECTIONS, _CONNECTIONS, TrustedProxies(())),
        stall_seconds=_STALL_SECONDS,
    )
    # By default it would believe what callers on this machine say of their address.
    config = guest_config(Starlette(routes=routes), speak, proxy_headers=False, timeout_graceful_shutdown=1)
    async with running(Server(config), [listener]):
        yield listener.getsockname()[1]
