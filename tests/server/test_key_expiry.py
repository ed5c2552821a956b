"""Mails before API keys expire, to a real mail server, and the report of those that expire too late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from phoenix_grpc.server import background, key_expiry
from phoenix_grpc.services.auth.mail import Mailer
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import auth_pb2
from tests.accounts import PASSWORD, Accounts, Clock, accounts_in, use_cheap_passwords, use_clock
from tests.conftest import ADMIN_SECRET, api_of, eventually, make_settings
from tests.services.auth.test_mail import Mailbox, mail_server, parts

HOUR, DAY = 3600, 86_400


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    use_cheap_passwords(monkeypatch)
    return use_clock(monkeypatch)


@contextlib.asynccontextmanager
async def process(folder: Path, port: int, **changes: Any) -> AsyncIterator[Accounts]:
    """A process that mails through the server at `port`."""
    fields = {"smtp_hostname": "127.0.0.1", "smtp_port": port, "root_url": "https://data.example.com"}
    async with accounts_in(folder, **fields | changes) as accounts:
        yield accounts


@pytest_asyncio.fixture
async def mailing(tmp_path: Path, clock: Clock) -> AsyncIterator[tuple[Accounts, Mailbox, Clock]]:
    async with mail_server() as (mailbox, port), process(tmp_path, port) as accounts:
        yield accounts, mailbox, clock


async def notify(accounts: Accounts) -> None:
    """One round of notices."""
    await key_expiry.send_notices(accounts.engine, accounts.settings, Mailer(accounts.settings))


def expiring(clock: Clock, seconds: float) -> dict[str, Any]:
    stamp = Timestamp()
    stamp.FromMicroseconds(clock.time + round(seconds * 1_000_000))
    return {"expire_time": stamp}


async def test_the_owner_is_told_a_week_and_a_day_before(mailing: tuple[Accounts, Mailbox, Clock]) -> None:
    accounts, mailbox, clock = mailing
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    made = await accounts.key(session, name="nightly <b>", **expiring(clock, 10 * DAY))
    await accounts.key(session, name="for ever")
    told = []
    for hour in range(11 * 24):
        await notify(accounts)
        told += [hour] * (len(mailbox.received) - len(told))
        clock.advance(HOUR)
    assert told == [3 * 24, 9 * 24]
    for _, _, content in mailbox.received:
        message, plain, rich = parts(content)
        assert (message["To"], message["Subject"]) == (user.email, "Your API key is about to expire")
        assert "nightly <b>" in plain
        assert "nightly &lt;b&gt;" in rich
        assert f"{made.api_key.hint}…" in plain
        assert "2027-01-25 08:00 UTC" in plain
        assert "https://data.example.com/#/settings" in plain.splitlines()
        assert made.key not in plain + rich


@pytest.mark.parametrize(
    ("life", "told"),
    [
        (DAY - 1, []),  # it never had a day
        (3 * DAY, [2]),  # it never had a week
        (7 * DAY, [0, 6]),
    ],
)
async def test_of_a_short_life_less_is_told(
    mailing: tuple[Accounts, Mailbox, Clock], life: int, told: list[int]
) -> None:
    accounts, mailbox, clock = mailing
    await accounts.key(await accounts.session(), **expiring(clock, life))
    found = []
    for day in range(10):
        await notify(accounts)
        found += [day] * (len(mailbox.received) - len(found))
        clock.advance(DAY)
    assert found == told


async def test_what_was_missed_is_told_once_and_what_is_over_not_at_all(
    mailing: tuple[Accounts, Mailbox, Clock],
) -> None:
    accounts, mailbox, clock = mailing
    session = await accounts.session()
    made = [await accounts.key(session, name=f"{days}", **expiring(clock, days * DAY)) for days in (19.9, 20.5, 25, 25)]
    await accounts.call("RevokeApiKey", session, api_key_id=made[3].api_key.api_key_id)
    clock.advance(20 * DAY)  # nobody was told of anything meanwhile
    for _ in range(3):
        await notify(accounts)
    names = [plain.partition("API key ")[2].split()[0] for _, plain, _ in (parts(mail[2]) for mail in mailbox.received)]
    assert names == ["20.5", "25"]


async def test_of_a_system_key_its_maker_is_told(mailing: tuple[Accounts, Mailbox, Clock]) -> None:
    accounts, mailbox, clock = mailing
    makers = [await accounts.user("ADMIN") for _ in range(2)]
    for maker in makers:
        session = (await accounts.login(maker.email, PASSWORD)).access_token
        await accounts.call("CreateSystemApiKey", session, name="pipeline", **expiring(clock, 8 * DAY))
    await accounts.call("CreateSystemApiKey", ADMIN_SECRET, name="of the secret", **expiring(clock, 8 * DAY))
    await accounts.call("DeleteUser", ADMIN_SECRET, user_id=makers[1].user_id)
    clock.advance(2 * DAY)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2):
            await notify(accounts)
    [(_, _, content)] = mailbox.received
    message, plain, _ = parts(content)
    assert (message["To"], "system key pipeline" in plain) == (makers[0].email, True)
    assert "https://data.example.com/#/admin/keys" in plain.splitlines()
    assert [line["name"] for line in lines if "nobody is known" in line["event"]] == ["pipeline", "of the secret"]


async def test_processes_that_share_a_database_tell_once(tmp_path: Path, clock: Clock) -> None:
    async with mail_server() as (mailbox, port), process(tmp_path, port) as one, process(tmp_path, port) as other:
        session = await one.session()
        for number in range(10):
            await one.key(session, name=f"key-{number}.", **expiring(clock, 8 * DAY))
        clock.advance(2 * DAY)
        await asyncio.gather(*(notify(accounts) for accounts in (one, other) * 2))
    told = [next(word for word in parts(mail[2])[1].split() if "key-" in word) for mail in mailbox.received]
    assert sorted(told) == [f"key-{number}." for number in range(10)]


async def test_a_mail_that_fails_is_lost_and_the_others_wait(tmp_path: Path, clock: Clock) -> None:
    async with mail_server() as (mailbox, port), process(tmp_path, port) as accounts:
        session = await accounts.session()
        for name in "abc":
            await accounts.key(session, name=name, **expiring(clock, 8 * DAY))
        clock.advance(2 * DAY)
        broken = accounts.settings.model_copy(update={"smtp_port": 1})
        with structlog.testing.capture_logs() as lines:
            await key_expiry.send_notices(accounts.engine, broken, Mailer(broken))
        assert [line["event"] for line in lines] == ["mail not sent"]
        await notify(accounts)
        assert len(mailbox.received) == 2


@pytest.mark.parametrize("changes", [{"smtp_hostname": ""}, {"root_url": ""}, {"enable_auth": False}])
async def test_without_mail_or_authentication_nobody_is_marked_as_told(
    tmp_path: Path, clock: Clock, changes: dict[str, Any]
) -> None:
    async with mail_server() as (mailbox, port), process(tmp_path, port) as accounts:
        await accounts.key(await accounts.session(), **expiring(clock, 8 * DAY))
        clock.advance(2 * DAY)
        silent = accounts.settings.model_copy(update=changes)
        await key_expiry.send_notices(accounts.engine, silent, Mailer(silent))
        assert mailbox.received == []
        await notify(accounts)
        assert len(mailbox.received) == 1


def make_old(tx: Transaction) -> None:
    """Makes all keys look a year old."""
    tx.run("UPDATE api_keys SET created_at = created_at - 31536000000000")


async def test_a_server_tells_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "NOTICES_SECONDS", 0.05)
    async with mail_server() as (mailbox, port):
        fields = {"smtp_hostname": "127.0.0.1", "smtp_port": port, "root_url": "https://data.example.com"}
        async with api_of(make_settings(tmp_path, **fields)) as api:
            session = (("authorization", f"Bearer {(await api.login()).access_token}"),)
            request = auth_pb2.CreateApiKeyRequest(name="nightly")
            request.expire_time.GetCurrentTime()
            request.expire_time.seconds += 20 * HOUR
            await api.auth.CreateApiKey(request, metadata=session)
            await api.server.engine.write(make_old)
            await eventually(lambda: mailbox.received)
            await asyncio.sleep(0.2)
    assert len(mailbox.received) == 1


@pytest.mark.parametrize(("days", "count"), [(None, 0), (30, 2), (400, 1)])
async def test_a_start_reports_the_keys_that_outlive_the_cap(
    tmp_path: Path, clock: Clock, days: int | None, count: int
) -> None:
    async with accounts_in(tmp_path) as accounts:
        session = await accounts.session()
        for fields in ({}, expiring(clock, 365 * DAY), expiring(clock, 20 * DAY)):
            await accounts.key(session, **fields)
        gone = await accounts.key(session)
        await accounts.call("RevokeApiKey", session, api_key_id=gone.api_key.api_key_id)
    with structlog.testing.capture_logs() as lines:
        async with api_of(make_settings(tmp_path, api_key_max_days=days)):
            pass
    found = [line for line in lines if "PHOENIX_API_KEY_MAX_DAYS" in line["event"]]
    assert [(line["log_level"], line["count"]) for line in found] == ([("warning", count)] if count else [])
