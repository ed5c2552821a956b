"""`phoenix-grpc audit`: filters, the table, and pages."""

import pytest

from tests.cli.conftest import Cli


@pytest.fixture
def busy(admin: Cli, member: Cli) -> str:
    """The name of a dataset that a member made, filled and deleted."""
    name = member.home.name
    member.run("datasets", "create", name)
    (member.home / "rows.jsonl").write_text('{"input": {"q": 1}}\n{"input": {"q": 2}}\n')
    member.run("datasets", "upload", name, member.home / "rows.jsonl", "--action", "append")
    member.run("datasets", "delete", name, "--yes")
    return name


def test_what_was_done_to_a_dataset_is_found_by_its_name_when_it_is_gone(admin: Cli, busy: str) -> None:
    events = admin.json("audit", "--dataset", busy)
    assert [event["action"] for event in events] == ["dataset.delete", "dataset.upload", "dataset.create"]
    assert [event["created_count"] for event in events] == [0, 2, 0]
    assert admin.json("audit", "--dataset", events[0]["dataset_id"]) == events
    table = admin.run("audit", "--dataset", busy).stdout
    for shown in ("WHEN", "dataset.upload", "+2", "-2", "allowed", events[0]["actor_email"]):
        assert shown in table


def test_filters_are_combined(admin: Cli, busy: str) -> None:
    of_dataset = ("audit", "--dataset", busy)
    events = admin.json(*of_dataset)
    assert admin.json(*of_dataset, "--user", events[0]["actor_email"]) == events
    assert admin.json(*of_dataset, "--user", events[0]["actor_user_id"]) == events
    assert admin.json(*of_dataset, "--user", "nobody@example.com") == []
    assert admin.json(*of_dataset, "--action", "dataset.upload") == events[1:2]
    assert admin.json(*of_dataset, "--since", "1h", "--outcome", "allowed") == events
    assert admin.json(*of_dataset, "--outcome", "denied") == []
    assert admin.json(*of_dataset, "--until", "1h") == admin.json(*of_dataset, "--until", "2026-01-31T09:30") == []


def test_no_more_than_the_limit_is_shown_and_it_says_so(admin: Cli, busy: str) -> None:
    events = admin.json("audit", "--dataset", busy)
    limited = admin.run("audit", "--dataset", busy, "--limit", "2", "--json")
    assert "--limit shows more" in limited.stderr
    assert "--limit" not in admin.run("audit", "--dataset", busy, "--limit", "3").stderr
    assert admin.json("audit", "--dataset", busy, "--limit", "2") == events[:2]


def test_it_takes_an_admin_and_a_time(member: Cli, admin: Cli) -> None:
    member.run("audit", exit_code=4)
    assert "use 2026-01-31" in admin.run("audit", "--since", "yesterday", exit_code=2).stderr
