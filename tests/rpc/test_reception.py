"""Messages on their way in: what is too large, too slow, too dense or not there at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import Api, eventually, reason_of, refused, trailer
from tests.http2 import Connection, connected, message

LOGIN = "/phoenix_grpc.v1.AuthService/Login"
WHO_AM_I = "/phoenix_grpc.v1.AuthService/WhoAmI"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
RESOURCE_EXHAUSTED = str(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0])
INVALID_ARGUMENT = str(grpc.StatusCode.INVALID_ARGUMENT.value[0])


@pytest.fixture
async def connection(api: Api) -> AsyncIterator[Connection]:
    """A connection of raw HTTP/2."""
    async with connected(api.server.address) as connection:
        yield connection


def dense(count: int) -> datasets_pb2.AppendExamplesRequest:
    """A request with so many values that take two bytes each."""
    values = ListValue(values=[Value() for _ in range(count)])
    example = datasets_pb2.NewExample(input=Struct(fields={"a": Value(list_value=values)}))
    return datasets_pb2.AppendExamplesRequest(name="d", examples=[example])


@pytest.mark.parametrize("path", [LOGIN, REFLECTION])
async def test_messages_of_strangers_that_do_not_come_are_given_up(connection: Connection, path: str) -> None:
    streams = [connection.begin(path) for _ in range(30)]
    for stream in streams[:15]:
        await connection.send(stream, message(3 << 20, 100_000))
    await eventually(lambda: set(streams[:14]) <= connection.statuses.keys())
    assert [connection.statuses[stream] for stream in streams[:14]] == [RESOURCE_EXHAUSTED] * 14


async def test_messages_of_callers_that_do_not_come_are_given_up_and_others_served(
    api: Api, connection: Connection
) -> None:
    key = await api.system_key()
    for _ in range(30):
        connection.begin(WHO_AM_I, key)
    await eventually(lambda: len(connection.statuses) >= 14)
    assert set(connection.statuses.values()) == {RESOURCE_EXHAUSTED}
    await api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=api.admin)


async def test_one_address_holds_so_many_public_calls_open(connection: Connection) -> None:
    streams = [connection.begin(LOGIN) for _ in range(40)]
    await eventually(lambda: set(streams[32:]) <= connection.statuses.keys())
    assert {connection.statuses[stream] for stream in streams[32:]} == {RESOURCE_EXHAUSTED}


async def test_a_call_that_ends_without_a_request_is_refused(api: Api, connection: Connection) -> None:
    for path in (LOGIN, WHO_AM_I, "/phoenix_grpc.v1.DatasetsService/DownloadDataset"):
        stream = connection.begin(path, api.admin, end=True)
        await eventually(lambda stream=stream: stream in connection.statuses)
        assert connection.statuses[stream] == INVALID_ARGUMENT


async def test_only_requests_about_data_may_be_large(api: Api) -> None:
    call = api.channel.unary_unary(WHO_AM_I)
    error = await refused(call(b"\x0a" + b"x" * (64 << 10), metadata=api.admin))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    assert "65,536 bytes at most" in str(error.details())
    await api.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="d"), metadata=api.admin)
    example = datasets_pb2.NewExample(input=Struct(fields={"a": Value(string_value="x" * (3 << 20))}))
    request = datasets_pb2.AppendExamplesRequest(name="d", examples=[example])
    assert (await api.datasets.AppendExamples(request, metadata=api.admin)).version.version_id


async def test_a_list_beyond_all_bounds_is_refused_unparsed(api: Api) -> None:
    request = datasets_pb2.ListExamplesRequest(name="d", example_ids=[""] * 1_000_000)
    error = await refused(api.datasets.ListExamples(request, metadata=api.admin))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_a_message_waits_for_memory_and_is_refused_when_there_is_none(api: Api) -> None:
    budget = api.server.reception.budget
    with budget.hold() as hold:
        await hold.grow(budget.limit)
        waiting = asyncio.ensure_future(api.datasets.AppendExamples(dense(2000), metadata=api.admin))
        error = await refused(waiting)
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
        assert trailer(error, "grpc-retry-pushback-ms") == "2000"
        # What takes no memory needs none.
        await api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=api.admin)
        waiting = asyncio.ensure_future(api.datasets.AppendExamples(dense(2000), metadata=api.admin))
        await eventually(lambda: budget._waiting)
    assert reason_of(await refused(waiting)) == "INVALID_FIELD"
    assert budget.held == 0


@pytest.mark.parametrize("leave", ["in the middle of a message", "while it waits for memory"])
async def test_a_caller_that_leaves_gives_all_back(api: Api, leave: str) -> None:
    reception = api.server.reception
    budget = reception.budget
    with budget.hold() as hold:
        await hold.grow(budget.limit)
        async with connected(api.server.address) as connection:
            stream = connection.begin("/phoenix_grpc.v1.DatasetsService/AppendExamples", api.admin)
            await connection.send(stream, message(5000, 100 if "middle" in leave else None))
            await eventually(lambda: reception.from_callers._begun if "middle" in leave else budget._waiting)
        await eventually(lambda: not reception.from_callers._begun and not budget._wanted)
    await eventually(lambda: api.server.guard._rooms._calls.running == 0)
    assert budget.held == 0


async def test_one_caller_has_so_many_uploads_under_way(api: Api) -> None:
    header = datasets_pb2.UploadDatasetHeader(name="d", action="UPLOAD_ACTION_CREATE")
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(32):
            upload = api.datasets.UploadDataset(metadata=api.admin)
            stack.callback(upload.cancel)
            await upload.write(datasets_pb2.UploadDatasetRequest(header=header))
        await eventually(lambda: api.server.guard._rooms._uploads.running == 32)
        assert reason_of(await refused(api.upload(header, b""))) == "LIMIT_EXCEEDED"
        assert (await api.upload(header, b'{"input": {"a": 1}}', await api.key())).created_count == 1
    await eventually(lambda: api.server.guard._rooms._uploads.running == 0)
