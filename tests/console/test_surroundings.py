"""The console where the server is set up differently: no authentication, behind a prefix, with mail."""

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from tests.conftest import api_of, make_settings
from tests.console.conftest import open_console, upload, write_file

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_without_authentication_nobody_signs_in(tmp_path: Path, context: BrowserContext) -> None:
    async with api_of(make_settings(tmp_path, enable_auth=False)) as api:
        console = await open_console(api.server.http_address, context)
        await console.open("/datasets", "Datasets")
        await console.says("Authentication is off")
        await upload(console, write_file(tmp_path, "capitals.csv", "question,answer\nFrance?,Paris\n"))
        assert await console.page.get_by_role("link", name="Settings").count() == 0
        assert console.problems == []


async def test_behind_a_prefix_every_address_has_it(tmp_path: Path, context: BrowserContext) -> None:
    async with api_of(make_settings(tmp_path, host_root_path="/phoenix")) as api:
        console = await open_console(api.server.http_address, context)
        await console.sign_in()
        await console.open("/settings", "Settings")
        assert console.page.url.startswith(f"{api.server.http_address}/#")
        for prefix in ("/phoenix", ""):  # a proxy may keep the prefix, or cut it off
            url = f"http://127.0.0.1:{api.server.http_port}{prefix}/v1/config"
            assert (await console.page.request.get(url)).status == 200
        assert console.problems == []


async def test_a_link_that_is_too_old_says_so(tmp_path: Path, context: BrowserContext) -> None:
    async with api_of(make_settings(tmp_path)) as api:
        console = await open_console(api.server.http_address, context)
        await console.page.goto(f"{console.url}/#/reset-password?token=old")
        await console.page.get_by_label("New password", exact=True).fill("another good password")
        await console.page.get_by_label("New password again").fill("another good password")
        await console.press("Set password")
        await expect(console.page.get_by_role("alert")).to_contain_text("used already or is too old")
        assert "token" not in console.page.url
        assert console.problems == []


async def test_a_connection_that_others_can_read_says_so(tmp_path: Path, context: BrowserContext) -> None:
    async with api_of(make_settings(tmp_path)) as api:
        near = await open_console(api.server.http_address, context)
        await near.sign_in()
        assert await near.page.get_by_text("encrypted").count() == 0
        far = await open_console(f"http://far.example:{api.server.http_port}", context)
        await far.page.goto(f"{far.url}/login")
        await far.says("This connection is not encrypted")
        assert await far.faults() == []
        await far.sign_in()
        await far.says("Not encrypted")
        assert await far.faults() == []
        await far.page.set_viewport_size({"width": 390, "height": 700})
        brand, warning, end = [
            await far.page.locator(f"#header {part}").bounding_box() for part in (".brand", ".warn", ".who button")
        ]
        assert brand is not None
        assert warning is not None
        assert end is not None
        assert brand["x"] + brand["width"] < warning["x"]
        assert warning["x"] + warning["width"] < end["x"]
        assert end["x"] + end["width"] <= 390
        assert near.problems == far.problems == []
