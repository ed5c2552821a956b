"""What calls leave in the audit log: every method that changes something leaves an event, and nothing else does."""

import asyncio
import gzip
import itertools
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import ADMIN_PASSWORD, Api, Metadata, api_of, bearer, make_settings, refused
from tests.services.caller import new_example

SERVICES = [service for file in (datasets_pb2, auth_pb2) for service in file.DESCRIPTOR.services_by_name.values()]
# What changes nothing that anybody else sees: a token for a token, and a mail.
SILENT = {"RefreshToken", "RequestPasswordReset"}
REQUEST_ID = "123e4567-e89b-42d3-a456-426614174000"
CREATE, APPEND, UPDATE = "UPLOAD_ACTION_CREATE", "UPLOAD_ACTION_APPEND", "UPLOAD_ACTION_UPDATE"

numbers = itertools.count(1)


def changes_something(method: MethodDescriptor) -> bool:
    options: Any = method.GetOptions()
    return bool(options.idempotency_level != MethodOptions.NO_SIDE_EFFECTS)


class Recorder:
    """Calls methods, and finds what each leaves in the audit log."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.called: set[str] = set()

    async def call(self, method: str, caller: Metadata = (), /, **fields: Any) -> tuple[Any, list[auth_pb2.AuditEvent]]:
        """The response, and the events of the call, oldest first."""
        [file, stub] = next(
            [module, stub]
            for module, stub in ((datasets_pb2, self.api.datasets), (auth_pb2, self.api.auth))
            if hasattr(stub, method)
        )
        descriptor = next(service for service in SERVICES if service.file is file.DESCRIPTOR).methods_by_name[method]
        request: Any = getattr(file, descriptor.input_type.name)(**fields)
        return await self.sent(method, lambda metadata: getattr(stub, method)(request, metadata=metadata), caller)

    async def upload(self, data: bytes, **header: Any) -> tuple[Any, list[auth_pb2.AuditEvent]]:
        """As `call`."""
        sent = datasets_pb2.UploadDatasetHeader(**header)
        return await self.sent("UploadDataset", lambda metadata: self.api.upload(sent, data, metadata))

    async def sent(self, method: str, send: Any, caller: Metadata = ()) -> tuple[Any, list[auth_pb2.AuditEvent]]:
        self.called.add(method)
        request_id = f"trail-{next(numbers)}"
        response = await send((*(caller or self.api.admin), ("x-request-id", request_id)))
        return response, await self.events(request_id)

    async def events(self, request_id: str) -> list[auth_pb2.AuditEvent]:
        """The events of a request, oldest first."""
        listed = await self.api.auth.ListAuditEvents(auth_pb2.ListAuditEventsRequest(), metadata=self.api.admin)
        return [event for event in reversed(listed.events) if event.request_id == request_id]


@pytest.fixture
def recorder(api: Api) -> Recorder:
    return Recorder(api)


async def change_data(recorder: Recorder) -> Any:
    """Calls each method of DatasetsService that changes something; yields what each leaves."""
    call = recorder.call
    yield await call("CreateDataset", name="d")
    yield await recorder.upload(b'{"input": {"a": 1}}\n{"input": {"a": 2}}', name="d", action=APPEND)
    yield await call("AppendExamples", name="d", examples=[new_example(1, "x")])
    yield await call("UpdateExamples", name="d", updates=[{"example_id": "x", "input": {"value": 2}}])
    made, _ = event = await call("CreateSplit", name="d", split_name="s", example_ids=["x"])
    yield event
    yield await call("UpdateSplit", name="d", split_id=made.split_id, split={"name": "t"}, remove_example_ids=["x"])
    yield await call("DeleteSplit", name="d", split_id=made.split_id)
    label, _ = event = await call("CreateLabel", name="l", color="#000000")
    yield event
    yield await call("UpdateLabel", label_id=label.label_id, label={"name": "m"})
    yield await call("SetDatasetLabels", name="d", label_ids=[label.label_id])
    yield await call("RemoveDatasetLabel", name="d", label_id=label.label_id)
    yield await call("AddDatasetLabel", name="d", label_id=label.label_id)
    yield await call("DeleteLabel", label_id=label.label_id)
    yield await call("DeleteExamples", name="d", example_ids=["x"])
    yield await call("UpdateDataset", name="d", update={"name": "e"})
    yield await call("DeleteDataset", name="e")


async def change_accounts(recorder: Recorder) -> Any:
    """As change_data, of AuthService."""
    call, api = recorder.call, recorder.api
    user, _ = event = await call("CreateUser", email="u@example.com", role="ROLE_MEMBER", password="a good password")
    yield event
    yield await call("UpdateUser", user_id=user.user_id, username="u")
    pair, _ = event = await call("Login", email="u@example.com", password="a good password")
    yield event
    session = bearer(pair.access_token)
    key, _ = event = await call("CreateApiKey", session, name="k")
    yield event
    key_id = key.api_key.api_key_id
    yield await call("UpdateApiKey", session, api_key_id=key_id, api_key={"name": "n"})
    yield await call("RotateApiKey", session, api_key_id=key_id)
    yield await call("RevokeApiKey", session, api_key_id=key_id)
    key, _ = event = await call("CreateSystemApiKey", name="s")
    yield event
    yield await call("RotateSystemApiKey", api_key_id=key.api_key.api_key_id)
    yield await call("RevokeSystemApiKey", api_key_id=key.api_key.api_key_id)
    passwords = {"current_password": "a good password", "new_password": "a better password"}
    yield await call("ChangePassword", session, **passwords)
    yield await call("Logout", session)
    pair = await api.login("u@example.com", "a better password")
    yield await call("RevokeToken", refresh_token=pair.refresh_token)
    await api.login("u@example.com", "a better password")
    listed = await api.auth.ListSessions(auth_pb2.ListSessionsRequest(user_id=user.user_id), metadata=api.admin)
    yield await call("RevokeSession", session_id=listed.sessions[0].session_id)
    yield await call("DeleteUser", user_id=user.user_id)


# The one that takes a token from a mail, which tests/services/auth/test_passwords.py has.
ELSEWHERE = {"ResetPassword"}


async def test_every_method_that_changes_something_leaves_an_event(recorder: Recorder) -> None:
    left = {}
    for change in (change_data, change_accounts):
        async for _, events in change(recorder):
            assert events, f"no event after {sorted(recorder.called)}"
            left.update({event.action: event.target_name for event in events})
    changing = {method.name for service in SERVICES for method in service.methods if changes_something(method)}
    assert recorder.called == changing - SILENT - ELSEWHERE
    assert left == {
        "dataset.create": "d", "dataset.upload": "d", "dataset.update": "e", "dataset.delete": "e",
        "example.append": "d", "example.update": "d", "example.delete": "d",
        "split.create": "s", "split.update": "t", "split.delete": "t",
        "label.create": "l", "label.update": "m", "label.add": "m", "label.remove": "m", "label.delete": "m",
        "user.create": "u@example.com", "user.update": "u@example.com", "user.delete": "u@example.com",
        "login": "", "logout": "", "session.revoke": "", "password.change": "u@example.com",
        "api_key.create": "s", "api_key.update": "n", "api_key.rotate": "s", "api_key.revoke": "s",
    }  # fmt: skip


async def test_a_session_that_its_token_ends_is_ended_by_its_owner(recorder: Recorder) -> None:
    pair = await recorder.api.login("admin@localhost", ADMIN_PASSWORD)
    _, [event] = await recorder.call("RevokeToken", refresh_token=pair.refresh_token)
    assert (event.actor_email, event.target_id) == ("admin@localhost", event.credential_id)
    assert event.actor_user_id


async def test_events_of_data_say_which_dataset_version_and_how_many(recorder: Recorder) -> None:
    made, [event] = await recorder.call("CreateDataset", name="d")
    assert (event.target_id, event.dataset_id, event.dataset_name) == (made.dataset_id, made.dataset_id, "d")
    assert event.version_id == made.latest_version_id
    data = b'{"id": "x", "input": {"a": 1}}\n{"id": "y", "input": {"a": 2}}'
    answer, [event] = await recorder.upload(data, name="d", action=UPDATE)
    assert (event.version_id, event.created_count) == (answer.version.version_id, 2)
    answer, [event] = await recorder.upload(b'{"id": "x", "input": {"a": 3}}', name="d", action=UPDATE)
    assert (event.created_count, event.updated_count, event.deleted_count) == (0, 1, 1)
    split, [event] = await recorder.call("CreateSplit", name="d", split_name="s", example_ids=["x"])
    assert (event.target_id, event.dataset_name, event.created_count) == (split.split_id, "d", 1)
    _, [event] = await recorder.call("UpdateDataset", name="d", update={"name": "e"})
    assert (event.dataset_name, event.target_name) == ("d", "e")
    _, [event] = await recorder.call("DeleteDataset", name="e")
    assert (event.dataset_id, event.dataset_name, event.deleted_count) == (made.dataset_id, "e", 1)


async def test_an_upload_that_makes_its_dataset_leaves_both_events(recorder: Recorder) -> None:
    answer, events = await recorder.upload(b'{"input": {"a": 1}}', name="d", action=CREATE)
    assert [(event.action, event.created_count) for event in events] == [("dataset.create", 0), ("dataset.upload", 1)]
    assert {event.version_id for event in events} == {answer.version.version_id}


@pytest.fixture
async def made(recorder: Recorder) -> Recorder:
    """A dataset with the example x, a split and a label."""
    await recorder.upload(b'{"id": "x", "input": {"value": 1}}', name="d", action=CREATE)
    await recorder.call("CreateSplit", name="d", split_name="s", example_ids=["x"])
    label, _ = await recorder.call("CreateLabel", name="l", color="#000000")
    await recorder.call("AddDatasetLabel", name="d", label_id=label.label_id)
    return recorder


async def test_what_changes_nothing_leaves_no_event(made: Recorder) -> None:
    listed = await made.api.datasets.ListSplits(datasets_pb2.ListSplitsRequest(name="d"), metadata=made.api.admin)
    split_id = listed.splits[0].split_id
    labels = await made.api.datasets.ListLabels(datasets_pb2.ListLabelsRequest(), metadata=made.api.admin)
    label_id = labels.labels[0].label_id
    same = b'{"id": "x", "input": {"value": 1}}'
    for _, events in (
        await made.upload(same, name="d", action=UPDATE),
        await made.call("UpdateExamples", name="d", updates=[{"example_id": "x", "input": {"value": 1}}]),
        await made.call("DeleteExamples", name="d", example_ids=[]),
        await made.call("UpdateDataset", name="d", update={"name": "d"}),
        await made.call("UpdateSplit", name="d", split_id=split_id, split={"name": "s"}, add_example_ids=["x"]),
        await made.call("UpdateLabel", label_id=label_id, label={"name": "l"}),
        await made.call("AddDatasetLabel", name="d", label_id=label_id),
        await made.call("SetDatasetLabels", name="d", label_ids=[label_id]),
    ):
        assert events == []
    await made.call("RemoveDatasetLabel", name="d", label_id=label_id)
    assert (await made.call("RemoveDatasetLabel", name="d", label_id=label_id))[1] == []


async def test_validation_alone_leaves_no_event(made: Recorder) -> None:
    new = {"examples": [new_example(2)], "validate_only": True}
    assert (await made.call("AppendExamples", name="d", **new))[1] == []
    assert (await made.call("DeleteExamples", name="d", example_ids=["x"], validate_only=True))[1] == []
    for name in ("d", "new"):
        assert (await made.upload(b'{"input": {"a": 1}}', name=name, action=APPEND, validate_only=True))[1] == []


async def test_a_request_that_comes_again_leaves_no_second_event(recorder: Recorder) -> None:
    sends = (
        lambda: recorder.upload(b'{"input": {"a": 1}}', name="u", action=CREATE, request_id=REQUEST_ID),
        lambda: recorder.call("CreateDataset", name="d", request_id=REQUEST_ID),
        lambda: recorder.call("AppendExamples", name="d", examples=[new_example(1)], request_id=REQUEST_ID),
    )
    for send in sends:
        assert [bool((await send())[1]) for _ in range(2)] == [True, False]


async def test_a_change_that_fails_leaves_no_event(recorder: Recorder) -> None:
    await recorder.call("CreateDataset", name="d")
    request = datasets_pb2.CreateDatasetRequest(name="d")
    metadata = (*recorder.api.admin, ("x-request-id", "fails"))
    await refused(recorder.api.datasets.CreateDataset(request, metadata=metadata))
    assert await recorder.events("fails") == []


async def download(api: Api, metadata: Metadata, messages: int | None = None) -> int:
    """Downloads d, or only so many messages of it; answers the bytes."""
    call = api.datasets.DownloadDataset(datasets_pb2.DownloadDatasetRequest(name="d"), metadata=metadata)
    size = count = 0
    async for message in call:
        size, count = size + len(message.chunk), count + 1
        if count == messages:
            call.cancel()
            break
    return size


@pytest.mark.parametrize("enabled", [True, False])
async def test_downloads_are_recorded_where_that_is_on(tmp_path: Any, enabled: bool) -> None:
    async with api_of(make_settings(tmp_path, audit_downloads=enabled)) as api:
        recorder = Recorder(api)
        lines = b"\n".join(b'{"input": {"text": "%d%s"}}' % (number, b"x" * 100_000) for number in range(200))
        answer, _ = await recorder.upload(gzip.compress(lines), name="d", action=CREATE, compression="COMPRESSION_GZIP")
        size, events = await recorder.sent("DownloadDataset", lambda metadata: download(api, metadata))
        if not enabled:
            assert events == []
            return
        [event] = events
        assert (event.action, event.target_name, event.byte_count) == ("dataset.download", "d", size)
        assert event.version_id == answer.version.version_id
        _, events = await recorder.sent("DownloadDataset", lambda metadata: download(api, metadata, messages=2))
        async with asyncio.timeout(10):
            while not events:
                await asyncio.sleep(0.02)
                events = await recorder.events(f"trail-{next(numbers) - 1}")
        assert 0 < events[0].byte_count < size
