"""When load is shed: by measurements, on a loop that is really late, and what callers of both doors are told."""

import asyncio
import time
from pathlib import Path

import grpc
import httpx
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from phoenix_grpc.beside import beside
from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.overload import Watchdog
from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_SECRET, api_of, bearer, details, make_settings, reason_of, trailer

WHO_AM_I = auth_pb2.WhoAmIRequest()


@pytest.mark.parametrize(
    ("lags", "sheds", "lines"),
    [
        ([], False, 0),
        ([9], False, 0),  # one slow step
        ([2, 2], False, 0),
        ([2, 2, 0, 2, 2], False, 0),
        ([1, 1, 1, 1], False, 0),  # just within
        ([2, 2, 2], True, 1),
        ([2, 2, 2, 2, 2, 2], True, 1),
        ([2, 2, 2, 0.9], True, 1),  # it has not caught up
        ([2, 2, 2, 0.5], False, 2),
        ([2, 2, 2, 0.1, 2, 2], False, 2),
    ],
)
def test_only_a_loop_that_is_late_again_and_again_sheds_load(lags: list[float], sheds: bool, lines: int) -> None:
    watchdog = Watchdog(1)
    with structlog.testing.capture_logs() as logged:
        for moment, lag in enumerate(lags, 1):
            watchdog.measured(lag, moment)
    assert (watchdog.sheds, len(logged)) == (sheds, lines)
    if sheds:
        with pytest.raises(LimitExceeded) as caught:
            watchdog.require()
        assert caught.value.retry_after == 1
    else:
        watchdog.require()


def test_without_a_limit_nothing_is_shed() -> None:
    watchdog = Watchdog(0)
    for moment in range(1, 10):
        watchdog.measured(99, moment)
    assert not watchdog.sheds


async def test_it_measures_the_loop() -> None:
    watchdog = Watchdog(0.05)
    async with beside(watchdog.watch()):
        busy = asyncio.create_task(compute_again_and_again())
        await asyncio.sleep(1)
        assert watchdog.sheds
        assert watchdog.lag > 0.05
        busy.cancel()
        await asyncio.sleep(0.5)
        assert not watchdog.sheds


async def test_callers_of_both_doors_are_told_when_to_come_again(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, max_loop_lag_seconds=0.05)) as api, httpx.AsyncClient(timeout=30) as web:
        busy = asyncio.create_task(compute_again_and_again())
        await asyncio.sleep(1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)
        headers = {"authorization": f"Bearer {ADMIN_SECRET}"}
        response = await web.get(f"{api.server.http_address}/v1/datasets", headers=headers)
        health = health_pb2_grpc.HealthStub(api.channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        assert (await web.get(f"{api.server.http_address}/healthz")).status_code == 200
        busy.cancel()
        error = caught.value
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
        assert details(error)["RetryInfo"].retry_delay.ToMilliseconds() == 1000
        assert trailer(error, "grpc-retry-pushback-ms") == "1000"
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        await asyncio.sleep(0.5)
        await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)


async def compute_again_and_again() -> None:
    """Keeps the loop late."""
    while True:
        await asyncio.sleep(0.01)
        time.sleep(0.15)  # noqa: ASYNC251 - a step that computes


async def test_a_caller_who_calls_too_often_is_told_by_both_doors_and_others_are_served(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, max_calls_per_second_per_caller=0.5, call_burst_seconds=10)
    async with api_of(settings) as api, httpx.AsyncClient() as web:
        for _ in range(5):
            await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)
        error = caught.value
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "PHOENIX_MAX_CALLS_PER_SECOND_PER_CALLER" in (error.details() or "")
        milliseconds = details(error)["RetryInfo"].retry_delay.ToMilliseconds()
        assert 1000 < milliseconds <= 2000
        assert trailer(error, "grpc-retry-pushback-ms") == str(milliseconds)
        headers = {"authorization": f"Bearer {ADMIN_SECRET}"}
        response = await web.get(f"{api.server.http_address}/v1/datasets", headers=headers)
        assert (response.status_code, response.headers["retry-after"]) == (429, "2")
        await api.auth.WhoAmI(WHO_AM_I, metadata=bearer((await api.login()).access_token))
        health = health_pb2_grpc.HealthStub(api.channel)
        for _ in range(20):
            await health.Check(health_pb2.HealthCheckRequest())


async def test_all_callers_of_an_address_share_its_rate(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, max_calls_per_second_per_address=0.2, call_burst_seconds=10)
    async with api_of(settings) as api:
        session = bearer((await api.login()).access_token)
        for caller in (api.admin, session):
            await api.auth.WhoAmI(WHO_AM_I, metadata=caller)
        with pytest.raises(grpc.aio.AioRpcError, match="PHOENIX_MAX_CALLS_PER_SECOND_PER_ADDRESS"):
            await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)
