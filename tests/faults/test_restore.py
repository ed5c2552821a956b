"""PostgreSQL is restored to a point in time under a running server: the server trusts nothing that it knew before."""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.store.postgres.watcher import LEASE_SECONDS
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import ADMIN_PASSWORD, Metadata, bearer, reason_of
from tests.faults.cluster import Node, server_folder, until
from tests.process import ServerProcess


@pytest.fixture
def node() -> Iterator[Node]:
    """A server with an empty database "servers"."""
    with server_folder() as folder:
        node = Node(folder / "node")
        node.initialize()
        node.start()
        node.execute("CREATE DATABASE servers")
        yield node
        node.stop()


def reason(server: ServerProcess, caller: Metadata) -> str:
    """Why a call is refused; empty when it is served."""
    try:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=caller, timeout=20)
    except grpc.RpcError as error:
        return reason_of(error)
    return ""


def make_key(server: ServerProcess, session: Metadata, name: str) -> tuple[Metadata, str]:
    """A new API key, and its id."""
    made = server.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name=name), metadata=session)
    return bearer(made.key), made.api_key.api_key_id


def revoke(server: ServerProcess, session: Metadata, key_id: str) -> None:
    server.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=key_id), metadata=session, timeout=20)


def test_what_was_known_before_a_restore_is_forgotten(tmp_path: Path, node: Node) -> None:
    with ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=node.url("servers")) as server:
        login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        session = bearer(server.auth.Login(login).access_token)
        old, old_id = make_key(server, session, "before the backup")
        assert reason(server, old) == ""
        node.back_up()
        new, _ = make_key(server, session, "after the backup")
        later = bearer(server.auth.Login(login).access_token)
        # The revision moves on, so that it is lower after the restore, and later the same again.
        for number in range(3):
            revoke(server, session, make_key(server, session, f"short-lived {number}")[1])
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="after"), metadata=new)
        assert [reason(server, caller) for caller in (old, new, later, session)] == [""] * 4

        node.restore()
        # What was known before is trusted for a lease, like all that was read.
        time.sleep(LEASE_SECONDS)
        until(lambda: reason(server, session) == "", 20)
        assert reason(server, old) == ""
        assert reason(server, new) == "API_KEY_INVALID"
        assert reason(server, later) == "SESSION_REVOKED"
        with pytest.raises(grpc.RpcError) as caught:
            server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="after"), metadata=session)
        assert reason_of(caught.value) == "DATASET_NOT_FOUND"

        for number in range(4):
            revoke(server, session, make_key(server, session, f"again {number}")[1])
            assert reason(server, new) == "API_KEY_INVALID"
        revoke(server, session, old_id)
        assert reason(server, old) == "API_KEY_REVOKED"
