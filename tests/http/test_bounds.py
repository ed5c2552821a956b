"""Bounds on what one caller, also one nobody knows, can make the door hold, wait for and work on."""

import asyncio
import contextlib
import gzip
from typing import Any

import httpx
import pytest
from backports import zstd

from phoenix_grpc.server.worker import Worker
from tests.conftest import ADMIN_SECRET
from tests.http.conftest import ADMIN, Web, door_settings, exchange, web_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHUNKED = b"POST /v1/datasets HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"

HEAD = (
    b"POST /v1/datasets HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer " + ADMIN_SECRET.encode() + b"\r\n"
)


async def connection(web: Web) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the door."""
    url = httpx.URL(web.url)
    return await asyncio.open_connection(url.host, url.port)


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"0\r\nx: ", b"a" * 65536),
        (b"0\r\n", b"x: a\r\n" * 10_000),
        (b"1;x=", b"a" * 65536),
    ],
    ids=["one trailer", "many trailers", "an extension"],
)
async def test_what_follows_a_body_without_end_closes_the_connection(web: Web, begin: bytes, more: bytes) -> None:
    _, writer = await connection(web)
    writer.write(CHUNKED + begin)
    async with asyncio.timeout(5):
        while not writer.is_closing():
            with contextlib.suppress(ConnectionError):
                writer.write(more)
                await writer.drain()


async def test_bodies_of_many_small_chunks_and_trailers_pass(web: Web) -> None:
    body = b"1\r\n \r\n" * 20_000 + b"2\r\n{}\r\n0\r\nauthorization: x\r\n\r\n"
    answer = await exchange(web, HEAD + b"transfer-encoding: chunked\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 422 ")


async def test_a_body_that_drips_is_408(tmp_path_factory: pytest.TempPathFactory) -> None:
    async with web_of(door_settings(tmp_path_factory.mktemp("drip"), http_idle_seconds=0.5)) as web:
        reader, writer = await connection(web)
        writer.write(HEAD + b"content-length: 100\r\n\r\n")
        answer = asyncio.create_task(reader.read(65536))
        async with asyncio.timeout(5):
            while not answer.done():
                writer.write(b" ")
                await asyncio.sleep(0.1)
        assert (await answer).startswith(b"HTTP/1.1 408 ")
        writer.close()


JSON = {"content-type": "application/json"}
LISTS = b'{"name":[' + b"[]," * 5_000_000 + b"[]]}"


@pytest.mark.parametrize(
    ("path", "size", "limit"),
    [
        ("/auth/login", 65_537, "65,536"),
        ("/auth/password-reset", 65_537, "65,536"),
        ("/v1/datasets", (1 << 20) + 1, "1,048,576"),
        ("/v1/users", (1 << 20) + 1, "1,048,576"),
    ],
)
async def test_a_body_beyond_the_limit_of_its_route_is_413(web: Web, path: str, size: int, limit: str) -> None:
    for body, headers in (
        (b" " * size, {}),
        (gzip.compress(b" " * size), {"content-encoding": "gzip"}),
        (gzip.compress(LISTS), {"content-encoding": "gzip"}),
        (zstd.compress(LISTS), {"content-encoding": "zstd"}),
    ):
        answer = await web.send("POST", path, {**ADMIN, **JSON, **headers}, content=body)
        assert (answer.status_code, f"{limit} bytes" in answer.text) == (413, True)


async def test_every_route_that_takes_a_body_has_a_limit(tmp_path_factory: pytest.TempPathFactory) -> None:
    declared = {"/auth/login": 65_536, "/auth/password-reset-email": 65_536, "/auth/password-reset": 65_536}
    declared["/v1/datasets/upload"] = 2_000_000
    async with web_of(door_settings(tmp_path_factory.mktemp("limits"), http_max_upload_bytes=2_000_000)) as web:
        paths = (await web.send("GET", "/openapi.json")).json()["paths"]
        taking = [
            (verb, path) for path in paths for verb, operation in paths[path].items() if "requestBody" in operation
        ]
        assert len(taking) > 15
        for verb, path in taking:
            limit = declared.get(path, 1 << 20)
            head = f"{verb.upper()} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ADMIN_SECRET}\r\n"
            head += f"content-type: application/json\r\nconnection: close\r\ncontent-length: {limit + 1}\r\n\r\n"
            answer = await exchange(web, head.encode())
            assert answer.startswith(b"HTTP/1.1 413 "), path
            assert f"{limit:,} bytes".encode() in answer, path


async def test_an_upload_beyond_the_budget_of_bytes_is_429_and_gives_back_what_it_held(tmp_path_factory: Any) -> None:
    settings = door_settings(tmp_path_factory.mktemp("budget"), max_inflight_bytes=4 << 20)
    async with web_of(settings) as web:
        for _ in range(3):
            body = {"name": "big", "inputs": [{"text": "x" * (5 << 20)}]}
            answer = await web.send("POST", "/v1/datasets/upload", json=body)
            assert (answer.status_code, "PHOENIX_MAX_INFLIGHT_BYTES" in answer.text) == (429, True)
            assert int(answer.headers["retry-after"]) > 0
        body = {"name": "small", "inputs": [{"text": "x" * (1 << 19)}] * 8}
        assert (await web.send("POST", "/v1/datasets/upload", json=body)).status_code == 200


async def test_the_longest_record_passes_however_many_workers_share_the_budget(tmp_path_factory: Any) -> None:
    settings = door_settings(tmp_path_factory.mktemp("share"))
    async with web_of(Worker(1, 16).share(settings)) as web:
        body = {"name": "long", "inputs": [{"text": "x" * (settings.max_record_bytes - 100)}]}
        answer = await web.send("POST", "/v1/datasets/upload", json=body)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/users", "/v1/datasets/upload"])
async def test_strangers_are_refused_before_a_long_body_has_come(web: Web, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500000\r\n\r\n"
    assert (await exchange(web, head.encode() + b" " * 100_000)).startswith(b"HTTP/1.1 401 ")


async def test_long_bodies_of_those_who_may_are_read(web: Web) -> None:
    body = {"name": "long", "metadata": {"text": "x" * 900_000}}
    assert (await web.send("POST", "/v1/datasets", json=body)).status_code == 201


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/datasets/upload", "/auth/login"])
async def test_a_client_that_goes_away_amid_its_body_is_no_failure(
    web: Web, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await connection(web)
    writer.write(HEAD.replace(b"/v1/datasets", path.encode()) + b"content-length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    await asyncio.sleep(0.2)
    assert caplog.records == []
