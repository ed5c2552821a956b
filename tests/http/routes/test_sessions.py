"""Logging in and out, refresh, cookies, users and keys over HTTP: statuses, texts and cookies as Phoenix has them."""

import asyncio
from datetime import datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET
from tests.http.conftest import ADMIN, PASSWORD, Web, authorized, door_settings, web_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCESS, REFRESH = "phoenix-access-token", "phoenix-refresh-token"
GOOD = {"email": "admin@localhost", "password": ADMIN_PASSWORD}
ADMINS_ONLY = "Only admin or system users can perform this action."


def set_cookies(answer: httpx.Response) -> dict[str, Any]:
    """The cookies an answer sets, with their attributes."""
    jar: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        jar.load(header)
    return dict(jar)


async def login(web: Web, email: str = "admin@localhost", password: str = ADMIN_PASSWORD) -> dict[str, str]:
    """The cookies of a new session, as the header a browser sends."""
    answer = await web.send("POST", "/auth/login", {}, json={"email": email, "password": password})
    web.client.cookies.clear()
    found = set_cookies(answer)
    return {"cookie": "; ".join(f"{name}={found[name].value}" for name in (ACCESS, REFRESH))}


def only(headers: dict[str, str], name: str) -> dict[str, str]:
    """The same with one cookie alone."""
    return {"cookie": next(part for part in headers["cookie"].split("; ") if part.startswith(name))}


async def test_login_sets_two_cookies_and_answers_204(web: Web) -> None:
    answer = await web.send("POST", "/auth/login", {}, json=GOOD)
    assert (answer.status_code, answer.content) == (204, b"")
    found = set_cookies(answer)
    for name, age in ((ACCESS, "600"), (REFRESH, "604800")):
        morsel = found[name]
        assert (morsel["max-age"], morsel["path"], morsel["samesite"].lower()) == (age, "/", "strict")
        assert (morsel["httponly"], morsel["secure"], morsel["domain"]) == (True, "", "")
    web.client.cookies.clear()


