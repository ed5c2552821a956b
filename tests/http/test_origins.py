"""Cross-site requests with a cookie, CORS, cookies' attributes, and life behind a proxy's path."""

from typing import Any

import pytest
from starlette.requests import Request

from phoenix_grpc.http.origins import misdirected
from tests.http.conftest import ADMIN, PASSWORD, authorized, door_settings, web_of
from tests.http.routes.test_sessions import GOOD, login, set_cookies


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder for a server."""
    return tmp_path_factory.mktemp("server")


TRUSTED = {
    "root_url": "https://phoenix.example.com",
    "csrf_trusted_origins": "https://trusted.example.com:8443",
    "allowed_origins": "http://app.example.com",
}


async def test_unsafe_calls_with_a_cookie_come_from_a_trusted_origin(folder: Any) -> None:
    async with web_of(door_settings(folder, **TRUSTED)) as web:
        cookie = await login(web)
        own = web.url
        port = own.rpartition(":")[2]
        for headers, text in [
            ({}, None),
            ({"origin": own}, None),
            ({"origin": own.upper()}, None),
            ({"referer": f"{own}/some/page?x"}, None),
            ({"origin": "https://phoenix.example.com"}, None),
            ({"origin": "https://phoenix.example.com:443"}, None),
            ({"origin": "https://trusted.example.com:8443"}, None),
            ({"origin": "http://app.example.com"}, None),
            ({"origin": own, "referer": "http://evil.example.com"}, None),
            ({"origin": "http://evil.example.com"}, "untrusted origin"),
            ({"origin": "null"}, "untrusted origin"),
            ({"origin": ""}, "untrusted origin"),
            ({"origin": f"https://127.0.0.1:{port}"}, "untrusted origin"),
            ({"origin": "http://127.0.0.1:1"}, "untrusted origin"),
            ({"origin": "http://phoenix.example.com"}, "untrusted origin"),
            ({"origin": "https://trusted.example.com"}, "untrusted origin"),
            ({"origin": "https://trusted.example.com:8443.evil.com"}, "untrusted origin"),
            ({"origin": "http://[bad"}, "untrusted origin"),
            ({"origin": "http://evil.example.com", "referer": own}, "untrusted origin"),
            ({"referer": "http://evil.example.com/"}, "untrusted referer"),
        ]:
            answer = await web.send("POST", "/auth/logout", {"cookie": "phoenix-refresh-token=x", **headers})
            write = await web.send("POST", "/v1/datasets", {**cookie, **headers}, json={"name": ""})
            expected = (204, 422) if text is None else (401, 401)
            assert (answer.status_code, write.status_code) == expected, headers
            assert text in (None, answer.text)


async def test_what_no_browser_was_tricked_into_passes(folder: Any) -> None:
    async with web_of(door_settings(folder)) as web:
        cookie, key = await login(web), await web.key("MEMBER")
        evil = {"origin": "http://evil.example.com"}
        assert (await web.send("GET", "/v1/user", {**cookie, **evil})).status_code == 200
        assert (await web.send("POST", "/v1/datasets", {**key, **evil}, json={"name": "by key"})).status_code == 201
        assert (await web.send("POST", "/auth/login", evil, json=GOOD)).text == "untrusted origin"


async def test_cors_opens_the_door_to_listed_origins_alone(folder: Any) -> None:
    async with web_of(door_settings(folder, **TRUSTED)) as web:
        ask = {"access-control-request-method": "DELETE", "access-control-request-headers": "authorization"}
        good = await web.send("OPTIONS", "/v1/datasets", {"origin": "http://app.example.com", **ask})
        assert good.headers["access-control-allow-origin"] == "http://app.example.com"
        assert good.headers["access-control-allow-credentials"] == "true"
        evil = await web.send("OPTIONS", "/v1/datasets", {"origin": "http://evil.example.com", **ask})
        assert "access-control-allow-origin" not in evil.headers
        read = await web.send("GET", "/v1/datasets", {"origin": "http://app.example.com"})
        assert (read.status_code, read.headers["access-control-allow-origin"]) == (401, "http://app.example.com")


async def test_cookies_have_the_path_and_the_security_that_are_set_and_are_cleared_with_them(folder: Any) -> None:
    async with web_of(door_settings(folder, cookies_path="/phoenix", use_secure_cookies=True)) as web:
        answers = [await web.send("POST", "/auth/login", {}, json=GOOD), await web.send("GET", "/auth/logout", {})]
        for answer in answers:
            cookies = set_cookies(answer)
            assert {cookie["path"] for cookie in cookies.values()} == {"/phoenix"}
            assert {bool(cookie["secure"]) for cookie in cookies.values()} == {True}


@pytest.mark.parametrize(
    ("changes", "secure"),
    [
        ({}, False),
        ({"root_url": "http://phoenix.example.com"}, False),
        ({"root_url": "https://phoenix.example.com"}, True),
        ({"use_secure_cookies": True}, True),
    ],
)
async def test_cookies_are_secure_when_the_public_address_is(
    folder: Any, changes: dict[str, Any], secure: bool
) -> None:
    async with web_of(door_settings(folder, **changes)) as web:
        cookies = set_cookies(await web.send("POST", "/auth/login", {}, json=GOOD))
        assert {bool(cookie["secure"]) for cookie in cookies.values()} == {secure}


FORWARDED = {"x-forwarded-for": "198.51.100.9, 203.0.113.7, 10.1.2.3", "x-forwarded-proto": "https"}


@pytest.mark.parametrize(
    ("proxies", "address", "status"),
    [
        ("", "127.0.0.1", 401),
        ("192.0.2.1", "127.0.0.1", 401),
        ("127.0.0.1", "10.1.2.3", 204),
        ("127.0.0.0/8, 10.0.0.0/8", "203.0.113.7", 204),
    ],
)
async def test_forwarded_headers_count_when_a_trusted_proxy_sends_them(
    folder: Any, proxies: str, address: str, status: int
) -> None:
    async with web_of(door_settings(folder, trusted_proxies=proxies)) as web:
        session = authorized((await web.tokens(headers=FORWARDED))["access_token"])
        [found] = (await web.send("GET", "/v1/user/sessions", session)).json()["data"]
        assert found["address"] == address
        page = {"origin": web.url.replace("http:", "https:"), "cookie": "phoenix-refresh-token=x"}
        assert (await web.send("POST", "/auth/logout", {**FORWARDED, **page})).status_code == status


async def test_callers_behind_a_trusted_proxy_are_limited_one_by_one(folder: Any) -> None:
    async with web_of(door_settings(folder, trusted_proxies="127.0.0.1", disable_rate_limit=False)) as web:
        one, other = {"x-forwarded-for": "203.0.113.7"}, {"x-forwarded-for": "203.0.113.8"}
        answers = [await web.send("POST", "/auth/refresh", one) for _ in range(40)]
        assert 429 in [answer.status_code for answer in answers]
        assert (await web.send("POST", "/auth/refresh", other)).status_code == 401


async def test_behind_a_path_with_and_without_the_proxy_stripping_it(folder: Any) -> None:
    async with web_of(door_settings(folder, host_root_path="/phoenix/")) as web:
        bare = web.url.removesuffix("/phoenix")
        for base in (bare, f"{bare}/phoenix"):
            assert (await web.client.get(f"{base}/healthz")).text == "OK"
            assert (await web.client.get(f"{base}/console/main.js")).status_code == 200
            assert (await web.client.get(f"{base}/v1/nothing")).status_code == 404
            out = await web.client.get(f"{base}/auth/logout")
            assert out.headers["location"] == "/phoenix/login"
            assert (await web.client.get(f"{base}/login")).status_code == 200


async def test_without_authentication_everybody_reads_and_writes_and_nobody_manages(folder: Any) -> None:
    async with web_of(door_settings(folder, enable_auth=False)) as web:
        for headers in ({}, {"authorization": "Bearer nonsense"}):
            assert (await web.send("GET", "/v1/datasets", headers)).status_code == 200
            assert (await web.send("GET", "/v1/user", headers)).json() == {"data": {"auth_method": "ANONYMOUS"}}
        assert (await web.send("POST", "/v1/datasets", {}, json={"name": "open"})).status_code == 201
        assert (await web.send("GET", "/v1/config", {})).json()["authentication_enabled"] is False
        text = (
            "This action requires authentication to be enabled. "
            "Set the PHOENIX_ENABLE_AUTH environment variable to true."
        )
        user = {
            "email": "a@example.com",
            "username": "a",
            "role": "ADMIN",
            "auth_method": "LOCAL",
            "password": PASSWORD,
        }
        for method, path, body in (
            ("GET", "/v1/users", None),
            ("POST", "/v1/users", {"user": user}),
            ("GET", "/v1/user/api_keys", None),
            ("POST", "/v1/user/api_keys", {"data": {"name": "x"}}),
            ("POST", "/v1/system/api_keys", {"data": {"name": "x"}}),
        ):
            answer = await web.send(method, path, {}, json=body)
            assert (answer.status_code, answer.text) == (403, text), path
        for path in ("login", "refresh", "logout", "password-reset"):
            assert (await web.send("POST", f"/auth/{path}", {}, json={})).status_code == 405


async def test_without_authentication_pages_of_others_still_write_nothing(folder: Any) -> None:
    async with web_of(door_settings(folder, enable_auth=False)) as web:
        for number, (headers, status) in enumerate(
            [
                ({}, 201),
                ({"origin": web.url}, 201),
                ({"origin": "http://evil.example.com"}, 401),
                ({"origin": "http://evil.example.com", "authorization": "Bearer x"}, 401),
                ({"referer": "http://evil.example.com/"}, 401),
            ]
        ):
            answer = await web.send("POST", "/v1/datasets", headers, json={"name": f"{number}"})
            assert answer.status_code == status, headers
        assert (await web.send("GET", "/v1/datasets", {"origin": "http://evil.example.com"})).status_code == 200


OWN = ["localhost", "localhost:{port}", "LocalHost.", "app.localhost:6006"]
ADDRESSES = ["127.0.0.1:{port}", "[::1]:6006", "192.0.2.7", "[2001:db8::7]:80"]
FOREIGN = [
    "evil.example.com",
    "evil.example.com:{port}",
    "127.0.0.1.evil.example.com",
    "localhost.evil.example.com",
    "evillocalhost",
    "evil.phoenix.example.com",
    "example.com",
    "[bad",
    "",
]


@pytest.mark.parametrize(
    ("settings", "served", "refused"),
    [
        ({"enable_auth": False}, OWN + ADDRESSES, [*FOREIGN, "phoenix.example.com"]),
        (
            {"enable_auth": False, "root_url": "https://phoenix.example.com/data"},
            [*OWN, *ADDRESSES, "phoenix.example.com", "PHOENIX.example.com:8443"],
            FOREIGN,
        ),
        ({"enable_auth": True}, OWN + ADDRESSES + FOREIGN, []),
    ],
)
async def test_without_authentication_names_of_others_are_not_served(
    folder: Any, settings: dict[str, Any], served: list[str], refused: list[str]
) -> None:
    async with web_of(door_settings(folder, **settings)) as web:
        for number, host in enumerate(served + refused):
            host = host.format(port=web.client.base_url.port)
            page = {"host": host, "origin": f"http://{host}", **ADMIN}
            answers = [
                await web.send("POST", "/v1/datasets", page, json={"name": f"{number}"}),
                await web.send("GET", "/v1/datasets", page),
                await web.send("GET", "/", page),
            ]
            expected = [201, 200, 200] if number < len(served) else [421, 421, 421]
            assert [answer.status_code for answer in answers] == expected, host
            assert expected[0] == 201 or "PHOENIX_ROOT_URL" in answers[0].text
        assert len((await web.send("GET", "/v1/datasets?limit=100")).json()["data"]) == len(served)


async def test_without_authentication_the_name_to_listen_on_is_served(folder: Any) -> None:
    settings = door_settings(folder, enable_auth=False, host="this-machine")
    request = Request({"type": "http", "headers": [(b"host", b"This-Machine:6006")]})
    assert not misdirected(request, settings)
    twice = Request({"type": "http", "headers": [(b"host", b"this-machine"), (b"host", b"evil.example.com")]})
    assert misdirected(twice, settings)
    assert not misdirected(Request({"type": "http", "headers": []}), settings)


async def test_password_login_can_be_switched_off(folder: Any) -> None:
    async with web_of(door_settings(folder, disable_basic_auth=True)) as web:
        assert (await web.send("POST", "/auth/login", {}, json=GOOD)).status_code == 403
        assert (await web.send("GET", "/auth/logout", {})).headers["location"] == "/logout"
        assert (await web.send("GET", "/logout", {})).headers["location"] == "/login"


async def test_auth_routes_are_limited_by_address_with_retry_after(folder: Any) -> None:
    async with web_of(door_settings(folder, disable_rate_limit=False)) as web:
        answers = [await web.send("POST", "/auth/refresh", {}) for _ in range(40)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited
        assert (limited[0].text, int(limited[0].headers["retry-after"]) >= 1) == ("Too Many Requests", True)
        assert (await web.send("GET", "/v1/datasets")).status_code == 200
