"""Sessions and keys against a plain model: two processes on one file, any order of events, every credential checked."""

import asyncio
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from phoenix_grpc.errors import Error
from phoenix_grpc.store.sqlite import LEASE_SECONDS
from phoenix_grpc.v1 import auth_pb2
from tests.accounts import PASSWORD, Accounts, accounts_in, use_cheap_passwords, use_clock
from tests.conftest import ADMIN_SECRET

SECOND = 1_000_000
ACCESS, REFRESH, GRACE = 600 * SECOND, 7 * 86_400 * SECOND, 10 * SECOND

ROLES = st.sampled_from(["ADMIN", "MEMBER", "VIEWER"])
INDEX = st.integers(0, 100)
PROCESS = st.integers(0, 1)


@dataclass
class Person:
    """A user."""

    id: str
    email: str
    role: str
    exists: bool = True


@dataclass
class Pair:
    """The tokens of one generation of a session."""

    access: str
    refresh: str
    issued_at: int
    used_at: int | None = None


@dataclass
class Login:
    """A session; the last of its pairs counts."""

    person: Person
    pairs: list[Pair] = field(default_factory=list)
    ended: bool = False

    @property
    def alive(self) -> bool:
        return self.person.exists and not self.ended


@dataclass
class Key:
    """An API key with all secrets it had, and when each ends."""

    person: Person
    id: str
    expires_at: int | None
    secrets: dict[str, int | None] = field(default_factory=dict)
    revoked: bool = False