async def test_login_gives_programs_the_tokens_as_json(web: Web) -> None:
    tokens = await web.tokens()
    assert list(tokens) == ["access_token", "refresh_token", "token_type", "expires_in"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 600)
    user = (await web.send("GET", "/v1/user", authorized(tokens["access_token"]))).json()["data"]
    assert (user["email"], user["role"], user["auth_method"]) == ("admin@localhost", "ADMIN", "LOCAL")


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("login", {}, 401, "Email and password required"),
        ("login", {"email": "admin@localhost"}, 401, "Email and password required"),
        ("login", {"email": 5, "password": []}, 401, "Email and password required"),
        ("login", {"email": "nobody@example.com", "password": "x"}, 401, "Invalid email and/or password"),
        ("login", {"email": "admin@localhost", "password": "wrong"}, 401, "Invalid email and/or password"),
        ("login", [], 422, None),
        ("login", "text", 422, None),
        ("refresh", None, 401, "Missing refresh token"),
        ("password-reset-email", {}, 422, "Email required"),
        ("password-reset-email", {"email": "admin@localhost"}, 503, "SMTP server not configured"),
        ("password-reset", {}, 401, "Invalid token"),
        ("password-reset", {"token": "x"}, 422, "Password required"),
        ("password-reset", {"token": "x", "password": "a good password"}, 401, "Invalid token"),
    ],
)
async def test_what_the_auth_routes_refuse(web: Web, path: str, body: Any, status: int, text: str | None) -> None:
    answer = await web.send("POST", f"/auth/{path}", {}, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")
    assert text in (None, answer.text)
    assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_login_reads_json_whatever_its_content_type_says_and_refuses_anything_else(web: Web) -> None:
    body = b'{"email": "admin@localhost", "password": "%s"}' % ADMIN_PASSWORD.encode()
    assert (await web.send("POST", "/auth/login", {}, content=body)).status_code == 204
    web.client.cookies.clear()
    for bad in (b"", b"email=a&password=b", b"\xff", b"[" * 50_000):
        assert (await web.send("POST", "/auth/login", {}, content=bad)).status_code == 422


async def test_an_account_is_locked_after_5_failures_with_retry_after(web: Web) -> None:
    body = {"email": "locked@example.com", "password": "wrong"}
    answers = [await web.send("POST", "/auth/login", {}, json=body) for _ in range(6)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    last = answers[5]
    assert (last.status_code, last.text) == (429, "Too many failed login attempts. Please try again later.")
    assert 0 < int(last.headers["retry-after"]) <= 300


async def test_refresh_turns_both_cookies_and_ends_the_old_ones(web: Web) -> None:
    old = await login(web)
    answer = await web.send("POST", "/auth/refresh", old)
    web.client.cookies.clear()
    assert answer.status_code == 204
    new = {"cookie": "; ".join(f"{name}={cookie.value}" for name, cookie in set_cookies(answer).items())}
    assert (await web.send("GET", "/v1/user", new)).status_code == 200
    assert (await web.send("GET", "/v1/user", old)).status_code == 401
    again = await web.send("POST", "/auth/refresh", old)
    assert (again.status_code, again.text) == (401, "Invalid refresh token")


async def test_of_racing_refreshes_one_wins_and_the_session_lives(web: Web) -> None:
    cookies = await login(web)
    answers = await asyncio.gather(*(web.send("POST", "/auth/refresh", cookies) for _ in range(8)))
    web.client.cookies.clear()
    assert sorted(answer.status_code for answer in answers) == [204] + [401] * 7
    winner = next(answer for answer in answers if answer.status_code == 204)
    token = set_cookies(winner)[ACCESS].value
    assert (await web.send("GET", "/v1/user", authorized(token))).status_code == 200


@pytest.mark.parametrize("kind", [ACCESS, REFRESH])
async def test_get_logout_ends_all_sessions_by_either_cookie(web: Web, kind: str) -> None:
    user = await web.make_user("MEMBER")
    one, two = [await login(web, user["email"], PASSWORD) for _ in range(2)]
    answer = await web.send("GET", "/auth/logout", only(one, kind))
    assert (answer.status_code, answer.headers["location"]) == (302, "/login")
    found = set_cookies(answer)
    assert set(found) == {ACCESS, REFRESH, "phoenix-oauth2-state", "phoenix-oauth2-nonce"}
    assert {(cookie.value, cookie["max-age"], cookie["path"]) for cookie in found.values()} == {("", "0", "/")}
    for session in (one, two):
        assert (await web.send("GET", "/v1/user", session)).status_code == 401


async def test_post_logout_ends_the_asking_session_or_all(web: Web) -> None:
    user = await web.make_user("MEMBER")
    one, two, three = [await login(web, user["email"], PASSWORD) for _ in range(3)]
    assert (await web.send("POST", "/auth/logout", one)).status_code == 204
    assert [(await web.send("GET", "/v1/user", each)).status_code for each in (one, two, three)] == [401, 200, 200]
    assert (await web.send("POST", "/auth/logout", only(two, REFRESH))).status_code == 204
    assert [(await web.send("GET", "/v1/user", each)).status_code for each in (two, three)] == [401, 200]
    four = await login(web, user["email"], PASSWORD)
    assert (await web.send("POST", "/auth/logout?all=true", three)).status_code == 204
    assert [(await web.send("GET", "/v1/user", each)).status_code for each in (three, four)] == [401, 401]


async def test_logout_with_a_key_or_with_nothing_ends_nothing(web: Web) -> None:
    user = await web.make_user("MEMBER")
    session = authorized((await web.tokens(user["email"], PASSWORD))["access_token"])
    key = authorized((await web.make_key(session))["key"])
    for headers in (key, {}, authorized("nonsense")):
        assert (await web.send("GET", "/auth/logout", headers)).status_code == 302
        assert (await web.send("POST", "/auth/logout", headers)).status_code == 204
    assert (await web.send("GET", "/v1/user", session)).status_code == 200
    assert (await web.send("GET", "/v1/user", key)).status_code == 200


async def test_refresh_tokens_and_the_admin_secret_do_not_go_into_the_access_cookie(web: Web) -> None:
    tokens = await web.tokens()
    for token in (tokens["refresh_token"], ADMIN_SECRET, "nonsense"):
        for headers in ({"cookie": f"{ACCESS}={token}"}, authorized(token)):
            answer = await web.send("GET", "/v1/datasets", headers)
            expected = 200 if headers == ADMIN else 401
            assert answer.status_code == expected
    key = (await web.make_key(authorized(tokens["access_token"])))["key"]
    assert (await web.send("GET", "/v1/datasets", {"cookie": f"{ACCESS}={key}"})).status_code == 200


async def test_a_key_is_shown_once_and_its_list_leaves_nulls_out(web: Web) -> None:
    session = await web.session("MEMBER")
    made = await web.make_key(session, description="nightly", expires_at="2999-01-01T00:00:00")
    assert made["key"].startswith("phgrpc_")
    assert (made["description"], made["expires_at"]) == ("nightly", "2999-01-01T00:00:00+00:00")
    await web.make_key(session)
    newest, oldest = (await web.send("GET", "/v1/user/api_keys", session)).json()["data"]
    assert "key" not in oldest
    assert {"expires_at", "description", "last_used_at"}.isdisjoint(newest)
    assert made["key"].startswith(oldest["hint"])


async def test_a_limit_on_the_lives_of_keys_is_told_and_held(tmp_path: Path) -> None:
    async with web_of(door_settings(tmp_path)) as web:
        assert (await web.send("GET", "/v1/config", {})).json()["api_key_max_days"] is None
        await web.send("POST", "/v1/system/api_keys", json={"data": {"name": "old"}})
    async with web_of(door_settings(tmp_path, api_key_max_days=0.5)) as web:
        assert (await web.send("GET", "/v1/config", {})).json()["api_key_max_days"] == 0.5
        late = {"name": "late", "expires_at": "2999-01-01T00:00:00Z"}
        refused = await web.send("POST", "/v1/system/api_keys", json={"data": late})
        assert (refused.status_code, "PHOENIX_API_KEY_MAX_DAYS" in refused.text) == (422, True)
        made = (await web.send("POST", "/v1/system/api_keys", json={"data": {"name": "new"}})).json()["data"]
        life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
        assert round(life / timedelta(hours=1)) == 12
        listed = (await web.send("GET", "/v1/system/api_keys")).json()["data"]
        assert [key.get("exceeds_max_lifetime") for key in listed] == [None, True]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
async def test_an_expiry_beyond_the_calendar_is_422(web: Web, time: str) -> None:
    answer = await web.send("POST", "/v1/system/api_keys", json={"data": {"name": "key", "expires_at": time}})
    assert (answer.status_code, "expires_at" in answer.text) == (422, True)


async def test_a_rotated_key_has_a_new_secret_and_a_revoked_one_is_refused(web: Web) -> None:
    session = await web.session("MEMBER")
    made = await web.make_key(session)
    path = f"/v1/user/api_keys/{made['id']}"
    rotated = (await web.send("POST", f"{path}/rotate", session)).json()["data"]
    assert (await web.send("GET", "/v1/user", authorized(made["key"]))).text == "Invalid token"
    assert (await web.send("GET", "/v1/user", authorized(rotated["key"]))).status_code == 200
    assert (await web.send("DELETE", path, session)).status_code == 204
    assert (await web.send("GET", "/v1/user", authorized(rotated["key"]))).status_code == 401
    gone = await web.send("DELETE", path, session)
    assert (gone.status_code, gone.text) == (404, "API key not found")


async def test_keys_of_others(web: Web) -> None:
    owner = await web.make_user("VIEWER")
    session = authorized((await web.tokens(owner["email"], PASSWORD))["access_token"])
    made = await web.make_key(session, name="of a viewer")
    path = f"/v1/user/api_keys/{made['id']}"
    foreign = await web.send("DELETE", path, await web.session("MEMBER"))
    assert (foreign.status_code, foreign.text) == (404, "API key not found")
    listed = (await web.send("GET", "/v1/users/api_keys")).json()["data"]
    [key] = [key for key in listed if key["id"] == made["id"]]
    assert key["user"] == {"id": owner["id"], "username": owner["username"], "email": owner["email"]}
    assert (await web.send("DELETE", path, await web.session("ADMIN"))).status_code == 204


async def test_system_keys(web: Web) -> None:
    made = (await web.send("POST", "/v1/system/api_keys", json={"data": {"name": "pipeline"}})).json()["data"]
    listed = (await web.send("GET", "/v1/system/api_keys")).json()["data"]
    assert made["id"] in [key["id"] for key in listed]
    path = f"/v1/system/api_keys/{made['id']}"
    assert (await web.send("POST", f"{path}/rotate", json={"data": {"overlap_seconds": 5}})).status_code == 200
    assert (await web.send("DELETE", path)).status_code == 204
    gone = await web.send("DELETE", path)
    assert (gone.status_code, gone.text) == (404, "System API key not found")


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("DELETE", "/v1/user/api_keys/x", "Invalid UserApiKey GlobalID format: x"),
        ("DELETE", "/v1/system/api_keys/VXNlcjox", "Invalid SystemApiKey GlobalID format: VXNlcjox"),
        ("DELETE", "/v1/users/x", "Invalid User GlobalID format: x"),
    ],
)
async def test_a_malformed_id_is_422_in_phoenixs_words(web: Web, method: str, path: str, text: str) -> None:
    answer = await web.send(method, path)
    assert (answer.status_code, answer.text) == (422, text)


