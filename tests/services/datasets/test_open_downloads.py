"""How many downloads a caller may have open, by whichever door, and what each may hold."""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.call import Call, current_call
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.services.datasets import downloads, open_downloads
from phoenix_grpc.services.datasets.open_downloads import Downloads
from phoenix_grpc.v1 import datasets_pb2
from tests.conftest import Api, Metadata, api_of, bearer, details, make_settings, reason_of, refused

MB = 1 << 20
REQUEST = datasets_pb2.DownloadDatasetRequest(name="long")


async def begun(api: Api, metadata: Metadata) -> Any:
    """A download of which the header was read."""
    download = api.datasets.DownloadDataset(REQUEST, metadata=metadata)
    await download.read()
    return download


async def test_a_caller_has_so_many_downloads_open_by_both_doors_together(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, max_downloads_per_caller=2)) as api:
        header = datasets_pb2.UploadDatasetHeader(name="long", action="UPLOAD_ACTION_CREATE")
        made = await api.upload(header, b'{"input": {"text": "%s"}}\n' % (b"x" * 4000) * 3000)
        user = await api.make_user("MEMBER")
        one, other = [bearer((await api.login(user.email, "a good password")).access_token) for _ in range(2)]
        first, second = await begun(api, one), await begun(api, other)
        error = await refused(begun(api, one))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
        assert "RetryInfo" in details(error)
        await begun(api, await api.session("VIEWER"))  # others are not in its way

        path = f"/v1/datasets/{made.dataset.dataset_id}/jsonl"
        async with httpx.AsyncClient(base_url=api.server.http_address) as client:
            answer = await client.get(path, headers=dict(one))
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            first.cancel()
            second.cancel()
            while (answer := await client.get(path, headers=dict(one))).status_code == 429:
                pass
            assert answer.status_code == 200


def called_by(kind: PrincipalKind, user_id: int | None = None, credential_id: str = "", address: str = "a") -> None:
    """From here on this caller calls."""
    principal = Principal(kind, Role.MEMBER, user_id, credential_id=credential_id)
    current_call.set(Call("/method", "id", principal=principal, address=address))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((PrincipalKind.SESSION, 1, "s1"), (PrincipalKind.SESSION, 1, "s2"), True),
        ((PrincipalKind.SESSION, 1, "s1"), (PrincipalKind.USER_KEY, 1, "k1"), True),
        ((PrincipalKind.USER_KEY, 1, "k1"), (PrincipalKind.USER_KEY, 2, "k2"), False),
        ((PrincipalKind.SYSTEM_KEY, 9, "k1"), (PrincipalKind.SYSTEM_KEY, 9, "k2"), False),
        ((PrincipalKind.ADMIN_SECRET, 9), (PrincipalKind.SYSTEM_KEY, 9, "k1"), False),
        ((PrincipalKind.ANONYMOUS, None, "", "a"), (PrincipalKind.ANONYMOUS, None, "", "a"), True),
        ((PrincipalKind.ANONYMOUS, None, "", "a"), (PrincipalKind.ANONYMOUS, None, "", "b"), False),
    ],
)
def test_who_counts_as_one_caller(tmp_path: Path, one: Any, other: Any, same: bool) -> None:
    opened = Downloads(make_settings(tmp_path, max_downloads_per_caller=1))
    called_by(*one)
    with opened.begin():
        called_by(*other)
        with pytest.raises(LimitExceeded) if same else contextlib.nullcontext(), opened.begin():
            pass
    with opened.begin():
        pass


def test_each_reads_less_at_once_the_more_are_open(tmp_path: Path) -> None:
    opened = Downloads(make_settings(tmp_path, max_downloads_per_caller=10_000))
    called_by(PrincipalKind.ADMIN_SECRET)
    with contextlib.ExitStack() as stack:
        sizes = [stack.enter_context(opened.begin()).page_chars for _ in range(2000)]
        assert sizes == sorted(sizes, reverse=True)
        assert (sizes[0], sizes[-1]) == (128 << 10, 16 << 10)
        assert sum(sizes[:500]) < 32 * MB
    with opened.begin() as share:
        assert share.page_chars == 128 << 10


async def test_large_pages_wait_for_room_and_are_then_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_downloads, "_PATIENCE_SECONDS", 0.1)
    opened = Downloads(make_settings(tmp_path))
    called_by(PrincipalKind.ADMIN_SECRET)
    with opened.begin() as first, opened.begin() as second:
        await first.take(1000 * MB)  # larger than all together may be: alone it passes
        await second.take(MB)  # ordinary pages do not wait for large ones
        with pytest.raises(LimitExceeded, match="large examples") as caught:
            await second.take(2 * MB)
        assert caught.value.retry_after
        await first.take(1000)
        await second.take(2 * MB)


async def test_few_read_a_page_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most, now = 0, 0

    def counted(rows: Any, names: Any) -> str:
        nonlocal most, now
        now += 1
        most = max(most, now)
        time.sleep(0.01)
        now -= 1
        return "x" * len(rows)

    monkeypatch.setitem(downloads._FORMS, datasets_pb2.DOWNLOAD_FORMAT_UNSPECIFIED, counted)
    async with api_of(make_settings(tmp_path)) as api:
        header = datasets_pb2.UploadDatasetHeader(name="long", action="UPLOAD_ACTION_CREATE")
        await api.upload(header, b'{"input": {"text": "a"}}\n' * 3000)
        metadata = await api.session("VIEWER")
        opened = [await begun(api, metadata) for _ in range(8)]
        sizes = await asyncio.gather(*(size_of(download) for download in opened))
    assert sizes == [3000] * 8
    assert 2 <= most <= open_downloads._READING_AT_ONCE


async def size_of(download: Any) -> int:
    size = 0
    while (message := await download.read()) is not grpc.aio.EOF:
        size += len(message.chunk)
    return size
