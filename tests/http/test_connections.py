"""Which connection goes when a new one comes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.http.connections import Connections
from tests.http.conftest import Web, door_settings, web_of


@dataclass(eq=False)
class Line:
    """Stands for a connection."""

    closed: list[str] = field(default_factory=list)
    name: str = ""

    def cut_off(self) -> None:
        """Says who was closed."""
        self.closed.append(self.name)


# What comes (+address, as number), is busy (!number), idle (.number) or gone (-number); the answers of those that come,
# and who was closed. At most 4 in all, 2 of one address; 9.9.9.9 is trusted.
CASES = [
    ("+a +a +b +b", "1 1 1 1", ""),
    ("+a +a +a", "1 1 1", "0"),
    ("+a +a !0 +a", "1 1 1", "1"),
    ("+a +a !0 !1 +a", "1 1 0", ""),
    ("+a +a !0 !1 .1 +a", "1 1 1", "1"),
    ("+a +a !0 .0 +a", "1 1 1", "1"),
    ("+a +a -0 +a", "1 1 1", ""),
    ("+a +a -0 -0 +a +a", "1 1 1 1", "1"),
    ("+a +a +b +b +c", "1 1 1 1 1", "0"),
    ("+a +a +b +b !0 !1 +c", "1 1 1 1 1", "2"),
    ("+a +a +b +b !0 !1 !2 !3 +c", "1 1 1 1 0", ""),
    ("+9.9.9.9 +9.9.9.9 +9.9.9.9 +9.9.9.9", "1 1 1 1", ""),
    ("+9.9.9.9 +9.9.9.9 +9.9.9.9 +9.9.9.9 +a", "1 1 1 1 1", "0"),
]


@pytest.mark.parametrize(("steps", "answers", "closed"), CASES)
def test_the_one_idle_longest_makes_room(steps: str, answers: str, closed: str) -> None:
    opened = Connections(4, 2, TrustedProxies(["9.9.9.9"]))
    cut: list[str] = []
    lines: list[Line] = []
    found = []
    for step in steps.split():
        kind, what = step[0], step[1:]
        if kind == "+":
            lines.append(Line(cut, str(len(lines))))
            found.append(str(int(opened.enter(lines[-1], what))))
        else:
            {"!": opened.busy, ".": opened.idle, "-": opened.leave}[kind](lines[int(what)])
    assert (" ".join(found), " ".join(cut)) == (answers, closed)


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def idle_ones(web: Web, count: int) -> AsyncIterator[list[Pair]]:
    """Connections that send nothing."""
    url = httpx.URL(web.url)
    pairs = [await asyncio.open_connection(url.host, url.port) for _ in range(count)]
    try:
        yield pairs
    finally:
        for _, writer in pairs:
            writer.close()


async def is_closed(pair: Pair) -> bool:
    """Whether the server has closed a connection."""
    try:
        return await asyncio.wait_for(pair[0].read(1), 0.1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


async def test_idle_connections_shut_nobody_out(tmp_path: Path) -> None:
    settings = door_settings(tmp_path, http_max_connections=50, http_max_connections_per_address=20)
    async with web_of(settings) as web, idle_ones(web, 100) as pairs:
        assert (await web.client.get("/healthz")).text == "OK"
        closed = await asyncio.gather(*map(is_closed, pairs))
        assert closed == [True] * 81 + [False] * 19


async def test_those_of_a_trusted_proxy_are_bounded_by_all_alone(tmp_path: Path) -> None:
    limits: dict[str, Any] = {"http_max_connections": 10, "http_max_connections_per_address": 2}
    async with (
        web_of(door_settings(tmp_path, trusted_proxies="127.0.0.1", **limits)) as web,
        idle_ones(web, 20) as pairs,
    ):
        assert (await web.client.get("/healthz")).text == "OK"
        assert await asyncio.gather(*map(is_closed, pairs)) == [True] * 11 + [False] * 9


async def test_connections_that_are_served_are_left_alone(tmp_path: Path) -> None:
    settings = door_settings(tmp_path, http_max_connections_per_address=2)
    async with web_of(settings) as web, idle_ones(web, 2) as pairs:
        for _, writer in pairs:
            writer.write(b"POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        await asyncio.sleep(0.2)
        assert (await web.client.get("/healthz")).status_code == 503
        for _, writer in pairs:
            writer.write(b"         ")
        answers = [await asyncio.wait_for(reader.readuntil(b"\r\n"), 5) for reader, _ in pairs]
        assert [answer.split()[1] for answer in answers] == [b"422"] * 2
        # Answered, they are idle again.
        assert (await web.client.get("/healthz")).status_code == 200