async def test_users_are_made_changed_and_deleted(web: Web) -> None:
    user = await web.make_user("VIEWER")
    keys = ["id", "created_at", "updated_at", "email", "username", "role", "auth_method", "password_needs_reset"]
    assert (list(user), user["password_needs_reset"]) == (keys, True)
    session = authorized((await web.tokens(user["email"], PASSWORD))["access_token"])
    path = f"/v1/users/{user['id']}"
    changed = (await web.send("PATCH", path, json={"role": "MEMBER", "username": "renamed"})).json()["data"]
    assert (changed["role"], changed["username"]) == ("MEMBER", "renamed")
    assert (await web.send("GET", "/v1/user", session)).status_code == 401
    assert (await web.send("DELETE", path)).status_code == 204
    gone = await web.send("DELETE", path)
    assert (gone.status_code, gone.text) == (404, "User not found")


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        *(
            ({"role": "SYSTEM", "auth_method": method}, 400, "Cannot create users with SYSTEM role")
            for method in ("LOCAL", "OAUTH2", "LDAP")
        ),
        ({"role": "OWNER"}, 422, None),
        ({"auth_method": "KERBEROS"}, 422, None),
        ({"auth_method": "OAUTH2"}, 422, None),  # with a password, which it cannot have
        ({"email": "no address"}, 422, None),
        ({"password": "short"}, 422, None),
        ({"email": "admin@localhost"}, 409, "Email already exists"),
        ({"username": "admin"}, 409, "Username already exists"),
    ],
)
async def test_users_that_cannot_be_made(web: Web, change: dict[str, Any], status: int, text: str | None) -> None:
    user = {"email": "new@example.com", "username": "new", "role": "VIEWER", "auth_method": "LOCAL"}
    answer = await web.send("POST", "/v1/users", json={"user": {**user, "password": PASSWORD, **change}})
    assert (answer.status_code, "short" in answer.text) == (status, False)
    assert text in (None, answer.text)


