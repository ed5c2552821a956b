"""Datasets, versions, splits and labels over REST: shapes and statuses as Phoenix has them, or better."""

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.http.conftest import Web

pytestmark = pytest.mark.asyncio(loop_scope="module")

ABSENT = "RGF0YXNldDo5OTk="  # Dataset:999
OTHER_TYPE = "RGF0YXNldFZlcnNpb246MQ=="  # DatasetVersion:1
ABSENT_VERSION = "RGF0YXNldFZlcnNpb246OTk5"  # DatasetVersion:999
NOT_CANONICAL = "RGF0YXNldDowMQ=="  # Dataset:01
NOT_A_NUMBER = "RGF0YXNldDpvbmU="  # Dataset:one
OVERLONG = "RGF0YXNldDo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"
NEGATIVE = "RGF0YXNldDotMQ=="  # Dataset:-1


async def test_a_dataset_has_phoenixs_keys_in_their_order(web: Web) -> None:
    uploaded = await web.upload([{"a": 1}], name="shape", description="what it is")
    found = (await web.send("GET", f"/v1/datasets/{uploaded['dataset_id']}")).json()["data"]
    keys = ["id", "name", "description", "metadata", "created_at", "updated_at", "example_count"]
    assert list(found) == keys
    assert (found["name"], found["description"], found["metadata"], found["example_count"]) == (
        "shape",
        "what it is",
        {},
        1,
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00", found["created_at"])


async def test_a_dataset_that_never_had_an_example_is_counted_as_0(web: Web) -> None:
    made = await web.send("POST", "/v1/datasets", json={"name": "empty", "metadata": {"n": 1, "x": {"y": [None]}}})
    assert made.status_code == 201
    found = (await web.send("GET", f"/v1/datasets/{made.json()['data']['id']}")).json()["data"]
    assert found == made.json()["data"]
    assert (found["example_count"], found["description"]) == (0, None)
    assert found["metadata"] == {"n": 1, "x": {"y": [None]}}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/datasets/{ABSENT}", 404),
        ("GET", f"/v1/datasets/{OTHER_TYPE}", 404),
        ("GET", f"/v1/datasets/{NEGATIVE}", 422),
        ("GET", f"/v1/datasets/{NOT_CANONICAL}", 422),
        ("GET", f"/v1/datasets/{NOT_A_NUMBER}", 422),
        ("GET", f"/v1/datasets/{OVERLONG}", 422),
        ("GET", "/v1/datasets/name", 422),
        ("GET", "/v1/datasets/RGF0YXNldDox=", 422),
        ("DELETE", f"/v1/datasets/{ABSENT}", 404),
        ("DELETE", f"/v1/datasets/{OTHER_TYPE}", 422),
        ("DELETE", "/v1/datasets/name", 422),
        ("GET", f"/v1/datasets/{ABSENT}/versions", 404),
        ("GET", f"/v1/datasets/{OTHER_TYPE}/versions", 422),
        ("GET", f"/v1/datasets/{ABSENT}/examples", 404),
        ("GET", f"/v1/datasets/{OTHER_TYPE}/examples", 404),
        ("GET", f"/v1/datasets/{NOT_A_NUMBER}/examples", 422),
        ("GET", f"/v1/datasets/{ABSENT}/csv", 422),
        ("GET", f"/v1/datasets/{ABSENT}/jsonl", 422),
        ("GET", f"/v1/datasets/{OTHER_TYPE}/jsonl/openai_ft", 422),
        ("GET", "/v1/datasets/name/jsonl/openai_evals", 422),
        ("GET", "/v1/datasets?limit=0", 422),
        ("GET", "/v1/datasets?limit=many", 422),
        ("GET", "/v1/datasets?cursor=nonsense", 422),
        ("GET", "/v1/datasets/nothing/splits", 404),
        ("GET", "/v1/datasets/nothing/splits?limit=1001", 422),
        ("GET", f"/v1/datasets/{ABSENT}/labels", 404),
        ("GET", "/v1/dataset_labels/nonsense", 422),
        ("GET", "/v1/dataset_labels/RGF0YXNldExhYmVsOjk5OQ==", 404),
        ("PATCH", f"/v1/datasets/{ABSENT}", 422),
    ],
)
async def test_what_is_not_there_or_no_id(web: Web, method: str, path: str, status: int) -> None:
    answer = await web.send(method, path, json={} if method == "PATCH" else None)
    assert answer.status_code == status, answer.text
    kind = "application/json" if answer.text.startswith('{"detail"') else "text/plain"
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("suffix", ["", "examples", "versions", "csv"])
async def test_ids_are_read_percent_encoded_and_raw(web: Web, suffix: str) -> None:
    dataset_id = (await web.upload([{"a": suffix}]))["dataset_id"]
    for form in (dataset_id, dataset_id.replace("=", "%3D")):
        assert (await web.send("GET", f"/v1/datasets/{form}/{suffix}".rstrip("/"))).status_code == 200


