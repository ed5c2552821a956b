"""Mails: what is in them, and how they cross the network, to real mail servers."""

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from phoenix_grpc.services.auth import mail
from phoenix_grpc.services.auth.mail import Mailer
from tests.conftest import make_settings

MAIL_PASSWORD = "the password at the mail server"


class Mailbox:
    """What a mail server has received, and whether it came encrypted and by whom."""

    def __init__(self) -> None:
        self.received: list[tuple[bool, str, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        name = session.auth_data.login.decode() if session.auth_data else ""
        self.received.append((session.ssl is not None, name, envelope.content))
        return "250 OK"


def let_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
    return AuthResult(success=given.password == MAIL_PASSWORD.encode(), handled=False, auth_data=given)


@contextlib.asynccontextmanager
async def mail_server(authority: trustme.CA | None = None) -> AsyncIterator[tuple[Mailbox, int]]:
    """A mail server, with STARTTLS when there is an authority; only with it does it let people log in."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    context = None
    if authority:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port, tls_context=context, authenticator=let_in)
    await asyncio.to_thread(controller.start)
    try:
        yield mailbox, port
    finally:
        await asyncio.to_thread(controller.stop)


async def send(folder: Path, port: int, **changes: Any) -> list[dict[str, Any]]:
    """Sends one mail, and answers what was logged."""
    fields = {"smtp_hostname": "127.0.0.1", "smtp_port": port, "root_url": "https://data.example.com"}
    mailer = Mailer(make_settings(folder, **fields | changes))

    async def compose() -> EmailMessage:
        return mailer.reset_mail("ada@example.com", "TOKEN")

    with structlog.testing.capture_logs() as lines:
        mailer.post(compose)
        await mailer.close()
    return lines


@pytest.mark.parametrize(
    ("host", "root", "enabled"),
    [("mail", "https://x", True), ("", "https://x", False), ("mail", "", False), ("", "", False)],
)
async def test_mail_needs_a_server_and_an_address_for_links(
    tmp_path: Path, host: str, root: str, enabled: bool
) -> None:
    assert Mailer(make_settings(tmp_path, smtp_hostname=host, root_url=root)).enabled is enabled


def parts(content: bytes) -> tuple[EmailMessage, str, str]:
    """A mail as it was received, its text and its HTML."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message.get_content_type() == "multipart/alternative"
    plain, rich = message.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    return message, plain.get_content(), rich.get_content()


class Links(HTMLParser):
    """What an HTML text shows, the addresses it leads to, and its elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.shown, self.addresses, self.elements = "", [], set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.add(tag)
        self.addresses += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.shown += data


async def test_what_people_chose_is_no_markup(tmp_path: Path) -> None:
    name = '"<img src=x>&amp;"@example.com'
    mailer = Mailer(make_settings(tmp_path, root_url="https://data.example.com/?a=1&b=<i>"))
    _, plain, rich = parts(mailer.reset_mail(name, "TOKEN").as_bytes())
    assert name in plain
    page = Links(rich)
    assert name in page.shown
    assert page.elements == {"html", "body", "p", "a"}
    assert page.addresses == ["https://data.example.com/?a=1&b=<i>/#/reset-password?token=TOKEN"]


async def test_a_mail_carries_the_link_and_its_sender(tmp_path: Path) -> None:
    async with mail_server() as (mailbox, port):
        assert await send(tmp_path, port, smtp_mail_from="Data <data@example.com>") == []
    ((encrypted, name, content),) = mailbox.received
    assert (encrypted, name) == (False, "")
    message, plain, rich = parts(content)
    assert (message["From"], message["To"]) == ("Data <data@example.com>", "ada@example.com")
    assert message["Date"]
    assert message["Message-ID"].endswith("@example.com>")
    assert "https://data.example.com/#/reset-password?token=TOKEN" in plain.splitlines()
    assert Links(rich).addresses == ["https://data.example.com/#/reset-password?token=TOKEN"]


async def test_encryption_is_used_when_it_is_offered(tmp_path: Path) -> None:
    async with mail_server(trustme.CA()) as (mailbox, port):
        assert await send(tmp_path, port, smtp_validate_certs=False) == []
    assert mailbox.received[0][0] is True


async def test_a_certificate_of_nobody_known_is_refused(tmp_path: Path) -> None:
    async with mail_server(trustme.CA()) as (mailbox, port):
        (line,) = await send(tmp_path, port)
    assert line["event"] == "mail not sent"
    assert "certificate" in line["error"].lower()
    assert mailbox.received == []


async def test_a_certificate_of_a_known_authority_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with mail_server(authority) as (mailbox, port):
        assert await send(tmp_path, port) == []
    assert mailbox.received[0][0] is True


async def test_a_password_crosses_the_network_encrypted_only(tmp_path: Path) -> None:
    login = {"smtp_username": "phoenix", "smtp_password": MAIL_PASSWORD, "smtp_validate_certs": False}
    async with mail_server() as (mailbox, port):
        (line,) = await send(tmp_path, port, **login)
        assert line["event"] == "mail not sent"
        assert mailbox.received == []
    async with mail_server(trustme.CA()) as (mailbox, port):
        assert await send(tmp_path, port, **login) == []
        assert mailbox.received[0][:2] == (True, "phoenix")


async def test_a_failure_is_logged_without_secrets(tmp_path: Path) -> None:
    login = {"smtp_username": "phoenix", "smtp_password": "wrong password", "smtp_validate_certs": False}
    async with mail_server(trustme.CA()) as (_, port):
        lines = await send(tmp_path, port, **login)
    lines += await send(tmp_path, 1)  # nobody listens there
    assert [line["event"] for line in lines] == ["mail not sent"] * 2
    assert "TOKEN" not in str(lines)
    assert "wrong password" not in str(lines)


async def test_a_mail_server_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "CLOSE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(5):
            assert await send(tmp_path, silent.getsockname()[1]) == []


async def test_too_many_mails_at_once_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "MAX_WAITING", 2)
    mailer = Mailer(make_settings(tmp_path, smtp_hostname="127.0.0.1", root_url="https://x"))
    composed = []

    async def compose() -> None:
        composed.append(1)

    with structlog.testing.capture_logs() as lines:
        for _ in range(5):
            mailer.post(compose)
        await mailer.close()
    assert len(composed) == 2
    assert [line["event"] for line in lines] == ["mail dropped: too many are waiting"] * 3
