"""AuthService without a network: real store, real credentials, the guard's two questions, and a clock to set."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import argon2
import pytest

from phoenix_grpc import model
from phoenix_grpc.config import Settings
from phoenix_grpc.contract import METHODS
from phoenix_grpc.credentials import api_keys, passwords
from phoenix_grpc.errors import Error
from phoenix_grpc.guard import access
from phoenix_grpc.guard.authentication import Authenticator
from phoenix_grpc.guard.call import ANONYMOUS, Call, current_call
from phoenix_grpc.server.first_start import FirstStart
from phoenix_grpc.server.signing_key import open_key_ring
from phoenix_grpc.services.auth.servicer import AuthServicer
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET, make_settings

SERVICE = auth_pb2.DESCRIPTOR.services_by_name["AuthService"]
PASSWORD = "a good password"


class Clock:
    """The time, which passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1_800_000_000_000_000

    def __call__(self) -> int:
        return self.time

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self.time += round(seconds * 1_000_000)


def use_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Makes the program's clock one that stands still."""
    clock = Clock()
    monkeypatch.setattr(model, "now", clock)
    return clock


def use_cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes hashing take no time."""
    monkeypatch.setattr(passwords, "hasher", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def first_days_key() -> str:
    """A key as the first releases made them."""
    body = "phx_" + api_keys.new_api_key()[7:-6]
    return body + api_keys._checksum(body)


class Accounts:
    """One process: its servicer and its authenticator, on a store that others may share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = open_engine(settings.database_url)
        ring = open_key_ring(settings)
        self.ring = ring
        self.authenticator = Authenticator(self.engine, settings, ring)
        self.servicer = AuthServicer(self.engine, settings, ring, METHODS)
        self.calls = 0

    async def call(self, method: str, bearer: str = "", /, **fields: Any) -> Any:
        """Calls a method as the guard does: identified, allowed, then served."""
        path = f"/{SERVICE.full_name}/{method}"
        rule = METHODS[path].rule
        known = self.settings.enable_auth and not rule.public
        principal = (await self.authenticator.identify(bearer)).principal if known else ANONYMOUS
        if (refusal := access.refusal(rule, principal)) is not None:
            raise refusal
        self.calls += 1
        call = Call(path, f"request-{self.calls}", "tests/1", principal=principal, address="192.0.2.1")
        token = current_call.set(call)
        try:
            name = SERVICE.methods_by_name[method].input_type.name
            return await getattr(self.servicer, method)(getattr(auth_pb2, name)(**fields))
        finally:
            current_call.reset(token)

    async def reason(self, method: str, bearer: str = "", /, **fields: Any) -> str:
        """The reason for which a call fails."""
        with pytest.raises(Error) as caught:
            await self.call(method, bearer, **fields)
        return caught.value.reason

    async def violation(self, method: str, bearer: str = "", /, **fields: Any) -> str:
        """The field for which a call is invalid."""
        with pytest.raises(Error) as caught:
            await self.call(method, bearer, **fields)
        assert caught.value.reason == "INVALID_FIELD"
        return caught.value.field  # type: ignore[attr-defined, no-any-return]

    async def login(self, email: str = "admin@localhost", password: str = ADMIN_PASSWORD) -> auth_pb2.TokenPair:
        """A new session of a user, by default of the admin."""
        pair: auth_pb2.TokenPair = await self.call("Login", email=email, password=password)
        return pair

    async def user(self, role: str = "MEMBER", **fields: Any) -> auth_pb2.User:
        """A new user with the password PASSWORD."""
        fields = {"email": f"{secrets.token_hex(6)}@example.com", "password": PASSWORD} | fields
        user: auth_pb2.User = await self.call("CreateUser", ADMIN_SECRET, role=f"ROLE_{role}", **fields)
        return user

    async def session(self, role: str = "MEMBER") -> str:
        """The access token of a new user."""
        return (await self.login((await self.user(role)).email, PASSWORD)).access_token

    async def key(self, session: str, **fields: Any) -> auth_pb2.ApiKeySecret:
        """A new key of the session's user."""
        made: auth_pb2.ApiKeySecret = await self.call("CreateApiKey", session, **{"name": "key", **fields})
        return made

    async def events(self, **wanted: Any) -> list[auth_pb2.AuditEvent]:
        """The audit log, newest first."""
        return list((await self.call("ListAuditEvents", ADMIN_SECRET, **wanted)).events)

    async def close(self) -> None:
        """Lets go of the store."""
        await self.servicer.close()
        await self.engine.close()


@contextlib.asynccontextmanager
async def accounts_in(folder: Path, **changes: Any) -> AsyncIterator[Accounts]:
    """A process on the store in `folder`, with its first users made."""
    accounts = Accounts(make_settings(folder, **changes))
    try:
        await FirstStart(accounts.engine, accounts.settings).make()
        yield accounts
    finally:
        await accounts.close()
