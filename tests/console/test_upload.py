"""The upload dialog: what is armed, how an upload goes, and how it is left."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect

from tests.conftest import Api
from tests.console.conftest import Console, open_console, write_file
from tests.databases import store_waits
from tests.process import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAPITALS = "question,answer\nCapital of France?,Paris\n"
LAPTOP = {"width": 1280, "height": 800}
PHONE = {"width": 375, "height": 667}
COLUMNS = 12  # enough that the dialog scrolls
SHOWN = """element => {
  const { left, top, width, height } = element.getBoundingClientRect();
  return document.elementFromPoint(left + width / 2, top + height / 2) === element;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def dialog(admin: Console) -> AsyncIterator[Console]:
    """The console with the upload dialog open."""
    await admin.press("Upload a dataset")
    yield admin


async def choose(console: Console, file: Path) -> None:
    """Chooses a file, and waits until it was looked into."""
    await console.page.locator("dialog input[type=file]").set_input_files(file)
    shown = console.page.locator("dialog .drop, dialog .note.bad:not([hidden])").filter(has_text=file.name)
    await expect(shown.filter(has_not_text="looking into it")).to_be_visible()


def table(folder: Path, name: str, rows: int) -> Path:
    """A CSV file of many columns."""
    names = ["question", "answer", *(f"note {number}" for number in range(COLUMNS - 2))]
    return write_file(folder, name, ",".join(names) + "\n" + rows * (",".join(["x" * 80] * COLUMNS) + "\n"))


async def names(console: Console) -> list[str]:
    """The names of the datasets that there are."""
    answer = await console.page.request.get(f"{console.url}/v1/datasets")
    return [dataset["name"] for dataset in (await answer.json())["data"]]


@pytest.mark.parametrize("refused", [("empty.csv", ""), ("broken.jsonl", "{\n")])
async def test_a_refused_file_disarms_the_earlier_one(
    dialog: Console, tmp_path: Path, refused: tuple[str, str]
) -> None:
    await choose(dialog, write_file(tmp_path, "capitals.csv", CAPITALS))
    await choose(dialog, write_file(tmp_path, *refused))
    await expect(dialog.page.get_by_label("Name of the dataset")).to_have_value("")
    await expect(dialog.page.get_by_label("What question becomes")).to_be_hidden()
    await dialog.page.get_by_label("Name of the dataset").fill("anything")
    await dialog.press("Upload")
    await dialog.says("Choose a file first.")
    assert not [request for request in dialog.requests if request.startswith("POST /v1/")]


async def test_another_file_brings_its_own_name_and_columns(dialog: Console, tmp_path: Path) -> None:
    await choose(dialog, write_file(tmp_path, "capitals.csv", CAPITALS))
    await choose(dialog, write_file(tmp_path, "sums.csv", "term,total\n1 + 1,2\n"))
    await expect(dialog.page.get_by_label("Name of the dataset")).to_have_value("sums")
    await dialog.page.get_by_label("Name of the dataset").fill("mine")
    await choose(dialog, tmp_path / "capitals.csv")
    await expect(dialog.page.get_by_label("Name of the dataset")).to_have_value("mine")
    await dialog.press("Upload")
    await dialog.page.get_by_role("heading", level=1, name="mine").wait_for()
    await expect(dialog.page.get_by_role("article").first).to_contain_text("Capital of France?")


async def test_cancel_while_the_file_is_sent_ends_the_upload(dialog: Console, tmp_path: Path) -> None:
    await choose(dialog, table(tmp_path, "slow.csv", 3000))
    network = await dialog.page.context.new_cdp_session(dialog.page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    await network.send("Network.emulateNetworkConditions", slow)
    await dialog.press("Upload")
    await dialog.says("Sending the file")
    await dialog.press("Cancel")
    await expect(dialog.page.locator("dialog")).to_have_count(0)
    await network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    assert await names(dialog) == []


@pytest.mark.parametrize(("scheme", "size"), [("light", LAPTOP), ("dark", PHONE)])
async def test_an_upload_is_seen_and_once_it_is_sent_it_is_not_left(
    api: Api, browser: Browser, tmp_path: Path, scheme: str, size: dict[str, int]
) -> None:
    context = await browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
    console = await open_console(api.server.http_address, context)
    await console.sign_in()
    await console.press("Upload a dataset")
    await choose(console, table(tmp_path, "wide.csv", 3))
    with store_waits(api.server.settings.database_url):
        await console.press("Upload")
        await console.says("this can no longer be cancelled")
        assert await console.page.locator("dialog progress").evaluate(SHOWN)
        await expect(console.page.get_by_role("button", name="Cancel")).to_be_disabled()
        for _ in range(3):
            await console.page.keyboard.press("Escape")
        await expect(console.page.locator("dialog[open]")).to_be_visible()
        assert await console.faults() == []
    await console.page.get_by_role("heading", level=1, name="wide").wait_for()
    await console.says("Uploaded: 3 created")
    assert console.problems == []
    await context.close()


async def test_a_refusal_is_seen_and_the_dialog_can_be_left_again(dialog: Console, tmp_path: Path) -> None:
    await dialog.page.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
    await choose(dialog, write_file(tmp_path, "ragged.csv", CAPITALS + "one cell\n"))
    await dialog.press("Upload")
    error = dialog.page.get_by_role("alert").filter(has_text="the row has 1 cells")
    assert await error.evaluate(SHOWN)
    await dialog.page.keyboard.press("Escape")
    await expect(dialog.page.locator("dialog")).to_have_count(0)
    assert await names(dialog) == []


async def test_a_server_that_dies_while_it_stores_leaves_the_outcome_open(
    context: BrowserContext, tmp_path: Path
) -> None:
    with ServerProcess(tmp_path) as server:
        console = await open_console(server.started["http"], context)
        await console.sign_in()
        await console.press("Upload a dataset")
        await choose(console, write_file(tmp_path, "capitals.csv", CAPITALS))
        with store_waits(server.database_url):
            await console.press("Upload")
            await console.says("this can no longer be cancelled")
            server.kill()
        await console.says("It may be stored: look at the dataset before you try again.")


async def test_a_json_array_is_uploaded_with_its_digits(dialog: Console, tmp_path: Path) -> None:
    text = '[\n  {"input": {"n": 9007199254740993,\n "m": 1.50}},\n  {"input": {"n": "[}\\\\", "m": 0}}\n]\n'
    await choose(dialog, write_file(tmp_path, "array.json", text))
    await dialog.press("Upload")
    await dialog.page.get_by_role("heading", level=1, name="array").wait_for()
    await expect(dialog.page.locator(".json-number")).to_have_text(["9007199254740993", "1.50", "0"])
    await expect(dialog.page.locator(".json-string")).to_have_text("[}\\")
