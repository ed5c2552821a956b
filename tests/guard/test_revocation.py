"""Revocation between processes: no call that begins after the answer is served, by whichever process."""

import signal
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2
from tests.conftest import Metadata, bearer
from tests.process import ServerProcess

ROUNDS = 5


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    """Three processes on one database."""
    folder = tmp_path_factory.mktemp("shared")
    with ServerProcess(folder) as first, ServerProcess(folder) as second, ServerProcess(folder) as third:
        yield [first, second, third]


def status(auth: auth_pb2_grpc.AuthServiceStub, credential: Metadata) -> grpc.StatusCode:
    """How a call with this credential ends."""
    call = auth.WhoAmI.future(auth_pb2.WhoAmIRequest(), metadata=credential)
    return call.code()


class Hammer(threading.Thread):
    """Calls a server again and again with one credential, and notes when each call that was served began."""

    def __init__(self, server: ServerProcess, credential: Metadata) -> None:
        super().__init__(daemon=True)
        self._channel = grpc.insecure_channel(server.address, [("grpc.use_local_subchannel_pool", 1)])
        self._auth = auth_pb2_grpc.AuthServiceStub(self._channel)
        self._credential = credential
        self.served = 0
        self.last_served_began = 0.0
        self.refused = threading.Event()

    def run(self) -> None:
        """Calls until it is refused."""
        while (code := self._call()) is grpc.StatusCode.OK:
            self.served += 1
        self._channel.close()
        if code is grpc.StatusCode.UNAUTHENTICATED:
            self.refused.set()

    def _call(self) -> grpc.StatusCode:
        began = time.monotonic()
        code = status(self._auth, self._credential)
        if code is grpc.StatusCode.OK:
            self.last_served_began = began
        return code


def hammered(servers: list[ServerProcess], credential: Metadata) -> list[Hammer]:
    hammers = [Hammer(server, credential) for server in servers for _ in range(2)]
    for hammer in hammers:
        hammer.start()
    while any(hammer.served < 20 for hammer in hammers):
        time.sleep(0.001)
    return hammers


def none_served_after(answered: float, hammers: list[Hammer]) -> None:
    for hammer in hammers:
        assert hammer.refused.wait(20)
        assert hammer.last_served_began <= answered


def test_a_revoked_key_is_served_by_no_process_after_the_answer(servers: list[ServerProcess]) -> None:
    admin = servers[0]
    for number in range(ROUNDS):
        made = admin.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name=f"k{number}"), metadata=admin.admin)
        hammers = hammered(servers, bearer(made.key))
        request = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
        admin.auth.RevokeSystemApiKey(request, metadata=admin.admin)
        none_served_after(time.monotonic(), hammers)


def test_a_session_that_was_logged_out_is_served_by_no_process_after_the_answer(servers: list[ServerProcess]) -> None:
    login = auth_pb2.LoginRequest(email="admin@localhost", password="correct horse battery")
    for number in range(ROUNDS):
        credential = bearer(servers[number % 3].auth.Login(login).access_token)
        hammers = hammered(servers, credential)
        servers[number % 3].auth.Logout(auth_pb2.LogoutRequest(), metadata=credential)
        none_served_after(time.monotonic(), hammers)


def test_a_refresh_by_somebody_costs_others_nothing_and_ends_the_token_before_it(servers: list[ServerProcess]) -> None:
    one, other, _ = servers
    login = auth_pb2.LoginRequest(email="admin@localhost", password="correct horse battery")
    pair = one.auth.Login(login)
    other.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(pair.access_token))
    fresh = one.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
    old = bearer(pair.access_token)
    assert status(one.auth, old) is grpc.StatusCode.UNAUTHENTICATED  # at once in the process that answered
    deadline = time.monotonic() + 20
    while status(other.auth, old) is grpc.StatusCode.OK:  # and within the lease in the others
        assert time.monotonic() < deadline
    other.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(fresh.access_token))


def test_a_process_that_was_stopped_serves_nothing_revoked_meanwhile(servers: list[ServerProcess]) -> None:
    admin, stopped, _ = servers
    for number in range(ROUNDS):
        made = admin.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name=f"s{number}"), metadata=admin.admin)
        stopped.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(made.key))
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            request = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
            admin.auth.RevokeSystemApiKey(request, metadata=admin.admin)
            call = stopped.datasets.ListDatasets.future(datasets_pb2.ListDatasetsRequest(), metadata=bearer(made.key))
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        assert call.exception(20).code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