class Credentials(RuleBasedStateMachine):
    """What anybody can do with credentials, and what must hold for each of them after it."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        use_cheap_passwords(self.patch)
        self.clock = use_clock(self.patch)
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.processes: list[Accounts] = [
            self.run(self.stack.enter_async_context(accounts_in(Path(self.folder.name)))) for _ in range(2)
        ]
        self.people: list[Person] = []
        self.logins: list[Login] = []
        self.keys: list[Key] = []

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def call(self, process: int, method: str, bearer: str = "", /, **fields: Any) -> Any:
        """The answer, or the reason of the refusal."""
        try:
            return self.run(self.processes[process].call(method, bearer, **fields))
        except Error as error:
            return error.reason

    # People

    @rule(process=PROCESS, role=ROLES)
    def add_person(self, process: int, role: str) -> None:
        user = self.run(self.processes[process].user(role))
        self.people.append(Person(user.user_id, user.email, role))

    @precondition(lambda self: self.people)
    @rule(process=PROCESS, index=INDEX, role=ROLES)
    def change_role(self, process: int, index: int, role: str) -> None:
        person = self.people[index % len(self.people)]
        found = self.call(process, "UpdateUser", ADMIN_SECRET, user_id=person.id, role=f"ROLE_{role}")
        if not person.exists:
            assert found == "USER_NOT_FOUND"
            return
        assert found.role == auth_pb2.Role.Value(f"ROLE_{role}")
        if role != person.role:
            self.end_all(person)
        person.role = role

    @precondition(lambda self: self.people)
    @rule(process=PROCESS, index=INDEX)
    def delete_person(self, process: int, index: int) -> None:
        person = self.people[index % len(self.people)]
        found = self.call(process, "DeleteUser", ADMIN_SECRET, user_id=person.id)
        assert (found == "USER_NOT_FOUND") is not person.exists
        person.exists = False

    def end_all(self, person: Person) -> None:
        for login in self.logins:
            if login.person is person:
                login.ended = True

    # Sessions

    @precondition(lambda self: self.people)
    @rule(process=PROCESS, index=INDEX)
    def log_in(self, process: int, index: int) -> None:
        person = self.people[index % len(self.people)]
        pair = self.call(process, "Login", email=person.email, password=PASSWORD)
        if person.exists:
            self.logins.append(Login(person, [self.pair(pair)]))
        else:
            assert pair in ("LOGIN_FAILED", "LOGIN_THROTTLED")

    @precondition(lambda self: self.logins)
    @rule(process=PROCESS, index=INDEX, age=st.integers(0, 4))
    def refresh(self, process: int, index: int, age: int) -> None:
        """With the newest token, or with one that was used before."""
        login = self.logins[index % len(self.logins)]
        pair = login.pairs[-1 - age % len(login.pairs)]
        found = self.call(process, "RefreshToken", refresh_token=pair.refresh)
        now = self.clock.time
        if pair.issued_at + REFRESH <= now:
            assert found == "REFRESH_TOKEN_EXPIRED"
        elif not login.alive:
            assert found == "SESSION_REVOKED"
        elif pair.used_at is not None:
            assert found == "REFRESH_TOKEN_REUSED"
            login.ended = pair.used_at + GRACE <= now
        else:
            pair.used_at = now
            login.pairs.append(self.pair(found))
            # A refresh does not wait until the other process has learned of it, as a revocation does.
            self.run(asyncio.sleep(LEASE_SECONDS))

    @precondition(lambda self: self.logins)
    @rule(process=PROCESS, index=INDEX, everything=st.booleans())
    def log_out(self, process: int, index: int, everything: bool) -> None:
        login = self.logins[index % len(self.logins)]
        expected = self.expected_of_access(login, login.pairs[-1])
        found = self.call(process, "Logout", login.pairs[-1].access, all=everything)
        if isinstance(found, str):
            assert found == expected
        elif everything:
            self.end_all(login.person)
        else:
            login.ended = True

    @precondition(lambda self: self.logins)
    @rule(process=PROCESS, index=INDEX, age=st.integers(0, 4))
    def revoke_token(self, process: int, index: int, age: int) -> None:
        login = self.logins[index % len(self.logins)]
        pair = login.pairs[-1 - age % len(login.pairs)]
        assert not isinstance(self.call(process, "RevokeToken", refresh_token=pair.refresh), str)
        if self.clock.time < pair.issued_at + REFRESH:
            login.ended = True

    # Keys

    @precondition(lambda self: self.logins)
    @rule(process=PROCESS, index=INDEX, lifetime=st.sampled_from([None, 30, 700]))
    def make_key(self, process: int, index: int, lifetime: int | None) -> None:
        login = self.logins[index % len(self.logins)]
        expires_at = None if lifetime is None else self.clock.time + lifetime * SECOND
        fields = {} if expires_at is None else {"expire_time": {"seconds": expires_at // SECOND}}
        expected = self.expected_of_access(login, login.pairs[-1])
        found = self.call(process, "CreateApiKey", login.pairs[-1].access, name="key", **fields)
        if isinstance(found, str):
            assert found == expected
        else:
            self.keys.append(Key(login.person, found.api_key.api_key_id, expires_at, {found.key: None}))

    @precondition(lambda self: self.keys and self.logins)
    @rule(process=PROCESS, index=INDEX, by=INDEX, overlap=st.sampled_from([0, 20]))
    def rotate_key(self, process: int, index: int, by: int, overlap: int) -> None:
        key, login = self.keys[index % len(self.keys)], self.logins[by % len(self.logins)]
        expected = self.expected_of_access(login, login.pairs[-1])
        fields = {"api_key_id": key.id, "overlap": {"seconds": overlap}}
        found = self.call(process, "RotateApiKey", login.pairs[-1].access, **fields)
        if expected != login.person.role:
            assert found == expected
        elif login.person is not key.person or key.revoked:
            assert found == "API_KEY_NOT_FOUND"
        else:
            until = self.clock.time + overlap * SECOND
            key.secrets = {text: min(end or until, until) for text, end in key.secrets.items()} | {found.key: None}

    @precondition(lambda self: self.keys)
    @rule(process=PROCESS, index=INDEX)
    def revoke_key(self, process: int, index: int) -> None:
        key = self.keys[index % len(self.keys)]
        found = self.call(process, "RevokeApiKey", ADMIN_SECRET, api_key_id=key.id)
        gone = key.revoked or not key.person.exists
        assert (found == "API_KEY_NOT_FOUND") is gone
        key.revoked = True

    # Time

    @rule(seconds=st.sampled_from([1, 9, 10, 30, 300, 600, 86_400, 7 * 86_400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    # What must hold

    @invariant()
    def every_credential_is_worth_what_the_model_says(self) -> None:
        for process in self.processes:
            for login in self.logins:
                for pair in login.pairs[-3:]:
                    assert self.worth(process, pair.access) == self.expected_of_access(login, pair)
            for key in self.keys:
                for text, end in key.secrets.items():
                    assert self.worth(process, text) == self.expected_of_key(key, end)

    def worth(self, process: Accounts, bearer: str) -> str:
        """The role that a credential has, or the reason why it has none."""
        try:
            return str(self.run(process.authenticator.identify(bearer)).principal.role)
        except Error as error:
            return error.reason

    def expected_of_access(self, login: Login, pair: Pair) -> str:
        if pair.issued_at + ACCESS <= self.clock.time:
            return "ACCESS_TOKEN_EXPIRED"
        if not login.alive or pair is not login.pairs[-1]:
            return "SESSION_REVOKED"
        return login.person.role

    def expected_of_key(self, key: Key, end: int | None) -> str:
        now = self.clock.time
        if not key.person.exists:
            return "API_KEY_INVALID"
        if key.revoked or (end is not None and end <= now):
            return "API_KEY_REVOKED"
        if key.expires_at is not None and key.expires_at <= now:
            return "API_KEY_EXPIRED"
        return key.person.role

    def pair(self, tokens: auth_pb2.TokenPair) -> Pair:
        return Pair(tokens.access_token, tokens.refresh_token, self.clock.time)

    def teardown(self) -> None:
        self.run(self.stack.aclose())
        self.runner.close()
        self.patch.undo()
        self.folder.cleanup()


TestCredentials = Credentials.TestCase
TestCredentials.settings = settings(max_examples=15, stateful_step_count=30, deadline=None)
