"""Uploads over REST: JSON and forms, Phoenix's rules, and every kind of bad body."""

import asyncio
import gzip
import json
import secrets
import zlib
from typing import Any

import httpx
import pytest
from backports import zstd

from tests.databases import store_waits
from tests.http.conftest import ADMIN, Web

pytestmark = pytest.mark.asyncio(loop_scope="module")

URL = "/v1/datasets/upload?sync=true"
JSON = {**ADMIN, "content-type": "application/json"}
CSV = b"question,answer,split\nq1,a1,train\nq2,,\n"
KEYS = {"input_keys[]": ["question"], "output_keys[]": ["answer"]}


def document(**more: Any) -> dict[str, Any]:
    """A small upload under a new name."""
    return {"name": secrets.token_hex(8), "inputs": [{"a": 1}], **more}


def form(content: bytes = CSV, kind: str = "text/csv", headers: dict[str, str] | None = None, **fields: Any) -> Any:
    """The arguments of a form's request."""
    data = {"name": secrets.token_hex(8), **KEYS, **fields}
    return {"data": data, "files": {"file": ("data.csv", content, kind, headers or {})}}


async def test_the_counts_of_create_append_and_update(web: Web) -> None:
    body = document(inputs=[{"a": 1}, {"a": 2}], example_ids=["x", None])
    steps: list[tuple[dict[str, Any], tuple[int, int, int]]] = [
        ({}, (2, 0, 0)),
        ({"action": "append"}, (0, 0, 0)),
        ({"action": "APPEND", "inputs": [{"a": 9}, {"a": 3}]}, (1, 1, 0)),
        ({"action": "Update", "inputs": [{"a": 9}], "example_ids": None}, (0, 0, 2)),
        ({"action": "update", "inputs": [], "example_ids": []}, (0, 0, 1)),
    ]
    for change, expected in steps:
        found = (await web.send("POST", URL, json={**body, **change})).json()["data"]
        assert tuple(found[f"num_{what}_examples"] for what in ("created", "updated", "deleted")) == expected, change
    assert list(found) == [
        "dataset_id",
        "version_id",
        "num_created_examples",
        "num_updated_examples",
        "num_deleted_examples",
    ]


async def test_a_name_that_exists_is_409_for_create(web: Web) -> None:
    body = document()
    assert (await web.send("POST", URL, json=body)).status_code == 200
    assert (await web.send("POST", URL, json=body)).status_code == 409


async def test_without_sync_the_answer_is_null_and_failures_are_told(web: Web) -> None:
    body = document()
    answer = await web.send("POST", "/v1/datasets/upload", json=body)
    assert (answer.status_code, answer.json()) == (200, None)
    assert (await web.send("POST", "/v1/datasets/upload", json=body)).status_code == 409


async def test_splits_that_are_all_null_leave_memberships_alone(web: Web) -> None:
    body = document(inputs=[{"a": 1}, {"a": 2}], splits=["train", ["train", " "]])
    dataset_id = (await web.send("POST", URL, json=body)).json()["data"]["dataset_id"]
    await web.send("POST", URL, json={**body, "action": "append", "splits": [None, None]})
    assert len(await web.examples(dataset_id, split="train")) == 2
    await web.send("POST", URL, json={**body, "action": "update", "splits": [None, "train"]})
    assert len(await web.examples(dataset_id, split="train")) == 1


