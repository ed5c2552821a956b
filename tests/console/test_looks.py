"""How the console looks and reads: accessibility, on a phone and in the dark; and its policy."""

from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser

from tests.conftest import Api
from tests.console.conftest import open_console, upload, write_file

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 375, "height": 760}
DESK = {"width": 1280, "height": 900}
PAGES = [
    ("/datasets", "Datasets"),
    ("/settings", "Settings"),
    ("/admin/users", "Users"),
    ("/admin/keys", "System keys"),
    ("/admin/audit", "Audit log"),
]


@pytest.mark.parametrize(("scheme", "size"), [("light", DESK), ("dark", DESK), ("light", PHONE)])
async def test_no_page_has_a_serious_accessibility_fault_or_scrolls_sideways(
    api: Api, browser: Browser, tmp_path: Path, scheme: str, size: dict[str, int]
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    console = await open_console(api.server.http_address, context)
    await console.page.goto(f"{console.url}/login")
    await console.page.get_by_label("E-mail").wait_for()
    faults = {"sign in": await console.faults()}
    await console.sign_in()
    await upload(console, write_file(tmp_path, "chats.jsonl", '{"input":{"a":{"b":[1,"x"]}},"output":{"c":null}}\n'))
    faults["dataset"] = await console.faults()
    for path, heading in PAGES:
        await console.open(path, heading)
        faults[heading] = await console.faults()
        assert await console.page.evaluate("document.documentElement.scrollWidth") <= size["width"], heading
    for path, heading, opener in (
        ("/datasets", "Datasets", "Upload a dataset"),
        ("/settings", "Settings", "Create a key"),
    ):
        await console.open(path, heading)
        await console.press(opener)
        faults[opener] = await console.faults()
        await console.press("Cancel")
    assert {page: found for page, found in faults.items() if found} == {}
    assert console.problems == []
    await context.close()


async def test_the_page_is_protected_by_a_strict_policy(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.server.http_address) as client:
        policies = {
            (await client.get(path)).headers["content-security-policy"] for path in ("/", "/login", "/console/main.js")
        }
    assert len(policies) == 1
    assert "unsafe" not in policies.pop()
