"""Phoenix's own Python client (arize-phoenix-client), unchanged, through all its dataset calls."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import httpx
import pandas
import pytest
import pytest_asyncio
from phoenix.client import AsyncClient, Client

from tests.conftest import ADMIN_SECRET
from tests.http.conftest import Web
from tests.process import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = [
    {"input": {"q": "one"}, "output": {"a": 1}, "metadata": {"m": True}, "id": "ext-1", "splits": "train"},
    {"input": {"q": "two"}, "output": {"a": 2**53 + 1}, "metadata": {}, "id": "ext-2", "splits": ["train", "test"]},
    {"input": {"q": "three"}, "output": {}, "metadata": {}},
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(web: Web) -> str:
    """A member's API key."""
    return (await web.key("MEMBER"))["authorization"].removeprefix("Bearer ")


async def run(web: Web, key: str, use: Callable[[Any], Any]) -> Any:
    """Runs `use(client.datasets)` in a thread, as a program of its own would."""
    return await asyncio.to_thread(run_program, web.url, key, use)


def run_program(url: str, key: str, use: Callable[[Any], Any]) -> Any:
    """Runs `use(client.datasets)`; the client has no way to close its connections but this."""
    client = Client(base_url=url, api_key=key)
    with contextlib.closing(client._client):
        return use(client.datasets)


async def test_create_get_and_add(web: Web, key: str) -> None:
    def use(datasets: Any) -> None:
        made = datasets.create_dataset(name="py", dataset_description="d", examples=EXAMPLES)
        assert (made.name, made.description, len(made)) == ("py", "d", 3)
        assert [example["id"] for example in made][:2] == ["ext-1", "ext-2"]
        assert made.examples[1]["output"] == {"a": 2**53 + 1}
        assert made.created_at.tzinfo is not None

        added = datasets.add_examples_to_dataset(
            dataset="py",
            examples=[{"input": {"q": "four"}, "output": {}}, {"id": "ext-1", "input": {"q": "changed"}, "output": {}}],
        )
        assert (len(added), added.examples[0]["input"]) == (4, {"q": "changed"})
        assert added.version_id != made.version_id

        old = datasets.get_dataset(dataset="py", version_id=made.version_id)
        assert [example["input"] for example in old] == [example["input"] for example in EXAMPLES]
        assert [e["id"] for e in datasets.get_dataset(dataset=made, splits=["test"])] == ["ext-2"]
        versions = datasets.get_dataset_versions(dataset=made.id)
        assert [version["version_id"] for version in versions] == [added.version_id, made.version_id]
        assert versions[0]["created_at"].astimezone(UTC) >= versions[1]["created_at"]

    await run(web, key, use)


async def test_examples_of_a_dataset_go_back_into_it_unchanged(web: Web, key: str) -> None:
    def use(datasets: Any) -> None:
        made = datasets.create_dataset(name="py again", examples=EXAMPLES)
        again = datasets.create_dataset(name="py again", examples=made.examples)
        assert again.version_id == made.version_id
        assert [e["id"] for e in datasets.get_dataset(dataset="py again", splits=["train"])] == ["ext-1", "ext-2"]

    await run(web, key, use)


async def test_inputs_and_outputs(web: Web, key: str) -> None:
    def use(datasets: Any) -> None:
        made = datasets.create_dataset(name="py lists", inputs=[{"n": 1}, {"n": 2}], outputs=[{"a": 1}, {"a": 2}])
        mirrored = datasets.create_dataset(name="py lists", inputs=[{"n": 2}], outputs=[{"a": 2}])
        assert [example["node_id"] for example in mirrored] == [made.examples[1]["node_id"]]

    await run(web, key, use)


async def test_csv_files_with_splits_and_ids(web: Web, key: str, tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text('id,question,answer,level,part\na,"x,\ny",1,easy,train\nb,z,,hard,\n')

    def use(datasets: Any) -> None:
        made = datasets.create_dataset(
            name="py csv",
            csv_file_path=file,
            input_keys=["question"],
            output_keys=["answer"],
            metadata_keys=["level"],
            example_id_key="id",
            split_key="part",
        )
        assert [e["id"] for e in made] == ["a", "b"]
        assert made.examples[0]["input"] == {"question": "x,\ny"}
        assert made.examples[1]["output"] == {}
        assert [e["id"] for e in datasets.get_dataset(dataset="py csv", splits=["train"])] == ["a"]
        guessed = datasets.create_dataset(name="py guessed", csv_file_path=file)
        assert "answer" in guessed.examples[0]["output"]

    await run(web, key, use)


async def test_data_frames(web: Web, key: str) -> None:
    frame = pandas.DataFrame({"q": ["a", "b"], "answer": ["1", None]})

    def use(datasets: Any) -> None:
        made = datasets.create_dataset(name="py frame", dataframe=frame, input_keys=["q"], output_keys=["answer"])
        assert list(made.to_dataframe()["input"]) == [{"q": "a"}, {"q": "b"}]

    await run(web, key, use)


async def test_list_follows_the_cursor(web: Web, key: str) -> None:
    for number in range(105):
        await web.send("POST", "/v1/datasets", json={"name": f"py many {number}"})

    def use(datasets: Any) -> None:
        names = [item["name"] for item in datasets.list()]
        assert len(names) == len(set(names)) >= 105
        assert len(datasets.list(limit=102)) == 102

    await run(web, key, use)


TWIN = {"input": {"q": 1}, "output": {}, "id": "x"}


async def test_what_is_refused_reaches_the_program(web: Web, key: str) -> None:
    def use(datasets: Any) -> None:
        with pytest.raises(ValueError, match="not found"):
            datasets.get_dataset(dataset="absent")
        with pytest.raises(Exception, match=r"422|twice"):
            datasets.create_dataset(name="py bad", examples=[TWIN, TWIN])

    await run(web, key, use)
    viewer = (await web.key("VIEWER"))["authorization"].removeprefix("Bearer ")
    with pytest.raises(Exception, match=r"403|Viewers cannot perform this action\."):
        await run(web, viewer, lambda datasets: datasets.create_dataset(name="py viewer", inputs=[{"a": 1}]))
    with pytest.raises(httpx.HTTPStatusError, match="401"):
        await run(web, "phgrpc_nonsense", lambda datasets: datasets.list())


async def test_the_asynchronous_client(web: Web, key: str) -> None:
    client = AsyncClient(base_url=web.url, api_key=key)
    async with contextlib.aclosing(client._client):
        datasets = client.datasets
        made = await datasets.create_dataset(name="py async", examples=EXAMPLES)
        added = await datasets.add_examples_to_dataset(dataset=made, examples=[{"input": {"q": 5}, "output": {}}])
        assert len(added) == 4
        assert len(await datasets.get_dataset(dataset="py async", version_id=made.version_id)) == 3
        assert len(await datasets.get_dataset_versions(dataset="py async")) == 2
        assert "py async" in [item["name"] for item in await datasets.list()]


async def test_20_000_examples_are_created_well_inside_the_clients_timeout(tmp_path: Path) -> None:
    inputs = [{"question": f"What is {number} and {number}?", "context": "x" * 150} for number in range(20_000)]

    def create(datasets: Any) -> int:
        return len(datasets.create_dataset(name="py big", inputs=inputs))

    with ServerProcess(tmp_path) as server:
        assert await asyncio.to_thread(run_program, server.started["http"], ADMIN_SECRET, create) == 20_000
