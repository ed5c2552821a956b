"""`phoenix-grpc copy`, and what the server says of a store that was moved."""

from pathlib import Path

import pytest

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_PASSWORD, bearer
from tests.postgres import empty_database
from tests.process import ServerProcess, serve_fails


@pytest.mark.sqlite
def test_a_store_moves_to_postgresql_and_sessions_keys_and_data_go_on(offline: Cli, tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        request = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
        token = server.auth.Login(request).access_token
        made = server.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name="k"), metadata=server.admin)
        dataset = server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="d"), metadata=server.admin)
        source = server.database_url
    target = empty_database()
    shown = offline.run("copy", source, target).stderr
    assert "rows. SOURCE takes no writes" in shown
    assert "PHOENIX_SECRET" in shown
    code, stderr = serve_fails(tmp_path)
    assert (code, "the store was moved to postgresql:///test" in stderr) == (2, True)
    with ServerProcess(tmp_path, PHOENIX_SQL_DATABASE_URL=target) as server:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(token))
        found = server.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="d"), metadata=bearer(made.key))
        assert found.dataset_id == dataset.dataset_id
    assert "was moved to" in offline.run("copy", source, empty_database(), exit_code=2).stderr
    assert "takes writes again" in offline.run("copy", "--give-up", source).stderr
    with ServerProcess(tmp_path) as server:
        server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="again"), metadata=server.admin)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sqlite:///nowhere.db"], "name SOURCE and TARGET"),
        (["--give-up", "sqlite:///a.db", "sqlite:///b.db"], "name SOURCE and TARGET"),
        (["sqlite:///a.db", "sqlite:///a.db"], "are the same"),
        (["sqlite:///nowhere.db", "sqlite:///b.db"], "nowhere.db does not exist"),
        (["mysql://x", "sqlite:///b.db"], "must be sqlite:///PATH"),
    ],
)
def test_what_cannot_be_copied_is_said(offline: Cli, arguments: list[str], message: str) -> None:
    assert message in offline.run("copy", *arguments, exit_code=2).stderr
