"""Every route times every principal, with header and with cookie, against a table written by hand.

The routes come from the application itself: one that has no row here fails.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from starlette.routing import Route

from phoenix_grpc.config import load_settings
from phoenix_grpc.contract import METHODS
from phoenix_grpc.guard.admission import Guard
from phoenix_grpc.guard.capacity import ByteBudget, Rooms
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.http.app import create_app
from phoenix_grpc.http.backend import Backend
from phoenix_grpc.http.methods import method_of
from tests.conftest import ADMIN_SECRET
from tests.http.conftest import ADMIN, Web, authorized, door_settings, web_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRINCIPALS = (
    "stranger",
    "viewer session",
    "viewer key",
    "member session",
    "member key",
    "admin session",
    "admin key",
    "system key",
    "admin secret",
)
Y = "allowed"

# Who is allowed; for the others the status. In the order of PRINCIPALS.
PUBLIC = (Y,) * 9
READ = (401,) + (Y,) * 8
WRITE = (401, 403, 403, Y, Y, Y, Y, Y, Y)
ADMINS = (401, 403, 403, 403, 403, Y, Y, 403, Y)
PERSON = (401, Y, 403, Y, 403, Y, 403, 403, 403)
ISSUES_SYSTEM_KEYS = (401, 403, 403, 403, 403, Y, 403, 403, Y)

ROUTES = {
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /.well-known/jwks.json": PUBLIC,
    "GET /arize_phoenix_version": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
    "GET /": PUBLIC,
    "GET /login": PUBLIC,
    "GET /logout": PUBLIC,
    "GET /v1/config": PUBLIC,
    "POST /auth/login": PUBLIC,
    "POST /auth/refresh": PUBLIC,
    "GET /auth/logout": PUBLIC,
    "POST /auth/logout": PUBLIC,
    "POST /auth/password-reset-email": PUBLIC,
    "POST /auth/password-reset": PUBLIC,
    "GET /v1/user": READ,
    "GET /v1/datasets": READ,
    "GET /v1/datasets/{id}": READ,
    "GET /v1/datasets/{id}/versions": READ,
    "GET /v1/datasets/{id}/examples": READ,
    "GET /v1/datasets/{id}/csv": READ,
    "GET /v1/datasets/{id}/jsonl": READ,
    "GET /v1/datasets/{id}/jsonl/openai_ft": READ,
    "GET /v1/datasets/{id}/jsonl/openai_evals": READ,
    "GET /v1/datasets/{dataset_identifier}/splits": READ,
    "GET /v1/datasets/{dataset_identifier}/labels": READ,
    "GET /v1/dataset_labels": READ,
    "GET /v1/dataset_labels/{label_id}": READ,
    "POST /v1/datasets": WRITE,
    "POST /v1/datasets/upload": WRITE,
    "PATCH /v1/datasets/{id}": WRITE,
    "DELETE /v1/datasets/{id}": WRITE,
    "POST /v1/datasets/{dataset_identifier}/splits": WRITE,
    "PATCH /v1/datasets/{dataset_identifier}/splits/{split_id}": WRITE,
    "DELETE /v1/datasets/{dataset_identifier}/splits/{split_id}": WRITE,
    "PUT /v1/datasets/{dataset_identifier}/labels": WRITE,
    "PUT /v1/datasets/{dataset_identifier}/labels/{label_id}": WRITE,
    "DELETE /v1/datasets/{dataset_identifier}/labels/{label_id}": WRITE,
    "POST /v1/dataset_labels": WRITE,
    "PATCH /v1/dataset_labels/{label_id}": WRITE,
    "DELETE /v1/dataset_labels/{label_id}": WRITE,
    "GET /v1/user/api_keys": READ,
    "POST /v1/user/api_keys": PERSON,
    "POST /v1/user/api_keys/{id}/rotate": PERSON,
    "DELETE /v1/user/api_keys/{id}": (401, Y, Y, Y, Y, Y, Y, 403, Y),
    "POST /v1/user/password": PERSON,
    "GET /v1/user/sessions": READ,
    "DELETE /v1/user/sessions/{id}": (401, Y, Y, Y, Y, Y, Y, 403, Y),
    "GET /v1/users": ADMINS,
    "POST /v1/users": ADMINS,
    "PATCH /v1/users/{id}": ADMINS,
    "DELETE /v1/users/{id}": ADMINS,
    "GET /v1/users/api_keys": ADMINS,
    "GET /v1/system/api_keys": ADMINS,
    "POST /v1/system/api_keys": ISSUES_SYSTEM_KEYS,
    "POST /v1/system/api_keys/{id}/rotate": ISSUES_SYSTEM_KEYS,
    "DELETE /v1/system/api_keys/{id}": ADMINS,
    "GET /v1/audit_events": ADMINS,
}

# What keys with limits may do, however much their owner may.
READ_ONLY_KEY = {route for route, row in ROUTES.items() if row is READ} - {
    "GET /v1/user/api_keys",
    "GET /v1/user/sessions",
}
# The dataset in PATH_VALUES is none of its own.
LIMITED_KEY = {"GET /v1/user", "GET /v1/datasets"}

# Well-formed ids of things that do not exist: an allowed caller gets 404 or 422, never 401 or 403.
PATH_VALUES = {
    "id": {
        "datasets": "RGF0YXNldDo5OTk=",
        "user/api_keys": "VXNlckFwaUtleTo5OTk=",
        "system/api_keys": "U3lzdGVtQXBpS2V5Ojk5OQ==",
        "users": "VXNlcjo5OTk=",
        "sessions": "nobody",
    },
    "dataset_identifier": "nothing",
    "split_id": "RGF0YXNldFNwbGl0Ojk5OQ==",
    "label_id": "RGF0YXNldExhYmVsOjk5OQ==",
}
BODIES: dict[str, Any] = {
    "POST /v1/datasets/upload": {"name": "matrix", "action": "append", "inputs": [{"a": 1}]},
    "POST /v1/datasets/{dataset_identifier}/splits": {"name": "split"},
    "POST /v1/dataset_labels": {"name": "label", "color": "#112233"},
    "PATCH /v1/dataset_labels/{label_id}": {"name": "label"},
    "PATCH /v1/datasets/{id}": {"name": "other"},
    "PUT /v1/datasets/{dataset_identifier}/labels": {"dataset_label_ids": []},
    "POST /v1/user/api_keys": {"data": {"name": "key"}},
    "POST /v1/system/api_keys": {"data": {"name": "key"}},
    "POST /v1/user/api_keys/{id}/rotate": {"data": {}},
    "POST /v1/system/api_keys/{id}/rotate": {"data": {}},
    "POST /v1/user/password": {"current_password": "wrong", "new_password": "another password"},
    "POST /v1/users": {"user": {"email": "bad", "username": "x", "role": "VIEWER", "auth_method": "LOCAL"}},
    "PATCH /v1/users/{id}": {"username": "other"},
    "POST /v1/datasets": {"name": ""},
}


def declared() -> dict[str, str | None]:
    """The routes of the application ("GET /path") with their gRPC methods; static files are no routes."""
    no_engine: Any = None
    guard = Guard(METHODS, {}, None, no_engine, Rooms(1), RateLimit(1, 1), ())
    backend = Backend(load_settings(), guard, ByteBudget(1), serving=lambda: True)
    app = create_app(backend, RateLimit(1, 1))
    return {
        f"{method} {route.path}": method_of(route)
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }


def path_of(route: str) -> str:
    """The route's path, filled in."""
    path = route.partition(" ")[2]
    identifier = next(value for part, value in PATH_VALUES["id"].items() if part in path or part == "sessions")
    path = path.replace("{id}", identifier)
    for name, value in PATH_VALUES.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(web: Web) -> dict[str, dict[str, str]]:
    """The credentials of every principal."""
    roles = ("viewer", "member", "admin")
    found = {f"{role} session": await web.session(role.upper()) for role in roles}
    found |= {f"{role} key": await web.key(role.upper()) for role in roles}
    return {**found, "stranger": {}, "system key": await web.system_key(), "admin secret": ADMIN}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def limited(web: Web) -> dict[str, dict[str, str]]:
    """Keys of an admin that may do less than their owner."""
    own = await web.upload([{"a": 1}], name="its own")
    return {
        "read-only key": await web.key("ADMIN", read_only=True),
        "limited key": await web.key("ADMIN", dataset_ids=[own["dataset_id"]]),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ended(web: Web, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, tuple[Web, str]]]:
    """An admin's tokens that are over, with the servers that gave them."""
    revoked = (await web.tokens())["access_token"]
    assert (await web.send("POST", "/auth/logout", authorized(revoked))).status_code == 204
    folder = tmp_path_factory.mktemp("server")
    async with web_of(door_settings(folder, access_token_expiry_minutes=0.001)) as short:
        expired = (await short.tokens())["access_token"]
        async with asyncio.timeout(5):
            while (await short.send("GET", "/v1/user", authorized(expired))).is_success:
                await asyncio.sleep(0.1)
        yield {"expired token": (short, expired), "ended session": (web, revoked)}


