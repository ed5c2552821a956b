"""Passwords: changed by their owners, reset by mail through a real mail server."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiosmtpd.controller import Controller

from phoenix_grpc.credentials.secrets import new_token
from tests.accounts import PASSWORD, Accounts, Clock, accounts_in, use_cheap_passwords, use_clock
from tests.conftest import ADMIN_SECRET

NEW = "another password"


class Inbox:
    """What a mail server has received."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest_asyncio.fixture
async def inbox() -> AsyncIterator[tuple[Inbox, int]]:
    """A mail server, and its port."""
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(inbox, hostname="127.0.0.1", port=port)
    await asyncio.to_thread(controller.start)
    yield inbox, port
    await asyncio.to_thread(controller.stop)


@pytest_asyncio.fixture
async def mailing(
    tmp_path: Path, inbox: tuple[Inbox, int], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Accounts, Inbox, Clock]]:
    """Accounts with mail settings, what was mailed, and the clock."""
    use_cheap_passwords(monkeypatch)
    clock = use_clock(monkeypatch)
    mail = {"smtp_hostname": "127.0.0.1", "smtp_port": inbox[1], "root_url": "https://data.example.com/phoenix/"}
    async with accounts_in(tmp_path, **mail) as accounts:
        yield accounts, inbox[0], clock


async def mailed_token(accounts: Accounts, inbox: Inbox) -> str:
    """The token in the last mail, once all mails are sent."""
    await accounts.servicer.mailer.close()
    text = inbox.messages[-1].get_body(("plain",)).get_content()
    (token,) = re.findall(r"https://data\.example\.com/phoenix/#/reset-password\?token=([\w-]{43})\s", text)
    return token


async def test_an_owner_changes_the_password(accounts: Accounts) -> None:
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    other = (await accounts.login(user.email, PASSWORD)).access_token
    await accounts.call("ChangePassword", session, current_password=PASSWORD, new_password=NEW)
    assert await accounts.reason("WhoAmI", other) == "SESSION_REVOKED"
    assert not (await accounts.call("WhoAmI", session)).user.password_needs_reset
    assert await accounts.reason("Login", email=user.email, password=PASSWORD) == "LOGIN_FAILED"
    await accounts.login(user.email, NEW)
    (event,) = await accounts.events(action="password.change")
    assert event.target_id == event.actor_user_id == user.user_id


async def test_guessing_the_current_password_locks_the_email(accounts: Accounts) -> None:
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    for _ in range(5):
        reason = await accounts.reason("ChangePassword", session, current_password="wrong", new_password=NEW)
        assert reason == "LOGIN_FAILED"
    reason = await accounts.reason("ChangePassword", session, current_password=PASSWORD, new_password=NEW)
    assert reason == "LOGIN_THROTTLED"
    assert await accounts.reason("Login", email=user.email, password=PASSWORD) == "LOGIN_THROTTLED"


@pytest.mark.parametrize(
    ("current", "new", "field"),
    [
        ("", NEW, "current_password"),
        ("x" * 1001, NEW, "current_password"),
        (PASSWORD, "1234567", "new_password"),
        (PASSWORD, "x" * 1001, "new_password"),
        (PASSWORD, PASSWORD, "new_password"),
    ],
)
async def test_a_bad_password_is_named(accounts: Accounts, current: str, new: str, field: str) -> None:
    session = await accounts.session()
    found = await accounts.violation("ChangePassword", session, current_password=current, new_password=new)
    assert found == field


async def test_the_strong_policy_counts_where_passwords_are_set(accounts: Accounts, tmp_path: Path) -> None:
    async with accounts_in(tmp_path, enable_strong_password_policy=True) as strict:
        fields = {"email": "ada@example.com", "role": "ROLE_MEMBER"}
        assert await strict.violation("CreateUser", ADMIN_SECRET, **fields, password="correct horse") == "password"
        await strict.call("CreateUser", ADMIN_SECRET, **fields, password="Correct horse 1")


async def test_who_has_no_password_changes_none(accounts: Accounts) -> None:
    request = {"current_password": PASSWORD, "new_password": NEW}
    assert await accounts.reason("ChangePassword", ADMIN_SECRET, **request) == "NOT_A_USER"
    key = (await accounts.key(await accounts.session())).key
    assert await accounts.reason("ChangePassword", key, **request) == "CREDENTIAL_NOT_INTERACTIVE"


async def test_without_mail_settings_no_reset_is_mailed(accounts: Accounts) -> None:
    assert await accounts.reason("RequestPasswordReset", email="admin@localhost") == "MAIL_NOT_CONFIGURED"
    assert not (await accounts.call("GetServerConfig")).password_reset_enabled


