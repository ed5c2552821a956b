"""The console's files, the documentation, and what they may load."""

import re

import pytest

from tests.http.conftest import Web, exchange

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("path", ["/", "/login", "/docs"])
async def test_pages_have_a_strict_policy_and_are_not_kept(web: Web, path: str) -> None:
    answer = await web.send("GET", path, {})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_everything_a_page_names_is_ours_and_there(web: Web, path: str) -> None:
    page = (await web.send("GET", path, {})).text
    links = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert links
    for link in links:
        assert not link.startswith(("http", "//", "/"))
        assert (await web.send("GET", f"/{link}", {})).status_code == 200, link


@pytest.mark.parametrize(
    "path",
    [
        "/console/",
        "/console/..",
        "/console/../config/__init__.py",
        "/console/..%2fconfig/__init__.py",
        "/console/%2e%2e/config/__init__.py",
        "/console/%2e%2e%2fconfig/__init__.py",
        "/console/..%5cconfig/__init__.py",
        "/console//etc/passwd",
        "/console/%2fetc%2fpasswd",
        "/console/absent.js",
        "/console/main.js%00",
        "/console/views",
        "/docs/assets/../__init__.py",
        "/docs/assets/%2e%2e/__init__.py",
        "/" + "a" * 5000,
        "/console/" + "a" * 5000,
    ],
)
async def test_no_path_leads_out_of_the_console(web: Web, path: str) -> None:
    answer = await exchange(web, f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"content-type: text/plain" in answer


async def test_assets_are_asked_for_again_and_only_read(web: Web) -> None:
    answer = await web.send("GET", "/console/main.js", {})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert "javascript" in answer.headers["content-type"]
    again = await web.send("GET", "/console/main.js", {"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await web.send("POST", "/console/main.js", {})).status_code == 405


async def test_what_anyone_may_ask(web: Web) -> None:
    for path, text in (("/healthz", "OK"), ("/readyz", "OK"), ("/arize_phoenix_version", "20.26.1")):
        answer = await web.send("GET", path, {})
        assert (answer.status_code, answer.text, answer.headers["content-type"]) == (
            200,
            text,
            "text/plain; charset=utf-8",
        )
    config = (await web.send("GET", "/v1/config", {})).json()
    assert (config["authentication_enabled"], config["login_methods"]) == (True, ["password"])