async def test_every_route_has_a_row() -> None:
    assert set(declared()) == set(ROUTES)


async def test_every_route_of_v1_and_auth_declares_its_method() -> None:
    bare = [route for route, method in declared().items() if method is None and ("/v1/" in route or "/auth/" in route)]
    assert bare == []


@pytest.mark.parametrize("route", [route for route in ROUTES if "/auth/" not in route])
async def test_header_allows_exactly_whom_the_table_says(web: Web, callers: Any, route: str) -> None:
    for principal, expected in zip(PRINCIPALS, ROUTES[route], strict=True):
        await expect(web, route, expected, principal, headers=callers[principal])


@pytest.mark.parametrize("route", [route for route in ROUTES if "/v1/" in route])
async def test_cookie_allows_whom_the_header_allows_but_never_holds_the_admin_secret(
    web: Web, callers: Any, route: str
) -> None:
    for principal, expected in zip(PRINCIPALS, ROUTES[route], strict=True):
        token = callers[principal].get("authorization", "").removeprefix("Bearer ")
        refused = principal == "admin secret" and ROUTES[route] is not PUBLIC
        headers = {"cookie": f"phoenix-access-token={token}"} if token else {}
        await expect(web, route, 401 if refused else expected, f"{principal} by cookie", headers=headers)