async def test_values_over_several_lines_are_one_record_each(web: Web) -> None:
    body = json.dumps(document(inputs=[{"a": {"b": [1, "x\ny"]}}, {"a": 2}]), indent=2).replace("\n", "\r\n")
    answer = await web.send("POST", URL, JSON, content=body)
    examples = await web.examples(answer.json()["data"]["dataset_id"])
    assert [example["input"] for example in examples] == [{"a": {"b": [1, "x\ny"]}}, {"a": 2}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
async def test_json_in_any_unicode_encoding(web: Web, encoding: str) -> None:
    body = json.dumps(document(inputs=[{"ä": "€"}]), ensure_ascii=False).encode(encoding)
    answer = await web.send("POST", URL, JSON, content=body)
    assert answer.status_code == 200, answer.text
    assert (await web.examples(answer.json()["data"]["dataset_id"]))[0]["input"] == {"ä": "€"}


@pytest.mark.parametrize("field", ["outputs", "metadata", "splits", "span_ids", "example_ids", "description"])
async def test_null_means_absent(web: Web, field: str) -> None:
    assert (await web.send("POST", URL, json=document(**{field: None}))).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": None},
        {"inputs": None},
        {"inputs": {}},
        {"inputs": [1]},
        {"inputs": [None]},
        {"inputs": ["{"]},
        {"outputs": [{}, {}]},
        {"outputs": [None]},
        {"outputs": "x"},
        {"metadata": [[]]},
        {"splits": "train"},
        {"splits": [5]},
        {"splits": [["a", 5]]},
        {"splits": [None, None]},
        {"span_ids": [1]},
        {"example_ids": [1]},
        {"example_ids": ["a", "b"]},
        {"inputs": [{}, {}], "example_ids": ["a", "a"]},
        {"example_ids": ["RGF0YXNldEV4YW1wbGU6OTk5OTk5"]},
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_document_that_is_no_upload_is_422_with_a_sentence(web: Web, change: dict[str, Any]) -> None:
    answer = await web.send("POST", URL, json=document(**change))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/plain; charset=utf-8")
    assert "Invalid dataset action" not in answer.text


async def test_an_unknown_action_has_the_words_that_clients_look_for(web: Web) -> None:
    answer = await web.send("POST", URL, json=document(action="replace"))
    assert (answer.status_code, answer.text[:22]) == (422, "Invalid dataset action")


DEEP = b'{"name": "deep", "inputs": [%s{}%s]}' % (b'{"a":' * 100_000, b"}" * 100_000)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"5",
        b'"text"',
        b"{",
        b"{}x",
        b'{"name": "x", "inputs": [{"a": NaN}]}',
        b'{"name": "x", "inputs": [{"a": Infinity}]}',
        b'{"name": "x", "inputs": [{"a": 1e400}]}',
        b'{"name": "x", "inputs": [{"a": "\\ud800"}]}',
        b'{"name": "x\\ud800", "inputs": [{}]}',
        b'{"name": "x", "inputs": [{"a": "\xff"}]}',
        b'{"name": "x", "inputs": [{"a": "line\nend"}]}',
        b'{"name": "x", "inputs": [{"a": 01}]}',
        b"\xff\xfe{",
        DEEP,
        b"[" * 100_000,
        b'{"name": "x\\u0000", "inputs": [{}]}',
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_bad_body_is_422_and_never_a_crash(web: Web, body: bytes) -> None:
    answer = await web.send("POST", URL, JSON, content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/plain; charset=utf-8"), answer.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"name": NaN}', b'{"name": "\\ud800"}', b"[" * 100_000, b"\xff"])
async def test_small_bodies_are_held_to_the_same(web: Web, body: bytes) -> None:
    answer = await web.send("POST", "/v1/datasets", JSON, content=body)
    assert (answer.status_code, list(answer.json())) == (422, ["detail"])
    assert "input" not in answer.json()["detail"][0]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [(None, 400), ("text/plain", 422), ("application/x-www-form-urlencoded", 422), ("multipart/form-data", 400)],
)
async def test_unknown_content_types(web: Web, content_type: str | None, status: int) -> None:
    headers = {**ADMIN, **({"content-type": content_type} if content_type else {})}
    answer = await web.send("POST", URL, headers, content=b"{}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")


async def test_csv_by_form(web: Web) -> None:
    answer = await web.send("POST", URL, **form(split_key="split", action="update", description=""))
    dataset_id = answer.json()["data"]["dataset_id"]
    first, second = await web.examples(dataset_id)
    assert (first["input"], first["output"]) == ({"question": "q1"}, {"answer": "a1"})
    assert (second["input"], second["output"]) == ({"question": "q2"}, {})
    assert [example["id"] for example in await web.examples(dataset_id, split="train")] == [first["id"]]
    found = (await web.send("GET", f"/v1/datasets/{dataset_id}")).json()["data"]
    assert found["description"] == "data.csv"


async def test_jsonl_by_form_copies_the_named_keys(web: Web) -> None:
    lines = b'{"question": 1, "answer": null, "more": 5}\n{"question": 9007199254740993}\n'
    answer = await web.send("POST", URL, **form(lines, "application/jsonl"))
    examples = await web.examples(answer.json()["data"]["dataset_id"])
    assert [example["input"] for example in examples] == [{"question": 1}, {"question": 9007199254740993}]
    assert [example["output"] for example in examples] == [{"answer": None}, {}]


async def test_a_jsonl_download_goes_up_again_unchanged(web: Web) -> None:
    uploaded = await web.upload([{"a": {"b": [1, None]}}, {"c": "ü"}], name="round trip", example_ids=["one", None])
    lines = (await web.send("GET", f"/v1/datasets/{uploaded['dataset_id']}/jsonl")).content
    data = {"name": "round trip", "action": "update"}
    files = {"file": ("round.jsonl", lines, "application/jsonl")}
    found = (await web.send("POST", URL, data=data, files=files)).json()["data"]
    assert found["version_id"] == uploaded["version_id"]


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("none", bytes), ("", bytes)],
)
async def test_the_encodings_of_a_file_part(web: Web, encoding: str, compress: Any) -> None:
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = await web.send("POST", URL, **form(compress(CSV), headers=headers))
    assert answer.json()["data"]["num_created_examples"] == 2