@pytest.mark.parametrize("method", ["OAUTH2", "LDAP"])
async def test_a_user_of_a_provider_is_made_without_a_password(web: Web, method: str) -> None:
    user = {"email": f" {method}@Example.com ", "username": method, "role": "VIEWER", "auth_method": method}
    answer = await web.send("POST", "/v1/users", json={"user": user})
    made = answer.json()["data"]
    assert (answer.status_code, made["auth_method"], made["password_needs_reset"]) == (201, method, False)
    assert made["email"] == f"{method.lower()}@example.com"
    assert made in (await web.send("GET", "/v1/users")).json()["data"]
    refused = await web.send("POST", "/auth/login", {}, json={"email": made["email"], "password": PASSWORD})
    assert (refused.status_code, refused.text) == (401, "Invalid email and/or password")
    changed = await web.send("PATCH", f"/v1/users/{made['id']}", json={"password": PASSWORD})
    assert (changed.status_code, method in changed.text) == (422, True)


async def test_an_admins_key_makes_users_without_a_password_alone(web: Web) -> None:
    key = await web.key("ADMIN")
    user = {"email": "by-key@example.com", "username": "by-key", "role": "VIEWER", "auth_method": "LOCAL"}
    refused = await web.send("POST", "/v1/users", key, json={"user": {**user, "password": PASSWORD}})
    assert (refused.status_code, "set a password" in refused.text) == (403, True)
    assert (await web.send("POST", "/v1/users", key, json={"user": user})).status_code == 201


async def test_the_default_admin_and_the_system_user_cannot_be_deleted(web: Web) -> None:
    users = (await web.send("GET", "/v1/users")).json()["data"]
    protected = [user for user in users if user["email"] in ("admin@localhost", "system@localhost")]
    assert len(protected) == 2
    for user in protected:
        answer = await web.send("DELETE", f"/v1/users/{user['id']}")
        assert (answer.status_code, answer.text) == (403, "Cannot delete the default admin or system user")


