"""A store that is full: 507, nothing half done, and life goes on when there is room again."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.http.conftest import Web, door_settings, web_of

pytestmark = pytest.mark.sqlite

ROWS = [{"text": "x" * 1000, "n": number} for number in range(100)]
LINES = b"\n".join(b'{"text":"%s%d"}' % (b"x" * 1000, number) for number in range(100))


@pytest_asyncio.fixture
async def full(tmp_path: Path) -> AsyncIterator[Web]:
    """A server with one dataset, whose database may grow no more."""
    async with web_of(door_settings(tmp_path)) as web:
        await web.upload(ROWS, name="before")
        writer(web).execute("PRAGMA max_page_count = 1")  # SQLite makes of it the pages there are
        yield web


def writer(web: Web) -> sqlite3.Connection:
    """The connection that the server writes with."""
    connection: sqlite3.Connection = web.api.server.engine._writer  # type: ignore[attr-defined]
    return connection


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/datasets/upload", {"json": {"name": "new", "inputs": ROWS}}),
        ("/v1/datasets/upload", {"json": {"name": "before", "action": "append", "inputs": [{"n": 1}, *ROWS[1:]]}}),
        (
            "/v1/datasets/upload",
            {
                "data": {"name": "new", "input_keys[]": "text"},
                "files": {"file": ("rows.jsonl", LINES, "application/jsonl")},
            },
        ),
        ("/v1/datasets", {"json": {"name": "new", "metadata": {"text": "x" * 100_000}}}),
    ],
    ids=["JSON", "append", "form", "metadata"],
)
async def test_a_write_is_507_and_leaves_nothing_until_there_is_room(full: Web, path: str, body: Any) -> None:
    answer = await full.send("POST", path, **body)
    assert (answer.status_code, answer.text) == (507, "the server's storage is full")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    [dataset] = (await full.send("GET", "/v1/datasets")).json()["data"]
    assert (dataset["name"], dataset["example_count"]) == ("before", 100)
    writer(full).execute("PRAGMA max_page_count = 1000000")
    assert (await full.send("POST", path, **body)).is_success
