"""A disk that is really full: a file system of a few MiB takes uploads until none fits, and lets make room again."""

import gzip
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

import grpc
import pytest

from phoenix_grpc.errors import StoreFull
from phoenix_grpc.server import background
from phoenix_grpc.store.disk import Disk, Pages
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import Api, api_of, bearer, make_settings, reason_of, refused

pytestmark = pytest.mark.sqlite

DISK_BYTES = 24 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
async def api(disk: Path) -> AsyncIterator[Api]:
    """A server whose database is on that file system, with the reserve that it has by itself."""
    async with api_of(make_settings(disk)) as api:
        yield api


def lines(count: int, size: int = 1000) -> bytes:
    """Records of about that many bytes, no two alike."""
    return b"\n".join(json.dumps({"input": {"text": os.urandom(size // 2).hex()}}).encode() for _ in range(count))


def upload(api: Api, name: str, data: bytes) -> datasets_pb2.UploadDatasetResponse:
    header = datasets_pb2.UploadDatasetHeader(name=name, action="UPLOAD_ACTION_APPEND")
    return api.upload(header, data)  # type: ignore[return-value]


def free_bytes(folder: Path) -> int:
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


async def fill(api: Api, *sizes: int) -> list[str]:
    """Uploads datasets of so many records until none fits, for each of the sizes; answers their names."""
    names: list[str] = []
    for size in sizes:
        while await uploaded(api, f"d{len(names)}", lines(size)):
            names.append(f"d{len(names)}")
    return names


async def uploaded(api: Api, name: str, data: bytes) -> bool:
    """Whether there was room for an upload."""
    try:
        await upload(api, name, data)
    except grpc.aio.AioRpcError as error:
        if reason_of(error) != "STORE_FULL":
            raise
        return False
    return True


async def create_many(api: Api) -> None:
    for number in range(100):
        await api.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=f"e{number}"), metadata=api.admin)


async def sweep_all(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server does twice a minute, without its pauses."""
    monkeypatch.setattr(background, "_PAUSE_SECONDS", 0)
    await background.sweep(api.server.engine, api.server.settings, lambda _: "")


@pytest.mark.parametrize("size", [100, 3000], ids=["small uploads", "big uploads"])
async def test_what_makes_room_works_on_a_full_disk_and_uploads_work_again(
    api: Api, disk: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    key = await api.auth.CreateApiKey(
        auth_pb2.CreateApiKeyRequest(name="k"), metadata=bearer((await api.login()).access_token)
    )
    names = await fill(api, size, 100, 1)
    assert free_bytes(disk) > 0
    with pytest.raises(grpc.aio.AioRpcError, match="storage is full"):
        await create_many(api)
    for number in range(100):  # accounts go on for a while
        request = auth_pb2.CreateUserRequest(email=f"{number}@example.com", role="ROLE_MEMBER")
        await api.auth.CreateUser(request, metadata=api.admin)
    session = bearer((await api.login()).access_token)
    request = auth_pb2.RevokeApiKeyRequest(api_key_id=key.api_key.api_key_id)
    await api.auth.RevokeApiKey(request, metadata=session)
    assert (
        reason_of(await refused(api.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=bearer(key.key))))
        == "API_KEY_REVOKED"
    )
    for name in names:
        await api.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name=name), metadata=session)
    await sweep_all(api, monkeypatch)
    assert (await upload(api, "new", lines(size))).created_count == size
    assert len(await fill(api, size, 100, 1)) > len(names) // 2


async def test_an_upload_that_cannot_be_published_is_refused_while_it_comes(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = datasets_pb2.UploadDatasetHeader(name="big", action="UPLOAD_ACTION_APPEND", compression="COMPRESSION_GZIP")
    data = b"\n".join(b'{"input": {"text": "%d%s"}}' % (number, b"x" * 1000) for number in range(30_000))
    assert reason_of(await refused(api.upload(header, gzip.compress(data, 1)))) == "STORE_FULL"
    await sweep_all(api, monkeypatch)
    assert (await upload(api, "small", lines(100))).created_count == 100
    assert len(await fill(api, 1000)) > 1


async def test_a_disk_that_others_fill_takes_logins_and_deletes_from_the_room_of_the_log(api: Api, disk: Path) -> None:
    await upload(api, "d", lines(3000))
    with pytest.raises(OSError, match="No space"), (disk / "other").open("wb", buffering=0) as other:
        fill_file(other)
    assert free_bytes(disk) == 0
    session = bearer((await api.login()).access_token)
    await api.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name="d"), metadata=session)
    (disk / "other").unlink()
    assert (await upload(api, "e", lines(1))).created_count == 1


def fill_file(file: IO[bytes]) -> None:
    while True:
        file.write(b"\0" * 65536)


MIB = 1 << 20


@pytest.mark.parametrize(
    ("free", "reserve", "pages", "growth", "fits"),
    [
        (100, 0, Pages(0, 0, 4096), 10, True),
        (100, 50, Pages(0, 0, 4096), 40, True),  # as much for the file, and the reserve
        (100, 50, Pages(0, 0, 4096), 60, False),
        (100, 0, Pages(0, 0, 4096), 60, False),  # the log and the file
        (100, 50, Pages(60 * 256, 60 * 256, 4096), 60, False),  # pages that are still in the log have no room yet
        (100, 0, Pages(40 * 256, 0, 4096), 40, False),
        (1, 0, Pages(0, 0, 4096), 0, True),
        (0, 0, Pages(0, 0, 4096), 0, False),
    ],
)
def test_room_is_what_the_log_and_the_file_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, reserve: int, pages: Pages, growth: int, fits: bool
) -> None:
    space = os.statvfs_result((4096, 4096, 1 << 22, free * 256, free * 256, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: space)
    path = tmp_path / "file"
    path.touch()
    disk = Disk(path, reserve * MIB)
    if fits:
        disk.require_room(pages, growth * MIB)
    else:
        with pytest.raises(StoreFull):
            disk.require_room(pages, growth * MIB)
