"""A real server in this process, and people and keys for it."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from phoenix_grpc.config import Settings, load_settings
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc
from tests.postgres import new_database, stop_shared_server

if TYPE_CHECKING:
    from phoenix_grpc.server.serving import RunningServer

hypothesis_settings.register_profile(
    "project", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
hypothesis_settings.load_profile("project")

ON_POSTGRES = os.environ.get("TEST_ENGINE") == "postgresql"
"""Whether the servers of the tests keep their data in PostgreSQL; see CONTRIBUTING.md."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is about SQLite's file while the servers use PostgreSQL."""
    if ON_POSTGRES:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("sqlite")])
        items[:] = [item for item in items if not item.get_closest_marker("sqlite")]


def pytest_sessionfinish() -> None:
    """Ends the PostgreSQL server of this process, if it has one."""
    stop_shared_server()


ADMIN_PASSWORD = "correct horse battery"
ADMIN_SECRET = "an-admin-secret-of-32-characters-1"
SECRET = "a-signing-secret-of-32-characters-1"
_CHUNK = 1 << 20

Metadata = tuple[tuple[str, str], ...]


def bearer(token: str) -> Metadata:
    """Metadata with this credential."""
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a server on a free port with a new database."""
    return make_settings(tmp_path)


def database_url(folder: Path) -> str:
    """The database of a server that keeps its data in `folder`: always the same one; empty for the usual file."""
    if not ON_POSTGRES:
        return ""
    if folder not in _databases:
        _databases[folder] = new_database()
    return _databases[folder]


_databases: dict[Path, str] = {}


def make_settings(folder: Path, **changes: Any) -> Settings:
    """Settings of a server that keeps its data in `folder`."""
    values = {
        "working_dir": folder / "work",
        "grpc_port": 0,
        "port": 0,
        "secret": SECRET,
        "admin_secret": ADMIN_SECRET,
        "default_admin_initial_password": ADMIN_PASSWORD,
        "shutdown_grace_seconds": 0.2,
        "log_level": "ERROR",
        "disable_rate_limit": True,
        "sql_database_url": database_url(folder),
    }
    return load_settings(**{**values, **changes})


@dataclass
class Api:
    """A channel to a server with stubs of both services, and shortcuts to make callers."""

    server: "RunningServer"
    channel: grpc.aio.Channel
    auth: auth_pb2_grpc.AuthServiceStub = field(init=False)
    datasets: datasets_pb2_grpc.DatasetsServiceStub = field(init=False)

    def __post_init__(self) -> None:
        self.auth = auth_pb2_grpc.AuthServiceStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetsServiceStub(self.channel)

    @property
    def admin(self) -> Metadata:
        """Metadata of the admin secret."""
        return bearer(ADMIN_SECRET)

    async def login(self, email: str = "admin@localhost", password: str = ADMIN_PASSWORD) -> auth_pb2.TokenPair:
        """The tokens of a new session."""
        return await self.auth.Login(auth_pb2.LoginRequest(email=email, password=password))

    async def make_user(self, role: str, password: str = "a good password") -> auth_pb2.User:
        """A new user of this role, with this password."""
        email = f"{role.lower()}-{secrets.token_hex(4)}@example.com"
        request = auth_pb2.CreateUserRequest(email=email, role=auth_pb2.Role.Value(f"ROLE_{role}"), password=password)
        return await self.auth.CreateUser(request, metadata=self.admin)

    async def session(self, role: str = "MEMBER") -> Metadata:
        """Metadata of a session of a new user of this role."""
        user = await self.make_user(role)
        return bearer((await self.login(user.email, "a good password")).access_token)

    async def key(self, role: str = "MEMBER", **limits: Any) -> Metadata:
        """Metadata of a new API key of a new user of this role."""
        request = auth_pb2.CreateApiKeyRequest(name="key", **limits)
        made = await self.auth.CreateApiKey(request, metadata=await self.session(role))
        return bearer(made.key)

    async def system_key(self, **limits: Any) -> Metadata:
        """Metadata of a new system key."""
        request = auth_pb2.CreateApiKeyRequest(name="system", **limits)
        return bearer((await self.auth.CreateSystemApiKey(request, metadata=self.admin)).key)

    async def upload(self, header: datasets_pb2.UploadDatasetHeader, data: bytes, metadata: Metadata = ()) -> Any:
        """Uploads `data`; what fits goes in one chunk."""
        chunks = [data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK)]
        messages = [datasets_pb2.UploadDatasetRequest(header=header)]
        messages += [datasets_pb2.UploadDatasetRequest(chunk=chunk) for chunk in chunks]
        return await self.datasets.UploadDataset(iter(messages), metadata=metadata or self.admin)


@contextlib.asynccontextmanager
async def api_of(settings: Settings) -> AsyncIterator[Api]:
    """A server with these settings, and a channel to it."""
    from phoenix_grpc.server.serving import serving

    async with serving(settings) as server, grpc.aio.insecure_channel(server.address) as channel:
        yield Api(server, channel)


@pytest_asyncio.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """A new server with a new database, and a channel to it."""
    async with api_of(settings) as api:
        yield api


@pytest_asyncio.fixture
async def server(api: Api) -> "RunningServer":
    """The server of `api`."""
    return api.server


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """The reason in the ErrorInfo that every error carries."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error}"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "phoenix_grpc"
    return info.reason


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    """The details of an error, by the name of their message."""
    found = {}
    for packed in rpc_status.from_call(error).details:
        message = getattr(error_details_pb2, packed.TypeName().split(".")[-1])()
        packed.Unpack(message)
        found[packed.TypeName().split(".")[-1]] = message
    return found


def trailer(error: grpc.aio.AioRpcError, key: str) -> str | None:
    """A value of the trailing metadata."""
    return dict(error.trailing_metadata() or ()).get(key)


async def refused(call: Any) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def eventually(check: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Waits until `check` answers something true; for what happens off the calls' path."""
    async with asyncio.timeout(seconds):
        while not (found := check()):
            await asyncio.sleep(0.02)
    return found
