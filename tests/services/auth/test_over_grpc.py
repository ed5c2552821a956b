"""AuthService through a real channel: what its clients see."""

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.conftest import Api, bearer, details, reason_of, refused, trailer


async def test_from_login_to_a_revoked_key(api: Api) -> None:
    pair = await api.login()
    session = bearer(pair.access_token)
    made = await api.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="ci"), metadata=session)
    key = bearer(made.key)
    me = await api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=key)
    assert me.credential_id == made.api_key.api_key_id
    await api.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=me.credential_id), metadata=key)
    error = await refused(api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=key))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(error) == "API_KEY_REVOKED"
    assert "Bearer" in (trailer(error, "www-authenticate") or "")


async def test_a_refresh_ends_the_token_before(api: Api) -> None:
    old = await api.login()
    new = await api.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=old.refresh_token))
    error = await refused(api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(old.access_token)))
    assert reason_of(error) == "SESSION_REVOKED"
    await api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(new.access_token))


async def test_a_throttled_login_says_when_to_try_again(api: Api) -> None:
    for _ in range(5):
        assert reason_of(await refused(api.login("nobody@example.com", "wrong"))) == "LOGIN_FAILED"
    error = await refused(api.login("nobody@example.com", "wrong"))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert reason_of(error) == "LOGIN_THROTTLED"
    assert 290 < details(error)["RetryInfo"].retry_delay.seconds <= 300
    assert int(trailer(error, "grpc-retry-pushback-ms") or 0) > 290_000


async def test_public_methods_do_not_read_credentials(api: Api) -> None:
    config = await api.auth.GetServerConfig(auth_pb2.GetServerConfigRequest(), metadata=bearer("garbage"))
    assert config.authentication_enabled


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (auth_pb2.LoginRequest(password="x"), "email"),
        (auth_pb2.LoginRequest(email="a@b.c"), "password"),
    ],
)
async def test_a_bad_field_is_a_violation_of_the_request(api: Api, request_: auth_pb2.LoginRequest, field: str) -> None:
    error = await refused(api.auth.Login(request_))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in details(error)["BadRequest"].field_violations] == [field]