async def test_a_version_that_is_absent_or_of_another_dataset(web: Web) -> None:
    mine, other = await web.upload([{"a": 1}]), await web.upload([{"a": 1}])
    base = f"/v1/datasets/{mine['dataset_id']}"
    for path in ("examples", "csv", "jsonl", "jsonl/openai_ft", "jsonl/openai_evals"):
        for version, status in ((ABSENT_VERSION, 404), (other["version_id"], 404), ("nonsense", 422)):
            answer = await web.send("GET", f"{base}/{path}", params={"version_id": version})
            assert answer.status_code == status, f"{path} {version}: {answer.text}"


async def test_lists_page_through_everything_newest_first(web: Web) -> None:
    for number in range(5):
        await web.send("POST", "/v1/datasets", json={"name": f"paged {number}"})
    names, cursor = [], None
    while len(names) < 5:
        query = {"limit": 2, "name_contains": "paged", **({"cursor": cursor} if cursor else {})}
        page = (await web.send("GET", "/v1/datasets", params=query)).json()
        names += [item["name"] for item in page["data"]]
        cursor = page["next_cursor"]
    assert names == [f"paged {number}" for number in (4, 3, 2, 1, 0)]
    assert cursor is None


async def test_limit_has_no_maximum(web: Web) -> None:
    answer = await web.send("GET", "/v1/datasets", params={"limit": 10**18})
    assert (answer.status_code, answer.json()["next_cursor"]) == (200, None)


async def test_name_is_exact_and_default_page_has_10(web: Web) -> None:
    for name in ("exact", "exact not", *(f"many {number}" for number in range(11))):
        await web.send("POST", "/v1/datasets", json={"name": name})
    found = (await web.send("GET", "/v1/datasets", params={"name": "exact"})).json()
    assert [item["name"] for item in found["data"]] == ["exact"]
    assert (await web.send("GET", "/v1/datasets", params={"name": ""})).json()["data"] == []
    assert len((await web.send("GET", "/v1/datasets")).json()["data"]) == 10


async def test_patch_changes_what_is_given_alone(web: Web) -> None:
    made = (await web.send("POST", "/v1/datasets", json={"name": "before", "description": "d"})).json()["data"]
    path = f"/v1/datasets/{made['id']}"
    changed = (await web.send("PATCH", path, json={"name": "after"})).json()["data"]
    assert (changed["name"], changed["description"]) == ("after", "d")
    changed = (await web.send("PATCH", path, json={"description": None, "metadata": {"k": 1}})).json()["data"]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("after", None, {"k": 1})
    await web.send("POST", "/v1/datasets", json={"name": "taken"})
    assert (await web.send("PATCH", path, json={"name": "taken"})).status_code == 409


@pytest.mark.parametrize(
    "metadata", [{"n": 2**53 + 1}, {"deep": None}, [], "text", 5], ids=["number", "deep", "list", "text", "5"]
)
async def test_metadata_that_a_struct_cannot_carry_is_422(web: Web, metadata: Any) -> None:
    if metadata == {"deep": None}:
        for _ in range(40):
            metadata = {"a": metadata}
    answer = await web.send("POST", "/v1/datasets", json={"name": "refused", "metadata": metadata})
    assert answer.status_code == 422


async def test_versions_tell_what_they_did(web: Web) -> None:
    first = await web.upload([{"a": 1}, {"a": 2}], name="versioned")
    await web.upload([{"a": 2}, {"a": 3}], name="versioned", action="update")
    versions = (await web.send("GET", f"/v1/datasets/{first['dataset_id']}/versions")).json()["data"]
    counts = [[item[f"{what}_count"] for what in ("created", "updated", "deleted", "example")] for item in versions]
    assert counts == [[1, 0, 1, 2], [2, 0, 0, 2]]
    assert list(versions[0])[:4] == ["version_id", "description", "metadata", "created_at"]


async def test_splits_live_and_die(web: Web) -> None:
    uploaded = await web.upload([{"a": 1}, {"a": 2}], name="with splits", example_ids=["one", None])
    node = (await web.examples(uploaded["dataset_id"]))[1]["id"]
    path = "/v1/datasets/with splits/splits"
    made = await web.send("POST", path, json={"name": "train", "example_ids": ["one"]})
    assert made.status_code == 201
    split = made.json()["data"]
    assert (split["color"], split["example_count"], split["metadata"]) == ("#33c5e8", 1, {})
    change = {"add_example_ids": [node], "remove_example_ids": ["one"], "description": "d"}
    changed = (await web.send("PATCH", f"{path}/{split['id']}", json=change)).json()["data"]
    assert (changed["example_count"], changed["description"], changed["name"]) == (1, "d", "train")
    assert (await web.send("PATCH", f"{path}/{split['id']}", json={})).json()["data"]["description"] == "d"
    assert [item["id"] for item in await web.examples(uploaded["dataset_id"], split=" train ")] == [node]
    assert (await web.send("POST", path, json={"name": "train"})).status_code == 409
    assert (await web.send("POST", path, json={"name": " "})).status_code == 422
    assert (await web.send("POST", path, json={"name": "x", "color": ""})).status_code == 422
    assert (await web.send("POST", path, json={"name": "x", "example_ids": ["absent"]})).status_code == 404
    assert [item["name"] for item in (await web.send("GET", path)).json()["data"]] == ["train"]
    assert (await web.send("DELETE", f"{path}/{split['id']}")).status_code == 204
    assert (await web.send("DELETE", f"{path}/{split['id']}")).status_code == 404


