"""Nothing acknowledged is lost, nothing half done is seen: kill -9, two processes on one file, a store that fails."""

import json
import random
import resource
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import ADMIN_PASSWORD, ON_POSTGRES, Api, bearer, reason_of, refused, trailer
from tests.databases import query
from tests.process import ServerProcess

WHO_AM_I = auth_pb2.WhoAmIRequest()
ROUNDS = 12


def records(name: str, count: int) -> bytes:
    return b"".join(
        json.dumps({"input": {"upload": name, "number": number, "filler": "x" * 200}}).encode() + b"\n"
        for number in range(count)
    )


def messages(header: datasets_pb2.UploadDatasetHeader, data: bytes, size: int = 16_384, pause: float = 0.0):
    yield datasets_pb2.UploadDatasetRequest(header=header)
    for start in range(0, len(data), size):
        time.sleep(pause)
        yield datasets_pb2.UploadDatasetRequest(chunk=data[start : start + size])


def append(name: str) -> datasets_pb2.UploadDatasetHeader:
    return datasets_pb2.UploadDatasetHeader(name=name, action="UPLOAD_ACTION_APPEND")


def uploads_held(server: ServerProcess, name: str) -> dict[str, int]:
    """How many records of each upload the dataset has."""
    request = datasets_pb2.DownloadDatasetRequest(name=name)
    data = b"".join(message.chunk for message in server.datasets.DownloadDataset(request, metadata=server.admin))
    held: dict[str, int] = {}
    for line in data.splitlines():
        upload = json.loads(line)["input"]["upload"]
        held[upload] = held.get(upload, 0) + 1
    return held


def test_kill_9_during_uploads_loses_nothing_acknowledged_and_shows_nothing_half(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(ROUNDS):
        server = ServerProcess(tmp_path)
        if turn == 0:
            server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="killed"), metadata=server.admin)
        threads = [
            threading.Thread(target=_upload_until_killed, args=(server, f"{turn}-{worker}", acknowledged))
            for worker in range(3)
        ]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.05, 0.6))
        server.kill()
        for thread in threads:
            thread.join(20)
    with ServerProcess(tmp_path) as server:
        held = uploads_held(server, "killed")
    assert set(acknowledged) <= set(held)
    assert set(held.values()) <= {400}
    if not ON_POSTGRES:
        assert query(server.database_url, "PRAGMA integrity_check") == [("ok",)]


def _upload_until_killed(server: ServerProcess, worker: str, acknowledged: list[str]) -> None:
    for number in range(100):
        upload = f"{worker}-{number}"
        try:
            data = messages(append("killed"), records(upload, 400))
            server.datasets.UploadDataset(data, metadata=server.admin, timeout=20)
        except (grpc.RpcError, ValueError):  # ValueError: the channel was closed meanwhile
            return
        acknowledged.append(upload)


def wait_until(check: Callable[[], object], seconds: float = 20) -> None:
    """Waits until `check` answers something true; fails when it does not."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


def count(server: ServerProcess, table: str) -> int:
    """How many rows a table of the server's database has."""
    return int(query(server.database_url, f"SELECT COUNT(*) FROM {table}")[0][0])


@pytest.mark.parametrize(("known", "table"), [(True, "staged_examples"), (False, "revisions")])
def test_a_client_that_vanishes_in_mid_upload_leaves_nothing(tmp_path: Path, known: bool, table: str) -> None:
    """Whether its records are staged, or go to their places in a new dataset at once."""
    with ServerProcess(tmp_path) as server:
        if known:
            server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="half"), metadata=server.admin)
        call = server.datasets.UploadDataset.future(
            messages(append("half"), records("half", 20_000), pause=0.02), metadata=server.admin
        )
        wait_until(lambda: count(server, table))
        call.cancel()
        wait_until(lambda: '"status":"CANCELLED"' in "".join(server.lines))
        named = datasets_pb2.GetDatasetRequest(name="half")
        if known:
            assert server.datasets.GetDataset(named, metadata=server.admin).example_count == 0
        else:
            with pytest.raises(grpc.RpcError) as caught:
                server.datasets.GetDataset(named, metadata=server.admin)
            assert reason_of(caught.value) == "DATASET_NOT_FOUND"
        whole = server.datasets.UploadDataset(messages(append("half"), records("whole", 10)), metadata=server.admin)
        assert whole.created_count == 10


def test_a_revocation_in_one_process_holds_for_the_next_call_in_another(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as one, ServerProcess(tmp_path) as two:
        pair = one.auth.Login(auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD))
        session = bearer(pair.access_token)
        for _ in range(5):
            made = one.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=session)
            two.auth.WhoAmI(WHO_AM_I, metadata=bearer(made.key))
            request = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
            one.auth.RevokeApiKey(request, metadata=session)
            with pytest.raises(grpc.RpcError) as caught:
                two.auth.WhoAmI(WHO_AM_I, metadata=bearer(made.key))
            assert reason_of(caught.value) == "API_KEY_REVOKED"
        two.auth.WhoAmI(WHO_AM_I, metadata=session)
        one.auth.Logout(auth_pb2.LogoutRequest(), metadata=session)
        with pytest.raises(grpc.RpcError) as caught:
            two.auth.WhoAmI(WHO_AM_I, metadata=session)
        assert reason_of(caught.value) == "SESSION_REVOKED"