async def test_fields_may_follow_the_file(web: Web) -> None:
    boundary = b"--cut"
    parts = [
        b'Content-Disposition: form-data; name="file"; filename="t.csv"\r\nContent-Type: text/csv\r\n\r\n' + CSV,
        b'Content-Disposition: form-data; name="name"\r\n\r\nfile first',
        b'Content-Disposition: form-data; name="input_keys[]"\r\n\r\nquestion',
    ]
    body = b"".join(boundary + b"\r\n" + part + b"\r\n" for part in parts) + boundary + b"--\r\n"
    answer = await web.send("POST", URL, {**ADMIN, "content-type": "multipart/form-data; boundary=cut"}, content=body)
    assert answer.json()["data"]["num_created_examples"] == 2


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "application/x-pandas-pyarrow"},
        {"kind": "text/plain"},
        {"headers": {"Content-Encoding": "br"}},
        {"content": b"not gzip", "headers": {"Content-Encoding": "gzip"}},
        {"content": gzip.compress(CSV, mtime=0)[:-9], "headers": {"Content-Encoding": "gzip"}},
        {"content": b"a,a\n1,2\n"},
        {"content": b"\xff\xfe"},
        {"content": b"{", "kind": "application/jsonl"},
        {"input_keys[]": ["absent"]},
        {"split_keys[]": ["split"], "split_key": "split"},
        {"action": "replace"},
        {"name": ""},
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_form_is_422(web: Web, change: dict[str, Any]) -> None:
    answer = await web.send("POST", URL, **form(**change))
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/plain; charset=utf-8"), answer.text


@pytest.mark.parametrize(
    ("charset", "name", "status"),
    [
        ("utf-8", "ü".encode(), 200),
        ("UTF8", b"upper case", 200),
        ("utf-7", b"+2AA-", 422),
        ("unicode_escape", rb"\ud800", 422),
        ("punycode", b"\xff-\xff", 422),
        ("nonsense", b"x", 422),
    ],
)
async def test_the_text_of_a_form_is_utf_8(web: Web, charset: str, name: bytes, status: int) -> None:
    field = b'--cut\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + name + b"\r\n"
    file = b"--cut\r\nContent-Disposition: form-data; name=file; filename=f\r\nContent-Type: text/csv\r\n\r\ninput.a\n1"
    headers = {**ADMIN, "content-type": f"multipart/form-data; boundary=cut; charset={charset}"}
    answer = await web.send("POST", URL, headers, content=field + file + b"\r\n--cut--\r\n")
    assert answer.status_code == status, answer.text


async def test_a_form_without_a_file_and_one_with_a_field_beyond_1_mib(web: Web) -> None:
    files = {"other": ("x", b"")}
    assert (await web.send("POST", URL, data={"name": "x", "file": "text"}, files=files)).status_code == 422
    assert (await web.send("POST", URL, data={"name": "x" * ((1 << 20) + 1)}, files=files)).status_code == 400


@pytest.mark.parametrize("body", [b"", b"--cut", b"--cut\r\n\r\n", b"--cut\r\nx\r\n", b"garbage", b"--cut--\r\n"])
async def test_a_torn_form_is_refused(web: Web, body: bytes) -> None:
    headers = {**ADMIN, "content-type": "multipart/form-data; boundary=cut"}
    assert (await web.send("POST", URL, headers, content=body)).status_code in (400, 422)


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
        ("zstd", zstd.compress),
        ("zstd", lambda body: zstd.compress(body[:9]) + zstd.compress(body[9:])),
        ("identity", bytes),
    ],
)
async def test_whole_bodies_may_be_compressed(web: Web, encoding: str, compress: Any) -> None:
    body = compress(json.dumps(document(inputs=[{"n": number} for number in range(5000)])).encode())
    answer = await web.send("POST", URL, {**JSON, "content-encoding": encoding}, content=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["num_created_examples"] == 5000


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"not gzip", 422),
        ("gzip", gzip.compress(b"{}" * 100, mtime=0)[:-9], 422),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"rest", 422),
        ("zstd", b"not zstd", 422),
        ("zstd", zstd.compress(b"{}" * 100)[:-3], 422),
        ("br", b"{}", 415),
    ],
)
async def test_a_body_that_does_not_decompress(web: Web, encoding: str, body: bytes, status: int) -> None:
    for path in (URL, "/v1/datasets"):
        answer = await web.send("POST", path, {**JSON, "content-encoding": encoding}, content=body)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/plain; charset=utf-8")