async def test_refusals_in_phoenixs_words(web: Web) -> None:
    viewer, key, system = await web.session("VIEWER"), await web.key("MEMBER"), await web.system_key()
    name = {"data": {"name": "key"}}
    for headers, method, path, body, text in (
        (viewer, "POST", "/v1/datasets", {"name": "x"}, "Viewers cannot perform this action."),
        (viewer, "GET", "/v1/users", None, ADMINS_ONLY),
        (key, "GET", "/v1/users/api_keys", None, ADMINS_ONLY),
        (key, "POST", "/v1/user/api_keys", name, "API keys cannot create API keys"),
        (await web.key("ADMIN"), "POST", "/v1/system/api_keys", name, "API keys cannot create API keys"),
        (system, "DELETE", "/v1/user/api_keys/VXNlckFwaUtleTox", None, None),
        (ADMIN, "POST", "/v1/user/api_keys", name, None),
    ):
        answer = await web.send(method, path, headers, json=body)
        personal = "System API keys must be managed through the /system/api_keys endpoints."
        assert (answer.status_code, answer.text) == (403, text or personal), path


async def test_a_changed_password_ends_the_other_sessions(web: Web) -> None:
    user = await web.make_user("VIEWER")
    mine, other = [authorized((await web.tokens(user["email"], PASSWORD))["access_token"]) for _ in range(2)]
    body = {"current_password": PASSWORD, "new_password": "another good password"}
    wrong = await web.send("POST", "/v1/user/password", mine, json={**body, "current_password": "wrong"})
    assert (wrong.status_code, wrong.text) == (401, "Invalid email and/or password")
    weak = await web.send("POST", "/v1/user/password", mine, json={**body, "new_password": "x"})
    assert weak.status_code == 422
    assert (await web.send("POST", "/v1/user/password", mine, json=body)).status_code == 204
    assert (await web.send("GET", "/v1/user", mine)).status_code == 200
    assert (await web.send("GET", "/v1/user", other)).status_code == 401


async def test_sessions_are_listed_and_ended(web: Web) -> None:
    user = await web.make_user("VIEWER")
    mine, other = [authorized((await web.tokens(user["email"], PASSWORD))["access_token"]) for _ in range(2)]
    sessions = (await web.send("GET", "/v1/user/sessions", mine)).json()["data"]
    assert [session["current"] for session in sessions] == [False, True]
    assert sessions[0]["user_agent"].startswith("python-httpx/")
    assert (await web.send("DELETE", f"/v1/user/sessions/{sessions[0]['id']}", mine)).status_code == 204
    assert (await web.send("GET", "/v1/user", other)).status_code == 401
    assert (await web.send("DELETE", "/v1/user/sessions/nobody", mine)).status_code in (404, 422)


async def test_what_was_refused_is_in_the_audit_log_with_the_callers_address(web: Web) -> None:
    viewer = await web.make_user("VIEWER")
    headers = authorized((await web.tokens(viewer["email"], PASSWORD))["access_token"])
    await web.send("POST", "/v1/datasets", headers, json={"name": "refused"})
    events = (await web.send("GET", "/v1/audit_events", params={"limit": 20})).json()["data"]
    login = next(event for event in events if event["actor_email"] == viewer["email"])
    assert login["address"] == "127.0.0.1"


async def test_the_audit_log_is_filtered_and_says_what_was_done_to_data(web: Web) -> None:
    made = await web.upload([{"text": "x"}], name="d")
    dataset_id = made["dataset_id"]

    async def actions(**params: str) -> list[str]:
        answer = await web.send("GET", "/v1/audit_events", params=params)
        return [event["action"] for event in answer.json()["data"]]

    both = ["dataset.upload", "dataset.create"]
    assert await actions(dataset="d") == await actions(dataset=dataset_id) == both
    assert await actions(dataset="d", action="dataset.upload") == both[:1]
    assert await actions(dataset="d", since="2026-01-01T00:00:00Z", outcome="allowed") == both
    assert (
        await actions(dataset="d", until="2026-01-01T00:00:00Z") == await actions(dataset="d", outcome="denied") == []
    )
    assert await actions(dataset="d", user="nobody@example.com") == []
    (event,) = (await web.send("GET", "/v1/audit_events", params={"action": "dataset.upload"})).json()["data"]
    assert (event["target_name"], event["dataset_id"], event["created_count"]) == ("d", dataset_id, 1)
    assert event["version_id"] == made["version_id"]
    assert (await web.send("GET", "/v1/audit_events", params={"outcome": "maybe"})).status_code == 422