@pytest.mark.parametrize("route", [route for route in ROUTES if "/v1/" in route])
async def test_keys_with_limits_stay_within_them(web: Web, limited: Any, route: str) -> None:
    for name, may in (("read-only key", READ_ONLY_KEY), ("limited key", LIMITED_KEY)):
        expected = Y if route in may or ROUTES[route] is PUBLIC else 403
        token = limited[name]["authorization"].removeprefix("Bearer ")
        for headers in (limited[name], {"cookie": f"phoenix-access-token={token}"}):
            await expect(web, route, expected, name, headers=headers)


async def test_a_limited_key_sees_and_writes_its_datasets_alone(web: Web, limited: Any) -> None:
    key = limited["limited key"]
    assert [found["name"] for found in (await web.send("GET", "/v1/datasets", key)).json()["data"]] == ["its own"]
    other = await web.upload([{"a": 1}], name="of others")
    for name, status in (("its own", 200), ("of others", 403), ("absent", 403)):
        body = {"name": name, "action": "append", "inputs": [{"a": 2}]}
        assert (await web.send("POST", "/v1/datasets/upload?sync=true", key, json=body)).status_code == status
    assert (await web.send("GET", f"/v1/datasets/{other['dataset_id']}/examples", key)).status_code == 403


@pytest.mark.parametrize("route", [route for route in ROUTES if "/v1/" in route])
async def test_sessions_that_are_over_are_nobodys(ended: dict[str, tuple[Web, str]], route: str) -> None:
    for name, (web, token) in ended.items():
        for headers in (authorized(token), {"cookie": f"phoenix-access-token={token}"}):
            await expect(web, route, Y if ROUTES[route] is PUBLIC else 401, name, headers=headers)