async def test_a_mailed_link_sets_a_new_password_once(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, _ = mailing
    assert (await accounts.call("GetServerConfig")).password_reset_enabled
    user = await accounts.user()
    session = (await accounts.login(user.email, PASSWORD)).access_token
    for _ in range(5):
        await accounts.reason("Login", email=user.email, password="wrong")
    await accounts.call("RequestPasswordReset", email=user.email.upper())
    token = await mailed_token(accounts, inbox)
    assert inbox.messages[0]["To"] == user.email
    await accounts.call("ResetPassword", token=token, password=NEW)
    assert await accounts.reason("WhoAmI", session) == "SESSION_REVOKED"
    assert await accounts.reason("ResetPassword", token=token, password=NEW) == "RESET_TOKEN_INVALID"
    await accounts.login(user.email, NEW)
    (event,) = await accounts.events(action="password.reset")
    assert event.actor_user_id == user.user_id


async def test_a_stranger_gets_no_mail_and_the_same_answer(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, _ = mailing
    for email in ("nobody@example.com", "system@localhost", "no e-mail"):
        await accounts.call("RequestPasswordReset", email=email)
    assert await accounts.violation("RequestPasswordReset") == "email"
    await accounts.servicer.mailer.close()
    assert inbox.messages == []


async def test_a_mailbox_is_not_flooded(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, clock = mailing
    accounts.servicer.settings = accounts.settings.model_copy(update={"disable_rate_limit": False})
    sent = []
    for _ in range(20):
        for _ in range(5):
            await accounts.call("RequestPasswordReset", email="admin@localhost")
        await accounts.servicer.mailer.close()
        sent += [clock.time] * (len(inbox.messages) - len(sent))
        clock.advance(60)
    assert [round((time - sent[0]) / 60e6) for time in sent] == [0, 0, 0, 15, 15, 15]
    token = await mailed_token(accounts, inbox)
    await accounts.call("ResetPassword", token=token, password=NEW)  # those that were not mailed did not void it


async def test_the_limit_of_mails_can_be_switched_off(
    mailing: tuple[Accounts, Inbox, Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts, inbox, _ = mailing
    accounts.servicer.settings = accounts.settings.model_copy(update={"disable_rate_limit": True})
    for _ in range(10):
        await accounts.call("RequestPasswordReset", email="admin@localhost")
    await accounts.servicer.mailer.close()
    assert len(inbox.messages) == 10


async def test_a_newer_link_voids_the_one_before(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, clock = mailing
    tokens = []
    for _ in range(2):
        await accounts.call("RequestPasswordReset", email="admin@localhost")
        tokens.append(await mailed_token(accounts, inbox))
        clock.advance(60)
    assert await accounts.reason("ResetPassword", token=tokens[0], password=NEW) == "RESET_TOKEN_INVALID"
    await accounts.call("ResetPassword", token=tokens[1], password=NEW)


async def test_a_link_expires(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, clock = mailing
    await accounts.call("RequestPasswordReset", email="admin@localhost")
    token = await mailed_token(accounts, inbox)
    clock.advance(15 * 60)
    assert await accounts.reason("ResetPassword", token=token, password=NEW) == "RESET_TOKEN_INVALID"


async def test_a_weak_password_does_not_use_the_link_up(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, _ = mailing
    await accounts.call("RequestPasswordReset", email="admin@localhost")
    token = await mailed_token(accounts, inbox)
    assert await accounts.violation("ResetPassword", token=token, password="short") == "password"
    await accounts.call("ResetPassword", token=token, password=NEW)


async def test_a_link_is_void_once_the_password_was_set_otherwise(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, _ = mailing
    user = await accounts.user()
    await accounts.call("RequestPasswordReset", email=user.email)
    token = await mailed_token(accounts, inbox)
    await accounts.call("UpdateUser", ADMIN_SECRET, user_id=user.user_id, password="set by an admin")
    assert await accounts.reason("ResetPassword", token=token, password=NEW) == "RESET_TOKEN_INVALID"


@pytest.mark.parametrize("token", ["", "garbage", pytest.param(new_token(), id="never mailed"), "é", ADMIN_SECRET])
async def test_any_other_token_is_refused(accounts: Accounts, token: str) -> None:
    assert await accounts.reason("ResetPassword", token=token, password=NEW) == "RESET_TOKEN_INVALID"


async def test_a_new_user_is_welcomed_with_a_link(mailing: tuple[Accounts, Inbox, Clock]) -> None:
    accounts, inbox, clock = mailing
    user = await accounts.user(password="", send_welcome_email=True)
    token = await mailed_token(accounts, inbox)
    assert inbox.messages[0]["Subject"] == "Welcome: choose your password"
    clock.advance(2 * 86_400)
    await accounts.call("ResetPassword", token=token, password=NEW)
    await accounts.login(user.email, NEW)


async def test_without_mail_settings_a_new_user_is_not_welcomed(accounts: Accounts) -> None:
    assert (await accounts.user(send_welcome_email=True)).user_id
