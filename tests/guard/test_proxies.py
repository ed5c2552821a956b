"""Whose word counts on where a call came from: the same at both doors."""

import secrets
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from phoenix_grpc.config import load_settings
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc
from tests.conftest import ADMIN_PASSWORD, Api, api_of, bearer, details, make_settings, reason_of, refused

CASES = [
    ("", "10.0.0.1", ["203.0.113.7"], "10.0.0.1"),
    ("10.0.0.1", "10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", "10.0.0.1", [""], "10.0.0.1"),
    ("10.0.0.1", "10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
    ("10.0.0.1", "10.0.0.2", ["203.0.113.7"], "10.0.0.2"),
    ("10.0.0.1", "10.0.0.1", ["198.51.100.9, 203.0.113.7"], "203.0.113.7"),
    ("10.0.0.1", "10.0.0.1", ["198.51.100.9", "203.0.113.7"], "203.0.113.7"),
    ("10.0.0.0/8", "10.1.2.3", ["198.51.100.9, 203.0.113.7, 10.9.9.9"], "203.0.113.7"),
    ("10.0.0.0/8", "10.1.2.3", ["10.0.0.5, 10.0.0.6"], "10.0.0.5"),
    ("10.0.0.1", "10.0.0.1", ["203.0.113.7:5000"], "203.0.113.7"),
    ("2001:db8::/32", "2001:db8::1", ["[2001:4860::1]:443"], "2001:4860::1"),
    ("unix", "unix", ["203.0.113.7"], "203.0.113.7"),
    ("10.0.0.1", "unix", ["203.0.113.7"], "unix"),
    ("unix", "10.0.0.1", ["203.0.113.7"], "10.0.0.1"),
    ("unix", "unix", ["203.0.113.7, unix"], "203.0.113.7"),
    ("10.0.0.1", "10.0.0.1", ["x" * 1000], "x" * 100),
]


@pytest.mark.parametrize(("trusted", "peer", "forwarded", "address"), CASES)
def test_who_is_believed(trusted: str, peer: str, forwarded: list[str], address: str) -> None:
    proxies = TrustedProxies(load_settings(trusted_proxies=trusted).trusted_proxies)
    assert proxies.caller(peer, forwarded) == address


@pytest.mark.parametrize(
    ("address", "many"), [("unix", True), ("10.1.2.3", True), ("11.1.2.3", False), ("", False), ("nonsense", False)]
)
def test_proxies_and_unix_sockets_speak_for_many(address: str, many: bool) -> None:
    assert TrustedProxies(["10.0.0.0/8"]).speak_for_many(address) is many


@pytest.mark.parametrize("entries", ["*", "example.com", "10.0.0.1/33", "unix:/a"])
def test_nobody_is_trusted_by_a_pattern_or_a_name(entries: str) -> None:
    with pytest.raises(ConfigurationError, match=r"PHOENIX_TRUSTED_PROXIES: .*must be addresses"):
        load_settings(trusted_proxies=entries)


REFRESH = auth_pb2.RefreshTokenRequest(refresh_token="x")


async def attempts(api: Api, count: int, *forwarded: str) -> list[str]:
    """The reasons of so many attempts in a row."""
    metadata = tuple(("x-forwarded-for", value) for value in forwarded)
    return [reason_of(await refused(api.auth.RefreshToken(REFRESH, metadata=metadata))) for _ in range(count)]


async def test_attempts_of_one_address_are_limited_by_both_doors_together(tmp_path: Path) -> None:
    async with (
        api_of(make_settings(tmp_path, disable_rate_limit=False)) as api,
        httpx.AsyncClient(base_url=api.server.http_address) as client,
    ):
        assert await attempts(api, 15) == ["REFRESH_TOKEN_INVALID"] * 15
        for _ in range(15):
            assert (await client.post("/auth/refresh")).status_code == 401
        calls: list[Any] = [
            api.auth.Login(auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)),
            api.auth.RefreshToken(REFRESH),
            api.auth.RequestPasswordReset(auth_pb2.RequestPasswordResetRequest(email="a@example.com")),
            api.auth.ResetPassword(auth_pb2.ResetPasswordRequest(token="x", password="a good password")),
        ]
        for call in calls:
            error = await refused(call)
            assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
            assert "RetryInfo" in details(error)
        answer = await client.post("/auth/login", json={"email": "admin@localhost", "password": ADMIN_PASSWORD})
        assert (answer.status_code, answer.text) == (429, "Too Many Requests")
        assert int(answer.headers["retry-after"]) >= 1
        # Who has a session goes on.
        assert await api.auth.GetServerConfig(auth_pb2.GetServerConfigRequest())
        assert await api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=api.admin)


@pytest.mark.parametrize(("trusted", "other"), [("127.0.0.1", "REFRESH_TOKEN_INVALID"), ("10.0.0.1", "LIMIT_EXCEEDED")])
async def test_only_behind_a_trusted_proxy_each_caller_has_attempts_of_its_own(
    tmp_path: Path, trusted: str, other: str
) -> None:
    async with api_of(make_settings(tmp_path, disable_rate_limit=False, trusted_proxies=trusted)) as api:
        assert (await attempts(api, 40, "203.0.113.7"))[-1] == "LIMIT_EXCEEDED"
        assert await attempts(api, 1, "203.0.113.8") == [other]
        # What a caller says of itself stands before what the proxy has seen.
        assert await attempts(api, 1, f"{secrets.token_hex(4)}, 203.0.113.7") == ["LIMIT_EXCEEDED"]


@pytest.mark.parametrize(("trusted", "address"), [("unix", "203.0.113.7"), ("127.0.0.1", "unix"), ("", "unix")])
async def test_a_session_keeps_the_forwarded_address(tmp_path: Path, trusted: str, address: str) -> None:
    path = tmp_path / "grpc.sock"
    async with (
        api_of(make_settings(tmp_path, grpc_unix_socket=path, trusted_proxies=trusted)) as api,
        grpc.aio.insecure_channel(f"unix:{path}") as channel,
    ):
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        pair = await stub.Login(login, metadata=(("x-forwarded-for", "203.0.113.7"),))
        request = auth_pb2.ListSessionsRequest()
        listed = await api.auth.ListSessions(request, metadata=bearer(pair.access_token))
        assert [session.address for session in listed.sessions] == [address]
