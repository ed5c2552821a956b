"""A real server with its HTTP door, and people and keys for it over HTTP."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from phoenix_grpc.config import Settings
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET, Api, api_of, make_settings

PASSWORD = "a good password"


def authorized(token: str) -> dict[str, str]:
    """The header with this credential."""
    return {"authorization": f"Bearer {token}"}


ADMIN = authorized(ADMIN_SECRET)


@dataclass
class Web:
    """A running server, an HTTP client for it, and shortcuts to make callers."""

    api: Api
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        """Where the door is."""
        return str(self.client.base_url).rstrip("/")

    async def send(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """The answer to a request; by default the admin secret asks."""
        return await self.client.request(method, path, headers=ADMIN if headers is None else headers, **more)

    async def tokens(
        self, email: str = "admin@localhost", password: str = ADMIN_PASSWORD, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The tokens of a new session."""
        body = {"email": email, "password": password}
        headers = {"accept": "application/json", **(headers or {})}
        answer = await self.send("POST", "/auth/login", headers, json=body)
        self.client.cookies.clear()
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def make_user(self, role: str) -> dict[str, Any]:
        """A new user of this role, whose password is PASSWORD."""
        name = f"{role.lower()}-{secrets.token_hex(4)}"
        user = {"email": f"{name}@example.com", "username": name, "role": role, "auth_method": "LOCAL"}
        answer = await self.send("POST", "/v1/users", json={"user": {**user, "password": PASSWORD}})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def session(self, role: str) -> dict[str, str]:
        """The header of a session of a new user of this role."""
        user = await self.make_user(role)
        return authorized((await self.tokens(user["email"], PASSWORD))["access_token"])

    async def key(self, role: str, **limits: Any) -> dict[str, str]:
        """The header of a new API key of a new user of this role."""
        return authorized((await self.make_key(await self.session(role), **limits))["key"])

    async def make_key(self, headers: dict[str, str], **limits: Any) -> dict[str, Any]:
        """A new personal key."""
        answer = await self.send("POST", "/v1/user/api_keys", headers, json={"data": {"name": "key", **limits}})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]

    async def system_key(self) -> dict[str, str]:
        """The header of a new system key."""
        answer = await self.send("POST", "/v1/system/api_keys", json={"data": {"name": "system"}})
        return authorized(answer.json()["data"]["key"])

    async def upload(self, inputs: list[Any], name: str = "", **more: Any) -> dict[str, Any]:
        """Uploads examples as JSON, by default into a new dataset; answers the data of the answer."""
        body = {"name": name or secrets.token_hex(8), "inputs": inputs, **more}
        answer = await self.send("POST", "/v1/datasets/upload?sync=true", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def examples(self, dataset_id: str, **query: Any) -> list[dict[str, Any]]:
        """The examples of a dataset."""
        answer = await self.send("GET", f"/v1/datasets/{dataset_id}/examples", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["examples"]


def door_settings(folder: Path, **changes: Any) -> Settings:
    """Settings of a server with a door on a free port."""
    return make_settings(folder, **{"port": 0, **changes})


async def exchange(web: Web, data: bytes) -> bytes:
    """What the server answers to these bytes until it closes the connection, or says nothing for a second."""
    url = httpx.URL(web.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(data)
    answer = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while piece := await asyncio.wait_for(reader.read(65536), 1):
            answer += piece
    writer.close()
    return answer


@contextlib.asynccontextmanager
async def web_of(settings: Settings) -> AsyncIterator[Web]:
    """A server with these settings, and a client of its door."""
    async with (
        api_of(settings) as api,
        httpx.AsyncClient(base_url=api.server.http_address, timeout=30) as client,
    ):
        yield Web(api, client)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Web]:
    """One server for the tests of a module."""
    async with web_of(door_settings(tmp_path_factory.mktemp("server"))) as web:
        yield web