async def test_the_colour_of_a_split_is_free_text(web: Web) -> None:
    await web.upload([{"a": 1}], name="coloured")
    path = "/v1/datasets/coloured/splits"
    made = await web.send("POST", path, json={"name": "fruit", "color": "banana"})
    assert (made.status_code, made.json()["data"]["color"]) == (201, "banana")
    own = f"{path}/{made.json()['data']['id']}"
    assert (await web.send("PATCH", own, json={"color": "Kiwi"})).json()["data"]["color"] == "Kiwi"
    for bad in ("", " ", "a\nb", "x" * 101):
        assert (await web.send("PATCH", own, json={"color": bad})).status_code == 422


@pytest.mark.parametrize(("split", "status"), [("", 422), ("  ", 422), ("absent", 404)])
async def test_a_split_that_is_empty_or_absent(web: Web, split: str, status: int) -> None:
    dataset_id = (await web.upload([{"a": 1}]))["dataset_id"]
    answer = await web.send("GET", f"/v1/datasets/{dataset_id}/examples", params={"split": split})
    assert answer.status_code == status


async def test_labels_live_and_die(web: Web) -> None:
    dataset_id = (await web.upload([{"a": 1}], name="labelled"))["dataset_id"]
    made = await web.send("POST", "/v1/dataset_labels", json={"name": "gold", "color": "#ffd700"})
    label = made.json()["data"]
    assert (made.status_code, label) == (201, {**label, "name": "gold", "description": None, "color": "#ffd700"})
    own = f"/v1/dataset_labels/{label['id']}"
    assert (await web.send("POST", "/v1/dataset_labels", json={"name": "gold", "color": "#ffd700"})).status_code == 409
    for bad in ({"name": "x", "color": "gold"}, {"name": "x", "color": "#FFD700"}, {"name": "", "color": "#ffd700"}):
        assert (await web.send("POST", "/v1/dataset_labels", json=bad)).status_code == 422
    assert (await web.send("PATCH", own, json={"name": None})).status_code == 422
    assert (await web.send("PATCH", own, json={"description": "d", "name": None})).json()["data"]["name"] == "gold"
    assert (await web.send("GET", own)).json()["data"]["description"] == "d"

    for identifier in (dataset_id, "labelled"):
        path = f"/v1/datasets/{identifier}/labels"
        assert (await web.send("PUT", f"{path}/{label['id']}")).json()["data"]["name"] == "gold"
        assert [item["name"] for item in (await web.send("GET", path)).json()["data"]] == ["gold"]
        assert (await web.send("DELETE", f"{path}/{label['id']}")).status_code == 204
        assert (await web.send("PUT", path, json={"dataset_label_ids": [label["id"]]})).json()["data"] != []
        absent = {"dataset_label_ids": ["RGF0YXNldExhYmVsOjk5OQ=="]}
        assert (await web.send("PUT", path, json=absent)).status_code == 404
    assert (await web.send("DELETE", own)).status_code == 204
    assert (await web.send("GET", own)).status_code == 404


async def test_a_deleted_dataset_is_gone(web: Web) -> None:
    dataset_id = (await web.upload([{"a": 1}]))["dataset_id"]
    answer = await web.send("DELETE", f"/v1/datasets/{dataset_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await web.send("GET", f"/v1/datasets/{dataset_id}")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/datasets/",
        "/v1/experiments/x",
        "/v1/traces",
        "/v1/projects",
        "/graphql",
        "/x",
    ],
)
async def test_unknown_paths_are_404_and_never_a_page(web: Web, path: str) -> None:
    answer = await web.send("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/datasets", "GET, POST"),
        ("POST", f"/v1/datasets/{ABSENT}", "DELETE, GET, PATCH"),
        ("GET", "/auth/login", "POST"),
        ("DELETE", "/healthz", "GET"),
        ("POST", "/login", "GET"),
    ],
)
async def test_a_wrong_method_is_405_with_all_that_are_right(web: Web, method: str, path: str, allow: str) -> None:
    answer = await web.send(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


async def test_whole_numbers_of_metadata_stay_whole_numbers(web: Web) -> None:
    sent = {"a": 1, "b": [2, {"c": -3}], "d": 0.5, "e": 2**53, "f": 1e300, "g": True, "h": None}
    body = {"name": "whole numbers", "metadata": sent}
    found = (await web.send("POST", "/v1/datasets", json=body)).json()["data"]["metadata"]
    assert (found, repr(sorted(found.items()))) == (sent, repr(sorted(sent.items())))


async def test_a_long_name_in_an_error_is_404(web: Web) -> None:
    answer = await web.send("GET", f"/v1/datasets/{quote('😀' * 999)}/labels")
    assert (answer.status_code, "😀" in answer.text) == (404, True)
