"""The console of a real server, in a real browser; a console error, an exception or a CSP violation fails the test."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from phoenix_grpc.config import Settings
from tests.conftest import ADMIN_PASSWORD, Api, api_of

CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP far.example 127.0.0.1",
]
EXPECTED_STATUSES = (401, 409, 422)
"""Refusals that tests provoke: the browser logs each as an error of the network."""


@dataclass
class Console:
    """A page of the console, what went wrong on it, and what it asked the server."""

    url: str
    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Begins to note problems and requests."""
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._note_request)

    def _note_message(self, message: ConsoleMessage) -> None:
        refusal = any(f"responded with a status of {status}" in message.text for status in EXPECTED_STATUSES)
        if message.type in ("error", "warning") and not refusal:
            self.problems.append(message.text)

    def _note_request(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url.removeprefix(self.url)}")

    async def sign_in(self, email: str = "admin@localhost", password: str = ADMIN_PASSWORD) -> None:
        """Signs in on the sign-in page."""
        await self.page.goto(f"{self.url}/login")
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.press("Sign in")
        await self.page.get_by_role("heading", name="Datasets").wait_for()

    async def open(self, path: str, heading: str) -> None:
        """Goes to a page and waits for its heading."""
        await self.page.goto(f"{self.url}/#{path}")
        await self.page.get_by_role("heading", level=1, name=heading).wait_for()

    async def press(self, button: str) -> None:
        """Presses the button of this name: one in the open dialog, if there is one."""
        dialog = self.page.locator("dialog[open]")
        scope = dialog if await dialog.count() else self.page
        await scope.get_by_role("button", name=button, exact=True).click()

    async def says(self, text: str) -> None:
        """Waits until the page shows this text."""
        await self.page.get_by_text(text).first.wait_for()

    async def faults(self) -> list[str]:
        """The serious accessibility faults of the page, as axe-core finds them."""
        found = await Axe().run(self.page)
        return [
            f"{fault['id']}: {fault['nodes'][0]['html'][:120]}"
            for fault in found.response["violations"]
            if fault["impact"] in ("serious", "critical")
        ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium, started once: the tests of this folder share a loop with it."""
    if shutil.which(CHROMIUM) is None and "CI" not in os.environ:
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def api(settings: Settings) -> AsyncIterator[Api]:
    """A new server with a new database, in the loop of the browser."""
    async with api_of(settings) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A person's browser: its tabs share cookies."""
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context
    await context.close()


async def open_console(url: str, context: BrowserContext) -> Console:
    """A new tab for the console of the server at `url`."""
    console = Console(url, await context.new_page())
    console.watch()
    return console


@pytest_asyncio.fixture(loop_scope="session")
async def console(api: Api, context: BrowserContext) -> AsyncIterator[Console]:
    """A tab on the console of `api`'s server, with nobody signed in."""
    console = await open_console(api.server.http_address, context)
    yield console
    assert console.problems == []


@pytest_asyncio.fixture(loop_scope="session")
async def admin(console: Console) -> Console:
    """The console with the first administrator signed in."""
    await console.sign_in()
    return console


def write_file(folder: Path, name: str, content: str | bytes) -> Path:
    """A file to upload."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


async def upload(console: Console, file: Path) -> None:
    """Uploads a file from the datasets page, and waits for the page of the new dataset, called as the file."""
    await console.open("/datasets", "Datasets")
    await console.press("Upload a dataset")
    await console.page.locator("dialog input[type=file]").set_input_files(file)
    await console.press("Upload")
    await console.page.get_by_role("heading", level=1, name=file.name.split(".")[0], exact=True).wait_for()
