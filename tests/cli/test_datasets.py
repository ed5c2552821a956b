"""`phoenix-grpc datasets`: what is told about them, and their end."""

from pathlib import Path

from tests.cli.conftest import Cli


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


def test_delete_asks_and_what_was_agreed_to_goes(admin: Cli, lines: Path) -> None:
    admin.run("datasets", "upload", "deleted", lines)
    assert "--yes" in admin.run("datasets", "delete", "deleted", exit_code=2).stderr
    question = "Delete deleted with 3 examples and all versions?"
    code, shown = admin.converse("datasets", "delete", "deleted", answers=[(question, "n\n")])
    assert (code, "nothing was deleted" in shown) == (1, True)
    code, shown = admin.converse("datasets", "delete", "deleted", answers=[(question, "y\n")])
    assert (code, "Deleted deleted." in shown) == (0, True)
    admin.run("datasets", "delete", "deleted", "--yes", exit_code=5)