async def test_racing_appends_to_a_new_name_are_all_kept(web: Web) -> None:
    name = secrets.token_hex(8)
    bodies = [{"name": name, "action": "append", "inputs": [{"n": number}]} for number in range(16)]
    answers = await asyncio.gather(*(web.send("POST", URL, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await web.examples(answers[0].json()["data"]["dataset_id"])) == 16


async def test_strangers_and_viewers_are_refused_before_the_body_is_read(web: Web) -> None:
    viewer = await web.key("VIEWER")
    for headers, status in (({}, 401), (viewer, 403)):
        answer = await web.send("POST", URL, {**headers, "content-type": "application/json"}, content=b"[" * 10)
        assert answer.status_code == status
    assert answer.text == "Viewers cannot perform this action."


@pytest.mark.parametrize("kind", ["json", "form"])
async def test_who_goes_while_the_server_stores_has_cancelled_the_upload(web: Web, kind: str) -> None:
    name = secrets.token_hex(8)
    body = {"json": document(name=name)} if kind == "json" else form(name=name, action="create")
    with store_waits(web.api.server.settings.database_url):
        with pytest.raises(httpx.ReadTimeout):
            await web.send("POST", URL, timeout=0.5, **body)
        await asyncio.sleep(0.3)  # the server sees that the connection is gone
    for number in range(3):  # and would have been behind it
        await web.upload([{"after": number}])
        await asyncio.sleep(0.2)
    assert (await web.send("GET", f"/v1/datasets?name={name}")).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"name":"twice","inputs":[{"a":1},{"k":1,"k":2}]}', "inputs[1]: the key 'k' comes twice"),
        (b'{"name":"twice","inputs":[{},{"a":[{"k":1,"k":2}]}]}', "inputs[1]: the key 'k' comes twice"),
        (b'{"name":"twice","inputs":[{}],"outputs":[{"":1,"":2}]}', "outputs[0]: the key '' comes twice"),
        (b'{"name":"twice","inputs":[{}],"metadata":[{"k":1,"k":2}]}', "metadata[0]: the key 'k' comes"),
        (b'{"name":"twice","inputs":[{}],"inputs":[{}]}', "the key 'inputs' comes twice"),
        (b'{"name":"twice","inputs":[{}],"name":"x"}', "the key 'name' comes twice"),
        (b'{"name":"twice","inputs":[{}, {"a": 1e400}]}', "inputs[1]: the number 1e400 is out of range"),
    ],
)
async def test_a_key_that_comes_twice_is_422_with_the_element(web: Web, body: bytes, text: str) -> None:
    answer = await web.send("POST", URL, JSON, content=body)
    assert (answer.status_code, text in answer.text) == (422, True), answer.text
    assert (await web.send("GET", "/v1/datasets?name=twice")).json()["data"] == []


async def test_a_key_that_comes_twice_is_422_in_forms_and_small_bodies_too(web: Web) -> None:
    lines = b'{"question":{"a":1}}\n{"question":{"k":1,"k":2}}\n'
    answer = await web.send("POST", URL, **form(lines, "application/jsonl"))
    assert (answer.status_code, answer.text) == (422, "line 2: input: the key 'k' comes twice in one object")
    for body in (b'{"name":"x","name":"y"}', b'{"name":"x","metadata":{"a":{"k":1,"k":1}}}'):
        answer = await web.send("POST", "/v1/datasets", JSON, content=body)
        assert (answer.status_code, "comes twice" in answer.text) == (422, True), answer.text


async def test_an_empty_object_is_an_input(web: Web) -> None:
    assert (await web.send("POST", URL, json=document(inputs=[{}]))).status_code == 200
    assert (await web.send("POST", URL, **form(b"{}", "application/jsonl"))).status_code == 200