def test_a_role_change_in_one_process_holds_for_the_next_call_in_another(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as one, ServerProcess(tmp_path) as two:
        user = one.auth.CreateUser(
            auth_pb2.CreateUserRequest(email="m@example.com", role="ROLE_MEMBER", password="a good password"),
            metadata=one.admin,
        )
        pair = one.auth.Login(auth_pb2.LoginRequest(email="m@example.com", password="a good password"))
        key = one.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=bearer(pair.access_token)).key
        create = datasets_pb2.CreateDatasetRequest
        two.datasets.CreateDataset(create(name="as member"), metadata=bearer(key))
        one.auth.UpdateUser(auth_pb2.UpdateUserRequest(user_id=user.user_id, role="ROLE_VIEWER"), metadata=one.admin)
        with pytest.raises(grpc.RpcError) as caught:
            two.datasets.CreateDataset(create(name="as viewer"), metadata=bearer(key))
        assert reason_of(caught.value) == "ROLE_INSUFFICIENT"


def test_concurrent_uploads_from_two_processes_lose_nothing(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as one, ServerProcess(tmp_path) as two:

        def upload(number: int) -> None:
            server = (one, two)[number % 2]
            data = messages(append("shared"), records(str(number), 300))
            server.datasets.UploadDataset(data, metadata=server.admin, timeout=30)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(upload, range(16)))
        assert uploads_held(one, "shared") == {str(number): 300 for number in range(16)}
        request = datasets_pb2.ListVersionsRequest(name="shared")
        versions = two.datasets.ListVersions(request, metadata=two.admin).versions
        assert [version.live_count for version in versions] == list(range(4800, 0, -300))


@pytest.mark.sqlite
def test_a_locked_database_is_unavailable_and_reads_go_on(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_SQLITE_BUSY_SECONDS="0.5") as server:
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="before"), metadata=server.admin)
        lock = sqlite3.connect(tmp_path / "work" / "phoenix_grpc.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(grpc.RpcError) as caught:
            server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="during"), metadata=server.admin)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert reason_of(caught.value) == "STORE_UNAVAILABLE"
        server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="before"), metadata=server.admin)
        lock.execute("ROLLBACK")
        lock.close()
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="after"), metadata=server.admin)


@pytest.mark.sqlite
def test_a_file_that_cannot_grow_is_told_and_the_server_stays_up(tmp_path: Path) -> None:
    """A limit on the size of files: the write fails where it fails on a full disk."""
    with ServerProcess(tmp_path) as server:
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="small"), metadata=server.admin)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
        data = messages(append("small"), records("much", 30_000), size=1 << 18)
        with pytest.raises(grpc.RpcError) as caught:
            server.datasets.UploadDataset(data, metadata=server.admin)
        assert reason_of(caught.value) == "STORE_UNAVAILABLE"
        server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="small"), metadata=server.admin)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answer = server.datasets.UploadDataset(messages(append("small"), records("few", 10)), metadata=server.admin)
        assert answer.created_count == 10


def writer_of(api: Api) -> sqlite3.Connection:
    """The connection on which the server's engine writes."""
    writer: sqlite3.Connection = api.server.engine._writer  # type: ignore[attr-defined]
    return writer


@pytest.mark.sqlite
async def test_a_full_database_is_resource_exhausted_and_takes_writes_again_when_there_is_room(api: Api) -> None:
    create = datasets_pb2.CreateDatasetRequest
    await api.datasets.CreateDataset(create(name="before"), metadata=api.admin)
    (pages,) = writer_of(api).execute("PRAGMA page_count").fetchone()
    writer_of(api).execute(f"PRAGMA max_page_count = {pages}")
    error = await refused(api.upload(append("before"), records("much", 2000)))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
    await api.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="before"), metadata=api.admin)
    writer_of(api).execute("PRAGMA max_page_count = 1000000")
    assert (await api.upload(append("before"), records("few", 10))).created_count == 10


@pytest.mark.sqlite
async def test_a_read_only_database_is_unavailable_for_writes_and_says_not_to_try_again(api: Api) -> None:
    create = datasets_pb2.CreateDatasetRequest
    await api.datasets.CreateDataset(create(name="before"), metadata=api.admin)
    writer_of(api).execute("PRAGMA query_only = ON")
    error = await refused(api.datasets.CreateDataset(create(name="during"), metadata=api.admin))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert trailer(error, "grpc-retry-pushback-ms") == "-1"
    await api.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="before"), metadata=api.admin)


@pytest.mark.sqlite
def test_a_database_damaged_under_the_server_is_unavailable_and_the_server_stays_up(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        server.datasets.UploadDataset(messages(append("whole"), records("r", 3000)), metadata=server.admin)
    file = tmp_path / "work" / "phoenix_grpc.db"
    with ServerProcess(tmp_path) as server:
        with file.open("r+b") as damaged:
            damaged.seek(file.stat().st_size // 2)
            damaged.write(b"\xff" * (256 << 10))
        with pytest.raises(grpc.RpcError) as caught:
            uploads_held(server, "whole")
        assert reason_of(caught.value) == "STORE_UNAVAILABLE"
        server.auth.WhoAmI(WHO_AM_I, metadata=server.admin)
