"""The guard through real channels: credentials, refusals for all kinds of RPC, errors and what they carry."""

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import (
    ADMIN_PASSWORD,
    ADMIN_SECRET,
    SECRET,
    Api,
    Metadata,
    api_of,
    bearer,
    details,
    eventually,
    make_settings,
    reason_of,
    refused,
    trailer,
)
from tests.http2 import connected

WHO_AM_I = auth_pb2.WhoAmIRequest()
LOGIN = "/phoenix_grpc.v1.AuthService/Login"


def tampered(token: str) -> str:
    """The same token with another subject and the old signature."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["role"] = "ADMIN"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{changed}.{signature}"


def resigned(token: str, algorithm: str, key: str | None, **changes: object) -> str:
    """The claims of a token, changed, signed in another way."""
    claims = jwt.decode(token, options={"verify_signature": False})
    header = jwt.get_unverified_header(token)
    return jwt.encode({**claims, **changes}, key, algorithm, headers={"kid": header["kid"], "typ": header["typ"]})


BAD_ENTRIES = [
    ((), "CREDENTIALS_MISSING"),
    ((("authorization", ""),), "CREDENTIALS_MALFORMED"),
    ((("authorization", "Bearer"),), "CREDENTIALS_MALFORMED"),
    ((("authorization", "Bearer "),), "CREDENTIALS_MALFORMED"),
    ((("authorization", "Bearer  two-spaces"),), "CREDENTIALS_MALFORMED"),
    ((("authorization", "Basic dXNlcjpwYXNz"),), "CREDENTIALS_MALFORMED"),
    ((("authorization", ADMIN_SECRET),), "CREDENTIALS_MALFORMED"),
    ((("authorization", "Bearer one two"),), "CREDENTIALS_MALFORMED"),
    ((("authorization", "Bearer " + "a" * 9000),), "CREDENTIALS_MALFORMED"),
    ((("api_key", "phgrpc_something"),), "CREDENTIALS_MALFORMED"),
    ((("x-api-key", "phgrpc_something"),), "CREDENTIALS_MALFORMED"),
    ((*bearer(ADMIN_SECRET), *bearer(ADMIN_SECRET)), "CREDENTIALS_CONFLICTING"),
    ((*bearer(ADMIN_SECRET), ("x-api-key", "phgrpc_something")), "CREDENTIALS_CONFLICTING"),
    (bearer("garbage"), "ACCESS_TOKEN_INVALID"),
    (bearer("a.b.c"), "ACCESS_TOKEN_INVALID"),
    (bearer(ADMIN_SECRET + "x"), "ACCESS_TOKEN_INVALID"),
    (bearer("phgrpc_" + "A" * 49), "API_KEY_INVALID"),
    (bearer("phgrpc_"), "API_KEY_INVALID"),
]


async def test_bad_credentials_are_refused_with_their_reason(api: Api) -> None:
    for metadata, reason in BAD_ENTRIES:
        error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=metadata))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAUTHENTICATED, reason), metadata


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_bad_tokens_are_refused_with_their_reason(api: Api) -> None:
    pair = await api.login()
    good, past = pair.access_token, int(time.time()) - 60
    cases = [
        (tampered(good), "ACCESS_TOKEN_INVALID"),
        (good[:-2], "ACCESS_TOKEN_INVALID"),
        (resigned(good, "none", None), "ACCESS_TOKEN_INVALID"),
        (resigned(good, "HS512", SECRET), "ACCESS_TOKEN_INVALID"),
        (resigned(good, "HS256", "another-secret-of-32-characters-1"), "ACCESS_TOKEN_INVALID"),
        (resigned(good, "HS256", SECRET, aud="somebody else"), "ACCESS_TOKEN_INVALID"),
        (resigned(good, "HS256", SECRET, iss="somebody else"), "ACCESS_TOKEN_INVALID"),
        (resigned(good, "HS256", SECRET, exp=past), "ACCESS_TOKEN_EXPIRED"),
        (resigned(good, "HS256", SECRET, sid="no-such-session"), "SESSION_REVOKED"),
        (pair.refresh_token, "TOKEN_TYPE_UNSUPPORTED"),
    ]
    for token, reason in cases:
        error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=bearer(token)))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAUTHENTICATED, reason)
    assert (await api.auth.WhoAmI(WHO_AM_I, metadata=bearer(good))).user.email == "admin@localhost"


async def test_a_credential_of_100_kb_is_refused_and_the_next_call_served(api: Api) -> None:
    error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=bearer("a" * 100_000)))
    # Beyond 64 KiB C-core refuses by itself, before the guard can say why.
    assert error.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAUTHENTICATED)
    assert (await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)).role == auth_pb2.ROLE_ADMIN


async def test_the_scheme_is_read_in_any_case(api: Api) -> None:
    for scheme in ("bearer", "BEARER", "Bearer"):
        metadata = (("authorization", f"{scheme} {ADMIN_SECRET}"),)
        assert (await api.auth.WhoAmI(WHO_AM_I, metadata=metadata)).kind == auth_pb2.PRINCIPAL_KIND_ADMIN_SECRET


async def test_no_error_repeats_the_credential(api: Api) -> None:
    for token in ("phgrpc_" + "B" * 49, "secret.looking.token"):
        error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=bearer(token)))
        assert token not in f"{error.details()}{error.trailing_metadata()}"


async def test_unauthenticated_carries_the_challenge_and_the_request_id(api: Api) -> None:
    error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=(("x-request-id", "mine-1"),)))
    assert trailer(error, "www-authenticate") == 'Bearer realm="phoenix_grpc"'
    assert trailer(error, "x-request-id") == "mine-1"
    error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=bearer("garbage")))
    assert 'error="invalid_token"' in (trailer(error, "www-authenticate") or "")
    assert re.fullmatch("[0-9a-f]{32}", trailer(error, "x-request-id") or "")


async def test_a_success_carries_the_request_id_too(api: Api) -> None:
    call = api.auth.WhoAmI(WHO_AM_I, metadata=(*api.admin, ("x-request-id", "mine-2")))
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == "mine-2"


async def test_an_unknown_method_tells_only_known_callers_that_it_is_unknown(api: Api) -> None:
    for path in ("/phoenix_grpc.v1.AuthService/Nothing", "/nobody.Service/Method"):
        call = api.channel.unary_unary(path)
        error = await refused(call(b""))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
        error = await refused(call(b"", metadata=api.admin))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNIMPLEMENTED, "METHOD_UNIMPLEMENTED")


async def _silence() -> AsyncIterator[bytes]:
    await asyncio.sleep(60)
    yield b""


async def test_all_four_kinds_refuse_at_once_without_reading(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, grpc_reflection=False)) as api:
        calls = {
            "unary_unary": ("/phoenix_grpc.v1.AuthService/WhoAmI", b""),
            "unary_stream": ("/phoenix_grpc.v1.DatasetsService/DownloadDataset", b""),
            "stream_unary": ("/phoenix_grpc.v1.DatasetsService/UploadDataset", _silence()),
            "stream_stream": ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", _silence()),
        }
        for kind, (path, request) in calls.items():
            rpc = getattr(api.channel, kind)(path)(request, timeout=5)
            error = await refused(rpc.read() if kind.endswith("stream") else rpc)
            assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING"), kind


async def test_where_a_stranger_calls_from_counts_before_anything_is_sent(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, trusted_proxies="127.0.0.1", disable_rate_limit=False)
    login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD).SerializeToString()

    def calling(address: str) -> Metadata:
        return (("x-forwarded-for", address),)

    async with api_of(settings) as api, connected(api.server.address) as connection:
        # Only headers: all that the guard can know of these calls is whom they come from.
        streams = [connection.begin(LOGIN, calling("192.0.2.1")) for _ in range(31)]
        other = connection.begin(LOGIN, calling("192.0.2.2"))
        await eventually(lambda: streams[30] in connection.statuses)
        assert connection.statuses[streams[30]] == str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
        assert not {streams[29], other} & connection.statuses.keys()
        await connection.send(other, b"\0" + len(login).to_bytes(4, "big") + login)
        await eventually(lambda: other in connection.statuses)
        assert connection.statuses[other] == str(grpc.StatusCode.OK.value[0])


async def test_all_four_kinds_serve(api: Api) -> None:
    assert (await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)).role == auth_pb2.ROLE_ADMIN
    header = datasets_pb2.UploadDatasetHeader(name="kinds", action="UPLOAD_ACTION_CREATE")
    assert (await api.upload(header, b'{"input": {"a": 1}}\n')).created_count == 1
    request = datasets_pb2.DownloadDatasetRequest(name="kinds")
    parts = [message async for message in api.datasets.DownloadDataset(request, metadata=api.admin)]
    assert parts[0].header.dataset.name == "kinds"
    path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    ask = reflection_pb2.ServerReflectionRequest(list_services="")
    rpc = api.channel.stream_stream(path, ask.SerializeToString, reflection_pb2.ServerReflectionResponse.FromString)
    call = rpc(iter([ask]))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert "phoenix_grpc.v1.DatasetsService" in names
    assert "grpc.reflection.v1.ServerReflection" in names


async def test_garbage_is_parsed_only_for_those_who_may_call(api: Api) -> None:
    call = api.channel.unary_unary("/phoenix_grpc.v1.AuthService/CreateUser")
    error = await refused(call(b"\xff\xff\xff"))
    assert reason_of(error) == "CREDENTIALS_MISSING"
    error = await refused(call(b"\xff\xff\xff", metadata=await api.session("VIEWER")))
    assert reason_of(error) == "ROLE_INSUFFICIENT"
    error = await refused(call(b"\xff\xff\xff", metadata=api.admin))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_MESSAGE")


async def test_without_permission_nothing_is_said_of_what_exists(api: Api) -> None:
    await api.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="there"), metadata=api.admin)
    viewer = await api.session("VIEWER")
    for name in ("there", "not there"):
        error = await refused(api.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name=name), metadata=viewer))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_INSUFFICIENT")


async def test_a_limited_key_reaches_its_datasets_and_no_other(api: Api) -> None:
    made = [
        await api.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=api.admin)
        for name in ("ours", "theirs")
    ]
    key = await api.key("MEMBER", dataset_ids=[made[0].dataset_id])
    get = api.datasets.GetDataset
    ours = [{"name": "ours"}, {"dataset_id": made[0].dataset_id}]
    others = [
        {"name": "theirs"},
        {"name": "nobody's"},
        {"dataset_id": made[1].dataset_id},
        {"dataset_id": "garbage"},
        {"dataset_id": "RGF0YXNldDo5OTk="},
    ]
    for names in ours:
        assert (await get(datasets_pb2.GetDatasetRequest(**names), metadata=key)).name == "ours"
    for names in others:
        error = await refused(get(datasets_pb2.GetDatasetRequest(**names), metadata=key))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.PERMISSION_DENIED, "KEY_NOT_FOR_DATASET")
    listed = await api.datasets.ListDatasets(datasets_pb2.ListDatasetsRequest(), metadata=key)
    assert [dataset.name for dataset in listed.datasets] == ["ours"]


async def test_a_limited_key_uploads_to_its_datasets_and_no_other(api: Api) -> None:
    request = datasets_pb2.CreateDatasetRequest(name="ours")
    ours = (await api.datasets.CreateDataset(request, metadata=api.admin)).dataset_id
    key = await api.key("MEMBER", dataset_ids=[ours])
    record = b'{"input": {"a": 1}}\n'
    header = datasets_pb2.UploadDatasetHeader(name="ours", action="UPLOAD_ACTION_APPEND")
    assert (await api.upload(header, record, key)).created_count == 1
    for name in ("new", "theirs"):
        header = datasets_pb2.UploadDatasetHeader(name=name, action="UPLOAD_ACTION_APPEND")
        error = await refused(api.upload(header, record, key))
        assert reason_of(error) == "KEY_NOT_FOR_DATASET"


async def test_revocation_holds_for_the_very_next_call(api: Api) -> None:
    session = await api.session()
    for _ in range(5):
        made = await api.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=session)
        key = bearer(made.key)
        await api.auth.WhoAmI(WHO_AM_I, metadata=key)
        revoke = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
        await api.auth.RevokeApiKey(revoke, metadata=session)
        error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=key))
        assert reason_of(error) == "API_KEY_REVOKED"


async def test_public_methods_do_not_read_credentials(api: Api) -> None:
    config = await api.auth.GetServerConfig(auth_pb2.GetServerConfigRequest(), metadata=bearer("garbage"))
    assert config.authentication_enabled


async def test_an_oversized_message_is_resource_exhausted_and_the_next_call_served(api: Api) -> None:
    call = api.channel.unary_unary("/phoenix_grpc.v1.AuthService/WhoAmI")
    error = await refused(call(b"\x0a" + b"x" * (17 << 20), metadata=api.admin))
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)


async def test_refusals_of_users_are_audited_and_those_of_strangers_counted(api: Api) -> None:
    viewer = await api.session("VIEWER")
    for _ in range(2):
        await refused(api.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name="x"), metadata=viewer))
        await refused(api.auth.WhoAmI(WHO_AM_I))
    request = auth_pb2.ListAuditEventsRequest(action="refusal")
    async with asyncio.timeout(5):
        while len((found := await api.auth.ListAuditEvents(request, metadata=api.admin)).events) < 2:
            await asyncio.sleep(0.1)
    assert {(event.reason, event.count) for event in found.events} == {("ROLE_INSUFFICIENT", 1)}
    assert all(event.actor_email and event.request_id and not event.allowed for event in found.events)


async def test_an_error_of_ours_says_nothing_of_our_insides(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr(api.server.engine, "read", broken)
    error = await refused(api.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="x"), metadata=api.admin))
    assert (error.code(), error.details(), reason_of(error)) == (grpc.StatusCode.INTERNAL, "internal error", "INTERNAL")
    assert "inside" not in str(error.trailing_metadata())


async def test_more_calls_than_the_limit_are_told_when_to_come_again(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, max_concurrent_calls=1)) as api:
        header = datasets_pb2.UploadDatasetHeader(name="slow", action="UPLOAD_ACTION_CREATE")
        upload = api.datasets.UploadDataset(metadata=api.admin)
        await upload.write(datasets_pb2.UploadDatasetRequest(header=header))
        await asyncio.sleep(0.1)
        error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=api.admin))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
        assert trailer(error, "grpc-retry-pushback-ms") == "1000"
        assert "RetryInfo" in details(error)
        await upload.done_writing()
        await upload
        await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)


async def test_a_field_violation_names_the_field(api: Api) -> None:
    request = datasets_pb2.ListDatasetsRequest(page_size=-1)
    error = await refused(api.datasets.ListDatasets(request, metadata=api.admin))
    violations = details(error)["BadRequest"].field_violations  # type: ignore[attr-defined]
    assert [violation.field for violation in violations] == ["page_size"]


async def test_every_error_stays_below_the_metadata_limit_of_clients(api: Api) -> None:
    request = datasets_pb2.GetDatasetRequest(name="😀\n" * 4000)
    error = await refused(api.datasets.GetDataset(request, metadata=api.admin))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.NOT_FOUND, "DATASET_NOT_FOUND")
    assert sum(len(key) + len(value) for key, value in error.trailing_metadata() or ()) < 6000


async def test_while_the_server_drains_new_calls_are_told_to_come_again(api: Api) -> None:
    guard = api.server.guard
    guard.drain()
    error = await refused(api.auth.WhoAmI(WHO_AM_I, metadata=api.admin))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
    assert "RetryInfo" in details(error)
    await api.auth.GetServerConfig(auth_pb2.GetServerConfigRequest())


async def test_unknown_fields_are_not_kept(api: Api) -> None:
    request = datasets_pb2.CreateDatasetRequest(name="known fields").SerializeToString() + b"\xfa\x3e\x05extra"
    call = api.channel.unary_unary("/phoenix_grpc.v1.DatasetsService/CreateDataset")
    made = await call(request, metadata=api.admin)
    assert b"extra" not in made
    read = datasets_pb2.GetDatasetRequest(name="known fields")
    assert b"extra" not in (await api.datasets.GetDataset(read, metadata=api.admin)).SerializeToString()


RECORD = datasets_pb2.UploadDatasetRequest(chunk=b'{"input": {"a": 1}}\n')


async def begun_upload(api: Api, metadata: Metadata) -> Any:
    """An upload that has sent its header and a record."""
    header = datasets_pb2.UploadDatasetHeader(name="begun", action="UPLOAD_ACTION_CREATE")
    upload = api.datasets.UploadDataset(metadata=metadata)
    await upload.write(datasets_pb2.UploadDatasetRequest(header=header))
    await upload.write(RECORD)
    await asyncio.sleep(0.1)
    return upload


async def test_an_upload_whose_key_is_revoked_meanwhile_counts_for_nothing(api: Api) -> None:
    session = await api.session()
    made = await api.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=session)
    upload = await begun_upload(api, bearer(made.key))
    await api.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id), metadata=session)
    await upload.done_writing()
    error = await refused(upload)
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAUTHENTICATED, "API_KEY_REVOKED")
    error = await refused(api.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="begun"), metadata=api.admin))
    assert reason_of(error) == "DATASET_NOT_FOUND"


async def test_an_upload_whose_user_becomes_a_viewer_meanwhile_counts_for_nothing(api: Api) -> None:
    user = await api.make_user("MEMBER")
    upload = await begun_upload(api, bearer((await api.login(user.email, "a good password")).access_token))
    await api.auth.UpdateUser(auth_pb2.UpdateUserRequest(user_id=user.user_id, role="ROLE_VIEWER"), metadata=api.admin)
    await upload.done_writing()
    assert reason_of(await refused(upload)) in ("SESSION_REVOKED", "ROLE_INSUFFICIENT")


async def test_a_refreshed_session_goes_on_with_the_upload_it_began(api: Api) -> None:
    pair = await api.login()
    upload = await begun_upload(api, bearer(pair.access_token))
    await api.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
    await upload.write(RECORD)
    await upload.done_writing()
    assert (await upload).created_count == 2


async def test_a_download_ends_when_its_key_is_revoked(api: Api) -> None:
    header = datasets_pb2.UploadDatasetHeader(name="long", action="UPLOAD_ACTION_CREATE")
    record = json.dumps({"input": {"text": "x" * 2000}}).encode() + b"\n"
    await api.upload(header, record * 5000)
    session = await api.session()
    made = await api.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=session)
    request = datasets_pb2.DownloadDatasetRequest(name="long")
    download = api.datasets.DownloadDataset(request, metadata=bearer(made.key))
    await download.read()
    await api.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id), metadata=session)

    async def read_on() -> None:
        while await download.read() is not grpc.aio.EOF:
            pass

    assert reason_of(await refused(read_on())) == "API_KEY_REVOKED"


async def test_strangers_who_hold_streams_open_take_no_room_of_callers(api: Api) -> None:
    api.server.guard._rooms._public_streams.limit = 3
    api.server.guard._rooms._calls.limit = 3
    health = health_pb2_grpc.HealthStub(api.channel)
    watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
    await asyncio.gather(*(watch.read() for watch in watches))
    error = await refused(health.Watch(health_pb2.HealthCheckRequest()).read())
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    await health.Check(health_pb2.HealthCheckRequest())
    await api.auth.WhoAmI(WHO_AM_I, metadata=api.admin)
    for watch in watches:
        watch.cancel()


@pytest.mark.parametrize(("count", "reason"), [(10_000, "REFRESH_TOKEN_INVALID"), (1_000_000, "LIMIT_EXCEEDED")])
async def test_a_token_of_megabytes_is_refused_unread(api: Api, count: int, reason: str) -> None:
    head = base64.urlsafe_b64encode(b'{"a":[' + b"[]," * count + b"[]]}").decode()
    request = auth_pb2.RefreshTokenRequest(refresh_token=f"{head}.e30.x")
    assert reason_of(await refused(api.auth.RefreshToken(request))) == reason


async def test_a_limited_key_learns_no_names_of_others(api: Api) -> None:
    for name in ("ours", "theirs"):
        made = await api.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=api.admin)
    key = await api.key("MEMBER", dataset_ids=[made.dataset_id])
    for name in ("ours", "free"):
        request = datasets_pb2.UpdateDatasetRequest(name="theirs", update=datasets_pb2.Dataset(name=name))
        assert reason_of(await refused(api.datasets.UpdateDataset(request, metadata=key))) == "KEY_NOT_FOR_DATASET"
