"""What reaches the parser: smuggled, oversized, slow and broken requests; never a crash, never a page."""

import asyncio
from typing import Any

import httpx
import pytest

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.guard.capacity import ByteBudget
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.http import listener
from phoenix_grpc.http.backend import Backend
from tests.conftest import api_of
from tests.http.conftest import ADMIN, Web, door_settings, exchange, web_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CREDENTIAL = ADMIN["authorization"]
HOST = b"host: x\r\n"
CLOSE = b"connection: close\r\n"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n", b"200"),
        (b"garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", b"400"),
        (b"CONNECT x:1 HTTP/1.1\r\n" + HOST + b"\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\nbad header: x\r\n\r\n", b"400"),
        (b"POST /v1/datasets HTTP/1.1\r\n" + HOST + b"content-length: 4\r\ncontent-length: 5\r\n\r\nabcd", b"400"),
        (b"POST /v1/datasets HTTP/1.1\r\n" + HOST + b"content-length: x\r\n\r\n", b"400"),
        (
            b"POST /v1/datasets HTTP/1.1\r\n"
            + HOST
            + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            b"400",
        ),
        (b"POST /v1/datasets HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", b"400"),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 40_000 + b"\r\n\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: y\r\n" * 8_000 + b"\r\n", b"431"),
        (b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"431"),
        (b"GET /healthz HTTP/1.1\r\n" + HOST + b"x: " + b"y" * 500_000, b"431"),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_broken_and_oversized_heads(web: Web, data: bytes, status: bytes) -> None:
    answer = await exchange(web, data)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:200]
    assert b"x-phoenix-server-version: 20.26.1" in answer
    assert b"html" not in answer
    assert (status == b"431") == (b"32,768 bytes" in answer)


async def test_two_requests_in_one_packet_are_two_answers(web: Web) -> None:
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = await exchange(web, one + one.replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(("count", "answered"), [(8, True), (100, False)])
async def test_a_connection_may_send_few_requests_before_their_answers(web: Web, count: int, answered: bool) -> None:
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = await exchange(web, one * count + one.replace(b"\r\n\r\n", b"\r\n" + CLOSE + b"\r\n"))
    assert (answer.count(b"HTTP/1.1 200 OK") == count + 1) == answered


@pytest.mark.parametrize(
    "value",
    [b"Bearer \xff\xfe", b"Bearer " + b"x" * 9000, "Bearer ключ".encode(), b"Bearer a\tb", b"Bearer a b"],
    ids=lambda value: repr(value[:20]),
)
async def test_a_credential_that_metadata_cannot_carry_is_401(web: Web, value: bytes) -> None:
    for headers in ({b"authorization": value}, {b"cookie": b"phoenix-access-token=" + value[7:]}):
        answer = await web.client.get("/v1/datasets", headers=headers)
        assert (answer.status_code, answer.text) == (401, "Invalid token")


async def test_two_authorization_headers_are_refused(web: Web) -> None:
    answer = await web.client.get("/v1/datasets", headers=[("authorization", CREDENTIAL)] * 2)
    assert (answer.status_code, answer.text) == (401, "Invalid token")


@pytest.mark.parametrize("name", ["x-request-id", "user-agent", "cookie", "accept", "content-type", "origin"])
async def test_other_headers_may_hold_anything(web: Web, name: str) -> None:
    for value in (b"\xff\xfe", b"x" * 5000, b"", b"a\tb"):
        headers = {b"authorization": CREDENTIAL.encode(), name.encode(): value}
        answer = await web.client.post("/v1/datasets", headers=headers, content=b"{}")
        assert answer.status_code == 422


async def test_a_request_id_is_kept_when_logs_can_carry_it(web: Web) -> None:
    for given, kept in (("trace-1/a", True), ("x" * 129, False), ("a b", False), ("", False)):
        answer = await web.client.get("/healthz", headers={"x-request-id": given})
        assert (answer.headers["x-request-id"] == given) == kept
        assert answer.headers["x-request-id"]


async def test_a_body_that_does_not_arrive_is_408(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with web_of(door_settings(tmp_path_factory.mktemp("slow"), http_idle_seconds=0.3)) as web:
        head = f"POST /v1/datasets HTTP/1.1\r\nauthorization: {CREDENTIAL}\r\ncontent-type: application/json\r\n"
        answer = await exchange(web, head.encode() + b"content-length: 100\r\n\r\n{")
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in answer


async def test_a_head_that_does_not_arrive_ends_the_connection(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "_HEAD_SECONDS", 0.2)
    url = httpx.URL(web.url)
    for start in (b"", b"GET / HT"):
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(start)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_the_server_going_away_is_503_with_retry_after(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = door_settings(tmp_path_factory.mktemp("alone"))
    async with api_of(settings) as api, httpx.AsyncClient() as client:
        api.server.guard.drain()
        backend = Backend(settings, api.server.guard, ByteBudget(1 << 20), serving=lambda: False)
        async with listener.http_door(backend, RateLimit(1, 1)) as port:
            url = f"http://127.0.0.1:{port}"
            for path in ("/readyz", "/v1/datasets"):
                answer = await client.get(url + path)
                assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True), path
            assert (await client.get(f"{url}/healthz")).status_code == 200


async def test_a_port_in_use_stops_the_start_with_its_name(web: Web, tmp_path_factory: Any) -> None:
    port = httpx.URL(web.url).port
    settings = door_settings(tmp_path_factory.mktemp("second"), port=port)
    backend = Backend(settings, web.api.server.guard, ByteBudget(1), serving=lambda: True)
    with pytest.raises(ConfigurationError, match="PHOENIX_PORT"):
        async with listener.http_door(backend, RateLimit(1, 1)):
            pass


@pytest.mark.parametrize("path", ["/v1/datasets/{}/examples", "/v1/datasets/{}/csv", "/v1/datasets?limit=100"])
async def test_long_answers_are_compressed_for_those_who_accept_it(web: Web, path: str) -> None:
    inputs = [{"text": "x" * 500, "n": number} for number in range(5000)]
    dataset_id = (await web.upload(inputs, name=f"for {path}", description="x" * 1000))["dataset_id"]
    plain = await web.send("GET", path.format(dataset_id), {**ADMIN, "accept-encoding": "identity"})
    small = await web.send("GET", path.format(dataset_id), {**ADMIN, "accept-encoding": "gzip"})
    assert plain.content == small.content
    assert (plain.headers.get("content-encoding"), small.headers["content-encoding"]) == (None, "gzip")
    assert plain.headers["vary"] == small.headers["vary"] == "Accept-Encoding"
    assert small.num_bytes_downloaded < plain.num_bytes_downloaded / 2


async def test_short_answers_are_not_compressed(web: Web) -> None:
    assert "content-encoding" not in (await web.send("GET", "/v1/user", {**ADMIN, "accept-encoding": "gzip"})).headers
