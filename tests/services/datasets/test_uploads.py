from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from phoenix_grpc.errors import Invalid
from phoenix_grpc.formats.compression import Compression
from phoenix_grpc.formats.reader import Format
from phoenix_grpc.guard.call import ANONYMOUS, Call, current_call
from phoenix_grpc.ids import encode_id
from phoenix_grpc.pace import Pace
from phoenix_grpc.services.datasets import uploads
from phoenix_grpc.services.datasets.uploads import Upload, large_records, read_chunks, read_header
from phoenix_grpc.store.datasets.datasets import sweep_datasets
from phoenix_grpc.store.datasets.uploads import sweep_uploads
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.v1 import datasets_pb2 as pb
from tests.store.keeper import Keeper, record


@pytest.fixture(autouse=True)
def call() -> None:
    """A call by anybody."""
    current_call.set(Call(path="/method", request_id="request", principal=ANONYMOUS))


def header(**fields: Any) -> pb.UploadDatasetHeader:
    """The header of an upload that creates a dataset, unless told otherwise."""
    if "dataset_id" not in fields:
        fields.setdefault("name", " d ")
    return pb.UploadDatasetHeader(**{"action": pb.UPLOAD_ACTION_CREATE, **fields})


def test_a_header_that_says_little_means_jsonl_without_compression() -> None:
    plan = read_header(header())
    assert (plan.format, plan.compression, plan.request) == (Format.JSONL, Compression.NONE, None)
    assert (plan.publication.dataset.name, plan.publication.action) == ("d", "CREATE")
    assert not plan.keys.mapped


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "d", "action": pb.UPLOAD_ACTION_APPEND, "split_keys": ["s", "s"]}, "split_keys"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 1001}, "name"),
        ({"dataset_id": encode_id("User", 1), "action": pb.UPLOAD_ACTION_APPEND}, "dataset_id"),
        ({"action": 0}, "action"),
        ({"action": 99}, "action"),
        ({"format": 99}, "format"),
        ({"format": pb.UPLOAD_FORMAT_PARQUET}, "format"),
        ({"compression": 99}, "compression"),
        ({"input_keys": ["a", "a"]}, "input_keys"),
        ({"flatten_keys": ["a"]}, "flatten_keys"),
        ({"request_id": "x"}, "request_id"),
        ({"base_version_id": "x"}, "base_version_id"),
        ({"description": "x" * 10_001}, "description"),
    ],
)
def test_a_bad_header_is_refused_with_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_header(header(**fields))
    assert caught.value.field == field


async def chunks_of(*sizes: int) -> AsyncIterator[pb.UploadDatasetRequest]:
    for size in sizes:
        yield pb.UploadDatasetRequest(chunk=b"x" * size)


@pytest.mark.parametrize(("seconds", "pieces"), [(60.0, [600_000, 300_000]), (0.0, [1, 599_999, 300_000])])
async def test_chunks_are_gathered_but_not_held_back(
    monkeypatch: pytest.MonkeyPatch, seconds: float, pieces: list[int]
) -> None:
    monkeypatch.setattr(uploads, "_BATCH_SECONDS", seconds)
    found = [len(piece) async for piece in read_chunks(chunks_of(1, 599_999, 300_000), Pace(5))]
    assert found == pieces


@pytest.mark.parametrize("known", [False, True])
async def test_an_upload_that_fails_on_its_way_leaves_nothing(tmp_path: Path, known: bool) -> None:
    """Whether its records went to a new dataset at once, or were staged."""
    keeper = Keeper(open_engine(f"sqlite:///{tmp_path / 'database.db'}"))
    try:
        if known:
            await keeper.upload([record("before")])
        plan = read_header(header(action=pb.UPLOAD_ACTION_APPEND))
        with pytest.raises(Invalid, match="line 2001"):
            async with Upload(keeper.engine, plan, 1 << 20, large_records(1 << 20)) as upload:
                await upload.feed(b'{"input": {"a": 1}}\n' * 2000 + b"none\n")
        claimed = "SELECT COUNT(*) FROM datasets WHERE publishing IS NOT NULL"
        assert await keeper.engine.read(lambda tx: tx.one(claimed)) == (0,)
        for sweep in (sweep_datasets, sweep_uploads):
            while await keeper.engine.stage(sweep, 10_000):
                pass
        for table, left in (("revisions", known), ("datasets", known), ("uploads", 0), ("staged_examples", 0)):
            found = await keeper.engine.read(lambda tx, table=table: tx.one(f"SELECT COUNT(*) FROM {table}"))
            assert found == (left,), table
    finally:
        await keeper.engine.close()
