"""A forgotten password, from the request over the mail to the new one."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.conftest import eventually
from tests.http.conftest import PASSWORD, Web, authorized, door_settings, web_of
from tests.services.auth.test_mail import Mailbox, mail_server, parts

NEW = "a new good password"
EVIL = {"host": "evil.example.com", "x-forwarded-host": "evil.example.com"}


@pytest_asyncio.fixture
async def mailing(tmp_path: Path) -> AsyncIterator[tuple[Web, Mailbox]]:
    """A server that mails, and what its mail server has received."""
    async with mail_server() as (mailbox, port):
        fields = {"smtp_hostname": "127.0.0.1", "smtp_port": port, "root_url": "http://data.example.com"}
        async with web_of(door_settings(tmp_path, **fields)) as web:
            yield web, mailbox


async def reset_token(web: Web, mailbox: Mailbox, address: str) -> str:
    """The token in the link that is mailed."""
    answer = await web.send("POST", "/auth/password-reset-email", EVIL, json={"email": address})
    assert (answer.status_code, answer.content) == (204, b"")
    await eventually(lambda: mailbox.received)
    message, plain, rich = parts(mailbox.received.pop()[2])
    assert message["To"] == address
    assert "evil" not in plain + rich
    link = re.search(r"^http://data\.example\.com/#/reset-password\?token=(\S+)\r?$", plain, re.MULTILINE)
    assert link is not None
    return link[1]


async def test_a_mailed_link_sets_a_new_password_once_and_ends_the_sessions(mailing: tuple[Web, Mailbox]) -> None:
    web, mailbox = mailing
    user = await web.api.make_user("MEMBER", PASSWORD)
    session = authorized((await web.tokens(user.email, PASSWORD))["access_token"])
    token = await reset_token(web, mailbox, user.email)
    assert (await web.send("GET", "/v1/user", session)).status_code == 200

    assert (
        await web.send("POST", "/auth/password-reset", {}, json={"token": token, "password": "x"})
    ).status_code == 422
    body = {"token": token, "password": NEW}
    assert (await web.send("GET", "/v1/user", authorized(token))).status_code == 401
    assert (await web.send("POST", "/auth/password-reset", {}, json=body)).status_code == 204
    again = await web.send("POST", "/auth/password-reset", {}, json=body)
    assert (again.status_code, again.text) == (401, "Invalid token")
    assert (await web.send("GET", "/v1/user", session)).status_code == 401
    old = await web.send("POST", "/auth/login", {}, json={"email": user.email, "password": PASSWORD})
    assert old.status_code == 401
    assert await web.tokens(user.email, NEW)


async def test_a_second_request_mails_a_second_link_and_it_alone_works(mailing: tuple[Web, Mailbox]) -> None:
    web, mailbox = mailing
    user = await web.api.make_user("MEMBER", PASSWORD)
    first, second = [await reset_token(web, mailbox, user.email) for _ in range(2)]
    void = await web.send("POST", "/auth/password-reset", {}, json={"token": first, "password": NEW})
    assert (void.status_code, void.text) == (401, "Invalid token")
    works = await web.send("POST", "/auth/password-reset", {}, json={"token": second, "password": NEW})
    assert works.status_code == 204


async def test_who_signs_in_elsewhere_gets_no_link_and_nobody_learns_it(mailing: tuple[Web, Mailbox]) -> None:
    web, mailbox = mailing
    for method in ("OAUTH2", "LDAP"):
        user = {"email": f"{method}@example.com", "username": method, "role": "MEMBER", "auth_method": method}
        assert (await web.send("POST", "/v1/users", json={"user": user})).status_code == 201
        answer = await web.send("POST", "/auth/password-reset-email", {}, json={"email": user["email"]})
        assert (answer.status_code, answer.content) == (204, b"")
    assert await reset_token(web, mailbox, "admin@localhost")
    assert mailbox.received == []


async def test_nobody_learns_who_exists(mailing: tuple[Web, Mailbox]) -> None:
    web, mailbox = mailing
    for address in ("nobody@example.com", "no address", "system@localhost"):
        answer = await web.send("POST", "/auth/password-reset-email", {}, json={"email": address})
        assert (answer.status_code, answer.content) == (204, b""), address
    assert (await web.send("GET", "/v1/config", {})).json()["password_reset_enabled"] is True
    assert await reset_token(web, mailbox, "admin@localhost")
    assert mailbox.received == []


async def test_without_a_mail_server_there_is_no_mail_for_anyone(tmp_path: Path) -> None:
    async with web_of(door_settings(tmp_path)) as web:
        assert (await web.send("GET", "/v1/config", {})).json()["password_reset_enabled"] is False
        for address in ("admin@localhost", "nobody@example.com"):
            answer = await web.send("POST", "/auth/password-reset-email", {}, json={"email": address})
            assert (answer.status_code, answer.text) == (503, "SMTP server not configured")
