"""Mails to users: composed, and sent after the call was answered, so that its time says nothing about who exists."""

import asyncio
import html
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr

import aiosmtplib
import structlog

from phoenix_grpc.config import Settings
from phoenix_grpc.errors import Error

TIMEOUT_SECONDS = 15.0
CLOSE_SECONDS = 5.0
MAX_WAITING = 100
_AT_ONCE = 4

log = structlog.get_logger()

Compose = Callable[[], Awaitable[EmailMessage | None]]


class Mailer:
    """Sends the server's mails in the background; a mail that cannot be sent is logged."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = settings.root_url.rstrip("/")
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[bool]] = set()

    @property
    def enabled(self) -> bool:
        """Whether there is a mail server, and an address for the links in mails."""
        return bool(self._settings.smtp_hostname and self._root)

    def post(self, compose: Compose) -> None:
        """Composes a mail and sends it, soon; `compose` returns None when there is nothing to send."""
        if len(self._tasks) >= MAX_WAITING:
            log.warning("mail dropped: too many are waiting", waiting=len(self._tasks))
            return
        task = asyncio.create_task(self._deliver(compose))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, message: EmailMessage) -> bool:
        """Sends a mail; returns False when it cannot be sent, which is logged."""

        async def composed() -> EmailMessage:
            return message

        return await self._deliver(composed)

    async def close(self) -> None:
        """Waits a moment for mails that are being sent, and cancels those that take longer."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def reset_mail(self, email: str, token: str) -> EmailMessage:
        """The mail with a link to set a new password."""
        return self._message(
            email,
            "Set a new password",
            f"Somebody asked for a new password for {email} at {self._root}.",
            "Set it here; the link works once, and soon expires:",
            self._link(token),
            "If it was not you, ignore this mail: your password stays as it is.",
        )

    def welcome_mail(self, email: str, token: str) -> EmailMessage:
        """The mail that tells a new user where to choose a password."""
        return self._message(
            email,
            "Welcome: choose your password",
            f"An account was made for {email} at {self._root}.",
            "Choose a password here; the link works once, and expires in a few days:",
            self._link(token),
        )

    def key_expiry_mail(self, email: str, name: str, hint: str, ends: str, system: bool) -> EmailMessage:
        """The mail that says when an API key expires."""
        kind, page = ("system key", "admin/keys") if system else ("API key", "settings")
        return self._message(
            email,
            f"Your {kind} is about to expire",
            f"The {kind} {name} ({hint}…) at {self._root} expires on {ends}.",
            "Programs that send it are refused from then on. Make a new key for them here:",
            f"{self._root}/#/{page}",
        )

    def _link(self, token: str) -> str:
        # Browsers send no fragment: the token stays out of logs and referrers.
        return f"{self._root}/#/reset-password?token={token}"

    def _message(self, to: str, subject: str, *paragraphs: str) -> EmailMessage:
        """A mail as text and as HTML; a paragraph that is an address becomes a link."""
        message = EmailMessage()
        sender = self._settings.smtp_mail_from
        message["From"] = sender
        message["To"] = to
        message["Subject"] = subject
        message["Date"] = formatdate(localtime=False)
        # With the domain given, since finding out the host's name may ask the network.
        message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].partition("@")[2] or "localhost")
        message.set_content("\n\n".join(paragraphs) + "\n")
        body = "\n".join(_html(paragraph) for paragraph in paragraphs)
        message.add_alternative(f"<!DOCTYPE html>\n<html><body>\n{body}\n</body></html>\n", subtype="html")
        return message

    async def _deliver(self, compose: Compose) -> bool:
        async with self._turn:
            try:
                message = await compose()
                if message is not None:
                    await self._transmit(message)
            except (aiosmtplib.SMTPException, OSError, Error) as error:
                log.error("mail not sent", error=f"{type(error).__name__}: {error}")
                return False
        return True

    async def _transmit(self, message: EmailMessage) -> None:
        settings = self._settings
        password = settings.smtp_password
        await aiosmtplib.send(
            message,
            hostname=settings.smtp_hostname,
            port=settings.smtp_port,
            username=settings.smtp_username or None,
            password=password.get_secret_value() if password else None,
            # None is STARTTLS when it is offered; a password never crosses the network in clear.
            start_tls=True if settings.smtp_username else None,
            validate_certs=settings.smtp_validate_certs,
            timeout=TIMEOUT_SECONDS,
        )


def _html(paragraph: str) -> str:
    text = html.escape(paragraph)
    is_link = paragraph.startswith(("http://", "https://")) and " " not in paragraph
    return f'<p><a href="{text}">{text}</a></p>' if is_link else f"<p>{text}</p>"
