"""Readers that stall: their calls end, with what they hold; others go on."""

import asyncio
import json
from pathlib import Path

import pytest

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.attackers import DOWNLOAD, LOGIN, stalled_downloads, wait_until_ended
from tests.conftest import Api, api_of, make_settings
from tests.http2 import connected
from tests.process import ServerProcess

MB = 1 << 20
RECORD = json.dumps({"input": {"text": "x" * 4000}}).encode() + b"\n"
REQUEST = datasets_pb2.DownloadDatasetRequest(name="long")
HEADER = datasets_pb2.UploadDatasetHeader(name="long", action="UPLOAD_ACTION_CREATE")


def upload_long(server: ServerProcess) -> None:
    """A dataset of 20 MB, far more than all buffers on the way to one client."""
    messages = [datasets_pb2.UploadDatasetRequest(header=HEADER), datasets_pb2.UploadDatasetRequest(chunk=RECORD * 500)]
    server.datasets.UploadDataset(iter([*messages, *[messages[1]] * 9]), metadata=server.admin)


def test_stalled_downloads_hold_little_and_are_ended(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_DOWNLOAD_STALL_SECONDS="1") as server:
        upload_long(server)

        async def stall() -> None:
            request = REQUEST.SerializeToString()
            async with stalled_downloads(server.address, request, server.admin, 100) as connections:
                # gRPC lets go of the last call only when the next one comes.
                await wait_until_ended(connections, 99, 15)
                server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="long"), metadata=server.admin)
                await wait_until_ended(connections, 100, 5)

        # 11 MB each before downloads read little at once.
        assert server.grown(lambda: asyncio.run(stall())) < 100 * MB
        asyncio.run(stall())
        assert server.memory() < 300 * MB
        lines = [json.loads(line) for line in server.lines if "DownloadDataset" in line]
        assert {(line["status"], line["reason"]) for line in lines} == {("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")}


@pytest.mark.parametrize("window", [0, 100])
async def test_responses_that_nobody_takes_are_dropped(tmp_path: Path, window: int) -> None:
    with ServerProcess(tmp_path, PHOENIX_DOWNLOAD_STALL_SECONDS="1") as server:
        upload_long(server)
        page = datasets_pb2.ListExamplesRequest(name="long", page_size=200).SerializeToString()
        empty = datasets_pb2.DownloadDatasetRequest(name="long", limit=1).SerializeToString()
        async with connected(server.address, window) as connection:
            for _ in range(20):
                await connection.call("/phoenix_grpc.v1.DatasetsService/ListExamples", page, server.admin)
                await connection.call("/phoenix_grpc.v1.AuthService/WhoAmI", b"", server.admin)
                await connection.call(DOWNLOAD, empty, server.admin)
            # gRPC lets go of the last call of each kind only when the next one comes.
            await wait_until_ended([connection], 57, 15)


async def test_a_reader_that_takes_its_time_for_all_but_not_for_a_part_is_served(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, download_stall_seconds=3)) as api:
        await api.upload(HEADER, RECORD * 2000)
        size = 0
        async for message in api.datasets.DownloadDataset(REQUEST, metadata=api.admin):
            size += len(message.chunk)
            await asyncio.sleep(0.06)  # more than 3 seconds in all
        assert size > 2000 * 4000


async def test_a_call_that_ends_in_time_is_not_touched_by_the_clock(api: Api) -> None:
    await api.upload(HEADER, RECORD)
    for _ in range(3):
        parts = [part async for part in api.datasets.DownloadDataset(REQUEST, metadata=api.admin)]
        assert len(parts) == 2


def test_calls_whose_clients_go_at_once_leave_no_trace_of_a_failure(tmp_path: Path) -> None:
    async def begin(address: str) -> None:
        async with connected(address) as connection:
            for _ in range(100):
                connection.begin(LOGIN)
            await asyncio.sleep(0.01)

    async def begin_all(address: str) -> None:
        await asyncio.gather(*(begin(address) for _ in range(5)))

    with ServerProcess(tmp_path) as server:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=server.admin)
        for _ in range(5):
            asyncio.run(begin_all(server.address))
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=server.admin)
    assert not [line for line in server.lines if "Traceback" in line or "Exception" in line]
    assert [json.loads(line) for line in server.lines]