async def test_an_expired_token_is_told_from_an_ended_session(ended: dict[str, tuple[Web, str]]) -> None:
    texts = {name: (await web.send("GET", "/v1/user", authorized(token))).text for name, (web, token) in ended.items()}
    assert texts == {"expired token": "Expired token", "ended session": "Invalid token"}


async def expect(web: Web, route: str, expected: Any, principal: str, headers: dict[str, str]) -> None:
    """Sends a request and compares."""
    method = route.partition(" ")[0]
    body = BODIES.get(route, {} if method in ("POST", "PATCH", "PUT") else None)
    if route == "POST /v1/datasets/upload":
        body = {**body, "name": f"matrix of {principal}"}
    answer = await web.client.request(method, path_of(route), headers=headers, json=body)
    assert answer.status_code < 500, f"{route} by {principal}: {answer.text}"
    wrong_password = route == "POST /v1/user/password" and answer.text == "Invalid email and/or password"
    refused = answer.status_code in (401, 403) and not wrong_password
    assert (answer.status_code if refused else Y) == expected, f"{route} by {principal}: {answer.text}"
    if "/v1/" in route:
        assert "html" not in answer.headers.get("content-type", "")


async def test_every_answer_carries_the_versions_and_a_request_id(web: Web) -> None:
    for route in ROUTES:
        method, _, _ = route.partition(" ")
        answer = await web.client.request(method, path_of(route), headers={"x-request-id": "mine-1"})
        assert answer.headers["x-phoenix-server-version"] == "20.26.1"
        assert answer.headers["x-phoenix-grpc-version"]
        assert answer.headers["x-request-id"] == "mine-1"


@pytest.mark.parametrize(
    ("query", "body"),
    [("?limit=abc", None), ("", {"user": 5})],
)
async def test_strangers_and_the_refused_learn_no_schema(web: Web, callers: Any, query: str, body: Any) -> None:
    method, path = ("GET", f"/v1/users{query}") if body is None else ("POST", "/v1/users")
    for principal, status in (("stranger", 401), ("viewer session", 403), ("system key", 403), ("admin secret", 422)):
        answer = await web.client.request(method, path, headers=callers[principal], json=body)
        assert answer.status_code == status
        assert ("detail" in answer.text) == (status == 422)


async def test_the_header_wins_outright_over_the_cookie(web: Web, callers: Any) -> None:
    good = callers["viewer session"]["authorization"].removeprefix("Bearer ")
    for bad in ("Bearer nonsense", "Basic abc", "Bearer", "", f"Bearer  {good}", "Bearer \xff"):
        headers = {"authorization": bad.encode("latin-1"), "cookie": f"phoenix-access-token={good}"}
        answer = await web.client.get("/v1/user", headers=headers)
        assert (answer.status_code, answer.text) == (401, "Invalid token"), bad
        assert answer.headers["www-authenticate"] == 'Bearer realm="Phoenix"'
    assert (await web.client.get("/v1/user", headers={"authorization": f"bEaReR {good}"})).status_code == 200


async def test_no_header_from_outside_poses_as_the_doors_own_word(web: Web, callers: Any) -> None:
    forged = {"x-phoenix-door": "x", "x-phoenix-caller-address": "9.9.9.9", "x-forwarded-for": "9.9.9.9"}
    session = await web.tokens()
    headers = {**authorized(session["access_token"]), **forged}
    await web.client.request("GET", "/v1/user", headers=headers)
    sessions = (await web.send("GET", "/v1/user/sessions", authorized(session["access_token"]))).json()["data"]
    assert {item["address"] for item in sessions} == {"127.0.0.1"}
    assert ADMIN_SECRET not in str(sessions)
