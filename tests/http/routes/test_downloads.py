"""Downloads and examples over REST: exact values, the four files, pages, and streams that break."""

import asyncio
import csv
import io
import json

import pytest

from tests.http.conftest import ADMIN, Web

pytestmark = pytest.mark.asyncio(loop_scope="module")

BIG = 2**53 + 1


async def test_numbers_and_texts_come_back_exactly(web: Web) -> None:
    body = (
        '{"name": "exact", "outputs": [{"huge": 123456789012345678901234567890}],'
        ' "inputs": [{"big": 9007199254740993, "float": 1.0, "e": 1e3, "text": "\\u00e9\\n", "n": null}]}'
    )
    answer = await web.client.post(
        "/v1/datasets/upload?sync=true",
        content=body,
        headers={**ADMIN, "content-type": "application/json"},
    )
    dataset_id = answer.json()["data"]["dataset_id"]
    text = (await web.send("GET", f"/v1/datasets/{dataset_id}/examples")).text
    assert f'"big":{BIG}' in text.replace(" ", "")
    assert "123456789012345678901234567890" in text
    example = json.loads(text)["data"]["examples"][0]
    assert example["input"] == {"big": BIG, "float": 1.0, "e": 1000, "text": "é\n", "n": None}
    assert '"float":1.0' in text.replace(" ", "")


async def test_examples_have_phoenixs_keys_and_name_their_version(web: Web) -> None:
    uploaded = await web.upload([{"a": 1}, {"a": 2}], example_ids=["mine", None], splits=["x", None])
    answer = await web.send("GET", f"/v1/datasets/{uploaded['dataset_id']}/examples", params={"split": ["x", "x"]})
    data = answer.json()["data"]
    assert list(answer.json()) == ["data"]
    assert list(data) == ["dataset_id", "version_id", "filtered_splits", "examples"]
    assert (data["version_id"], data["filtered_splits"]) == (uploaded["version_id"], ["x"])
    [example] = data["examples"]
    assert list(example) == ["id", "node_id", "input", "output", "metadata", "updated_at", "source"]
    assert (example["id"], example["source"]) == ("mine", None)
    assert example["updated_at"].endswith("+00:00")


async def test_an_older_version_stays_as_it_was(web: Web) -> None:
    first = await web.upload([{"a": 1}], name="older")
    await web.upload([{"a": 2}], name="older", action="update")
    old = await web.examples(first["dataset_id"], version_id=first["version_id"])
    assert [example["input"] for example in old] == [{"a": 1}]


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2500])
async def test_a_document_of_any_number_of_examples_is_whole(web: Web, count: int) -> None:
    uploaded = await web.upload([{"n": number} for number in range(count)], action="update")
    examples = await web.examples(uploaded["dataset_id"])
    assert [example["input"]["n"] for example in examples] == list(range(count))


async def test_pages_hold_to_the_version_of_the_first(web: Web) -> None:
    first = await web.upload([{"n": number} for number in range(25)], name="pages")
    path = f"/v1/datasets/{first['dataset_id']}/examples"
    page = (await web.send("GET", path, params={"limit": 10})).json()
    await web.upload([{"n": number} for number in range(100, 130)], name="pages", action="update")
    found = [example["input"]["n"] for example in page["data"]["examples"]]
    while page["next_cursor"]:
        page = (await web.send("GET", path, params={"limit": 10, "cursor": page["next_cursor"]})).json()
        assert page["data"]["version_id"] == first["version_id"]
        found += [example["input"]["n"] for example in page["data"]["examples"]]
    assert found == list(range(25))


@pytest.mark.parametrize("limit", [2000, 2**31, 10**30])
async def test_a_page_may_have_any_size(web: Web, limit: int) -> None:
    uploaded = await web.upload([{"n": number} for number in range(1500)])
    assert len(await web.examples(uploaded["dataset_id"], limit=limit)) == 1500


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": -1}, {"cursor": "x"}, {"cursor": "x.y"}, {"cursor": "."}])
async def test_a_bad_page_is_422(web: Web, query: dict[str, object]) -> None:
    dataset_id = (await web.upload([{"a": 1}]))["dataset_id"]
    answer = await web.send("GET", f"/v1/datasets/{dataset_id}/examples", params=query)
    assert answer.status_code == 422, answer.text


async def test_csv_keeps_integers_and_has_its_header_when_empty(web: Web) -> None:
    uploaded = await web.upload(
        [{"a": {"b": 1}}, {"c": "x,y"}], outputs=[{"o": [1, 2]}, {}], splits=["s", None], name="a/ü"
    )
    answer = await web.send("GET", f"/v1/datasets/{uploaded['dataset_id']}/csv")
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a_%C3%BC.csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert (rows[0]["input.a.b"], rows[1]["input.c"], rows[0]["output.o"]) == ("1", "x,y", "[1,2]")
    assert json.loads(rows[0]["splits"]) == ["s"]
    assert answer.text.splitlines()[0].endswith("splits")

    empty = (await web.send("POST", "/v1/datasets", json={"name": "no rows"})).json()["data"]
    assert (await web.send("GET", f"/v1/datasets/{empty['id']}/csv")).text.strip().startswith("id,node_id")


async def test_jsonl_and_openai_files(web: Web) -> None:
    turn = [{"role": "user", "content": "hi"}]
    uploaded = await web.upload(
        [{"messages": turn, "tools": [{"type": "function"}]}, {"messages": 5}],
        outputs=[{"messages": [{"role": "assistant", "content": "ho"}]}, {}],
        example_ids=["one", None],
    )
    base = f"/v1/datasets/{uploaded['dataset_id']}/jsonl"
    answer = await web.send("GET", base)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"].endswith(".jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert list(lines[0]) == ["id", "node_id", "input", "output", "metadata", "splits"]
    tuning = [json.loads(line) for line in (await web.send("GET", f"{base}/openai_ft")).text.splitlines()]
    reply = {"role": "assistant", "content": "ho"}
    assert tuning == [{"messages": [*turn, reply], "tools": [{"type": "function"}]}, {"messages": []}]
    evals = [json.loads(line) for line in (await web.send("GET", f"{base}/openai_evals")).text.splitlines()]
    assert evals == [{"messages": turn, "ideal": "ho"}, {"messages": [], "ideal": ""}]


async def test_a_client_that_leaves_ends_the_download(web: Web) -> None:
    uploaded = await web.upload([{"text": "x" * 1000, "n": number} for number in range(20_000)])
    async with web.client.stream("GET", f"/v1/datasets/{uploaded['dataset_id']}/jsonl", headers=ADMIN) as answer:
        async for _ in answer.aiter_raw():
            break
    async with asyncio.timeout(5):
        assert (await web.send("GET", "/v1/datasets")).status_code == 200
