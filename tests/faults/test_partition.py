"""The line between servers and their database stalls or breaks: calls get defined errors, nothing revoked is served."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import ADMIN_PASSWORD, Metadata, bearer, details, reason_of
from tests.faults.cluster import until
from tests.postgres import new_database
from tests.postgres_proxy import Proxy, proxied
from tests.process import ServerProcess

LEASE_SECONDS = 0.5
LONGEST_SECONDS = 12
"""How long a call may wait for a database that does not answer; it is cut off after five seconds, and tried again."""

WHO_AM_I = auth_pb2.WhoAmIRequest()


@pytest.fixture
def url() -> str:
    """The URL of a new database."""
    return new_database()


@contextlib.contextmanager
def behind_proxy(folder: Path, url: str) -> Iterator[tuple[ServerProcess, Proxy]]:
    """A server that reaches its database by a line that can be cut."""
    with proxied(url) as proxy, ServerProcess(folder, PHOENIX_SQL_DATABASE_URL=proxy.url) as server:
        yield server, proxy
        proxy.go_on()


def refusal(call: Callable[[], object]) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def who_am_i_refused(server: ServerProcess, caller: Metadata) -> grpc.RpcError:
    return refusal(lambda: server.auth.WhoAmI(WHO_AM_I, metadata=caller, timeout=20))


def is_served(call: Callable[[], object]) -> bool:
    with contextlib.suppress(grpc.RpcError):
        call()
        return True
    return False


def calls_of(server: ServerProcess) -> list[Callable[[], object]]:
    """Calls of each kind: public or not, reading and writing, a stream and none."""
    login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
    get = datasets_pb2.GetDatasetRequest(name="before")
    download = datasets_pb2.DownloadDatasetRequest(name="before")
    header = datasets_pb2.UploadDatasetHeader(name="before", action="UPLOAD_ACTION_APPEND")
    upload = [
        datasets_pb2.UploadDatasetRequest(header=header),
        datasets_pb2.UploadDatasetRequest(chunk=b'{"input": {"a": 1}}\n' * 10),
    ]
    append = datasets_pb2.AppendExamplesRequest(name="before")
    append.examples.add().input.update({"a": 2})
    return [
        lambda: server.auth.WhoAmI(WHO_AM_I, metadata=server.admin, timeout=30),
        lambda: server.auth.Login(login, timeout=30),
        lambda: server.datasets.GetDataset(get, metadata=server.admin, timeout=30),
        lambda: list(server.datasets.DownloadDataset(download, metadata=server.admin, timeout=30)),
        lambda: server.datasets.AppendExamples(append, metadata=server.admin, timeout=30),
        lambda: server.datasets.UploadDataset(iter(upload), metadata=server.admin, timeout=30),
    ]


def assert_unavailable(error: grpc.RpcError) -> None:
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert "RetryInfo" in details(error)


def test_calls_to_a_server_that_is_cut_off_fail_in_time_and_later_ones_succeed(tmp_path: Path, url: str) -> None:
    with behind_proxy(tmp_path, url) as (server, proxy):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="before"), metadata=server.admin)
        calls = calls_of(server)
        for call in calls:
            call()
        proxy.stall()
        time.sleep(LEASE_SECONDS)
        with ThreadPoolExecutor(len(calls)) as pool:
            begun = time.monotonic()
            for error in pool.map(refusal, calls):
                assert_unavailable(error)
            assert time.monotonic() - begun < LONGEST_SECONDS
        proxy.go_on()
        for call in calls:
            until(lambda again=call: is_served(again), LONGEST_SECONDS)


def test_calls_under_way_when_a_server_is_cut_off_fail_in_time(tmp_path: Path, url: str) -> None:
    errors: list[grpc.RpcError] = []
    cut = threading.Event()
    longest = 0.0

    def repeat(call: Callable[[], object]) -> None:
        nonlocal longest
        while not cut.is_set():
            begun = time.monotonic()
            try:
                call()
            except grpc.RpcError as error:
                errors.append(error)
            longest = max(longest, time.monotonic() - begun)

    with behind_proxy(tmp_path, url) as (server, proxy):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="before"), metadata=server.admin)
        threads = [threading.Thread(target=repeat, args=(call,)) for call in calls_of(server)[1:] * 2]
        for thread in threads:
            thread.start()
        time.sleep(2)
        proxy.stall()
        cut.set()
        for thread in threads:
            thread.join(60)
        proxy.go_on()
        until(lambda: all(is_served(call) for call in calls_of(server)), 60)
    assert errors
    for error in errors:
        assert_unavailable(error)
    assert longest < 2 * LONGEST_SECONDS


def test_a_key_revoked_by_one_node_is_served_by_none_even_one_that_is_cut_off(tmp_path: Path, url: str) -> None:
    with (
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=url) as one,
        ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=url) as two,
        behind_proxy(tmp_path, url) as (three, proxy),
    ):
        login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        session = bearer(one.auth.Login(login).access_token)
        for turn in range(3):
            made = one.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name=f"key {turn}"), metadata=session)
            key = bearer(made.key)
            for server in (one, two, three):
                server.auth.WhoAmI(WHO_AM_I, metadata=key)
            proxy.stall()
            revoke = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
            one.auth.RevokeApiKey(revoke, metadata=session, timeout=20)
            for server, status in (
                (three, grpc.StatusCode.UNAVAILABLE),
                (two, grpc.StatusCode.UNAUTHENTICATED),
                (one, grpc.StatusCode.UNAUTHENTICATED),
            ):
                error = who_am_i_refused(server, key)
                assert error.code() == status
            proxy.go_on()
            until(lambda: is_served(lambda: three.auth.WhoAmI(WHO_AM_I, metadata=session, timeout=20)), 10)
            error = who_am_i_refused(three, key)
            assert reason_of(error) == "API_KEY_REVOKED"


def test_connections_that_break_under_calls_are_made_anew(tmp_path: Path, url: str) -> None:
    with behind_proxy(tmp_path, url) as (server, proxy):
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="kept"), metadata=server.admin)
        for turn in range(3):
            proxy.cut()
            get = datasets_pb2.GetDatasetRequest(name="kept")
            server.datasets.GetDataset(get, metadata=server.admin, timeout=20)
            request = datasets_pb2.CreateDatasetRequest(name=f"made {turn}")
            server.datasets.CreateDataset(request, metadata=server.admin, timeout=20)
