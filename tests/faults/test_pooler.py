"""The whole server behind PgBouncer in transaction mode, which keeps no session for anybody."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from phoenix_grpc.client import Client
from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_PASSWORD, bearer, reason_of
from tests.postgres import empty_database
from tests.postgres_pooler import pooled
from tests.process import ServerProcess


@pytest.fixture
def url() -> Iterator[str]:
    """An empty database behind a pooler."""
    with pooled(empty_database()) as url:
        yield url


def test_a_dataset_goes_up_and_down_and_a_key_comes_and_goes(tmp_path: Path, url: str) -> None:
    settings = {"PHOENIX_SQL_DATABASE_URL": url, "PHOENIX_SQL_PREPARED_STATEMENTS": "false"}
    with ServerProcess(tmp_path, **settings) as one, ServerProcess(tmp_path, **settings) as two:
        login = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        session = bearer(one.auth.Login(login).access_token)
        made = one.auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="key"), metadata=session)
        records = [{"input": {"number": number}} for number in range(3000)]
        file = tmp_path / "numbers.jsonl"
        with Client(one.address, made.key) as client:
            client.upload([json.dumps(record).encode() + b"\n" for record in records], "numbers")
        with Client(two.address, made.key) as client:
            client.download("numbers", file)
        assert [json.loads(line)["input"] for line in file.read_text().splitlines()] == [
            record["input"] for record in records
        ]
        one.auth.RevokeApiKey(auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id), metadata=session)
        with pytest.raises(grpc.RpcError) as caught:
            two.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(made.key))
        assert reason_of(caught.value) == "API_KEY_REVOKED"
