"""There is one way in: no method of ours is served but through the guard, whichever door a call comes by.

That neither door knows the services, tests/test_imports.py holds.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from phoenix_grpc.contract import METHODS, Method
from phoenix_grpc.errors import NotFound, Reason, Unavailable
from phoenix_grpc.guard.admission import Guard
from phoenix_grpc.guard.call import Call
from phoenix_grpc.rpc.connections import Connections
from phoenix_grpc.rpc.listener import grpc_door
from tests.conftest import ADMIN_SECRET, make_settings
from tests.http.conftest import ADMIN, Web, door_settings, web_of
from tests.http.test_matrix import BODIES, ROUTES, declared, path_of
from tests.test_matrix import DECLARED, call

# What else these routes need, to call the guard at all.
CREDENTIALS = {"email": "nobody@localhost", "password": "a good password", "token": "none"}
COOKIES = {"cookie": "phoenix-refresh-token=none"}


async def admit_all(call: Call) -> Method:
    """The guard's word when it lets everybody do everything."""
    return METHODS[call.path]


async def admit_none(_call: Call) -> Method:
    """The guard's word when it refuses everybody everything."""
    raise Unavailable("the server is stopping", Reason.DRAINING)


@pytest_asyncio.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    """A server whose guard a test changes."""
    async with web_of(door_settings(tmp_path)) as web:
        yield web


def watched(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the methods that are served from here on; each says that there is nothing."""
    served: set[str] = set()

    def behavior(method: Method) -> Any:
        def serve(_request: object) -> Any:
            served.add(method.name)
            raise NotFound("Dataset", "nothing", Reason.DATASET_NOT_FOUND)

        return serve

    assert set(guard._served) == set(METHODS)
    monkeypatch.setattr(guard, "_served", {path: behavior(method) for path, method in METHODS.items()})
    return served


async def request(web: Web, route: str) -> int:
    """Sends what the route's schema accepts; returns the status."""
    verb = route.partition(" ")[0]
    body = CREDENTIALS if "/auth/" in route else BODIES.get(route, {} if verb in ("POST", "PATCH", "PUT") else None)
    return (await web.send(verb, path_of(route), {**ADMIN, **COOKIES}, json=body)).status_code


@pytest.mark.parametrize(("admit", "open"), [(admit_all, True), (admit_none, False)], ids=["open", "closed"])
async def test_grpc_serves_a_method_exactly_when_the_guard_admits_the_call(
    web: Web, monkeypatch: pytest.MonkeyPatch, admit: Any, open: bool
) -> None:
    served = watched(web.api.server.guard, monkeypatch)
    monkeypatch.setattr(web.api.server.guard, "admit", admit)
    for method in DECLARED:
        status, reason = await call(web.api.channel, method, web.api.admin)
        assert (status, reason) == (("NOT_FOUND", "DATASET_NOT_FOUND") if open else ("UNAVAILABLE", "DRAINING"))
    assert served == ({method.name for method in DECLARED} if open else set())


@pytest.mark.parametrize(("admit", "open"), [(admit_all, True), (admit_none, False)], ids=["open", "closed"])
async def test_http_serves_a_method_exactly_when_the_guard_admits_the_call(
    web: Web, monkeypatch: pytest.MonkeyPatch, admit: Any, open: bool
) -> None:
    served = watched(web.api.server.guard, monkeypatch)
    monkeypatch.setattr(web.api.server.guard, "admit", admit)
    methods = declared()
    assert len(methods) == len(ROUTES)
    for route, method in methods.items():
        status = await request(web, route)
        assert bool(served) == (open and method is not None), f"{route}: {status}, {served}"
        if method is not None and not open:
            assert status == 503, route
        served.clear()


async def test_the_grpc_server_itself_has_none_of_our_methods(tmp_path: Path) -> None:
    class Open(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
            return await continuation(handler_call_details)

    async def check() -> None:
        await asyncio.sleep(0)

    passing: Any = Open()
    async with (
        grpc_door(make_settings(tmp_path), passing, Connections(9, bool), check) as door,
        grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel,
    ):
        for path in METHODS:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(path)(b"", metadata=(("authorization", f"Bearer {ADMIN_SECRET}"),))
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        # It does serve: what the libraries have registered.
        await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
