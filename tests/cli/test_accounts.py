"""`phoenix-grpc users` and `keys`: made, changed, ended; secrets are shown once."""

import time
from datetime import timedelta
from pathlib import Path

import click
import pytest

from phoenix_grpc.cli.keys import DURATION
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_SECRET
from tests.process import ServerProcess


def test_a_user_is_created_changed_and_deleted(admin: Cli) -> None:
    made = admin.json("users", "create", "Ada@example.com", "--role", "viewer", "--random-password")
    assert (made["role"], len(made["password"])) == ("ROLE_VIEWER", 16)
    assert admin.json("users", "set-role", "ada@example.com", "member")["role"] == "ROLE_MEMBER"
    table = admin.run("users", "list").stdout
    assert made["user_id"] in table
    assert made["email"] in [user["email"] for user in admin.json("users", "list")]
    admin.run("users", "create", "ada@example.com", "--random-password", exit_code=6)
    assert "--yes" in admin.run("users", "delete", "ada@example.com", exit_code=2).stderr
    code, _ = admin.converse("users", "delete", "ada@example.com", answers=[("?", "n\n")])
    assert code == 1
    admin.run("users", "delete", "ADA@example.com", "--yes")
    assert "users list" in admin.run("users", "delete", "ada@example.com", "--yes", exit_code=5).stderr


def test_a_user_of_a_provider_needs_no_password(admin: Cli) -> None:
    made = admin.json("users", "create", "Eve@example.com", "--auth-method", "oauth2")
    assert (made["email"], made["auth_method"]) == ("eve@example.com", "AUTH_METHOD_OAUTH2")
    [line] = [line for line in admin.run("users", "list").stdout.splitlines() if "eve@example.com" in line]
    assert "OAUTH2" in line
    for option in ("--random-password", "--password-stdin"):
        wrong = admin.run("users", "create", "eve@example.com", "--auth-method", "ldap", option, exit_code=2)
        assert "no password" in wrong.stderr


def test_a_password_that_was_typed_is_never_printed_and_one_made_up_is_printed_alone(admin: Cli, cli: Cli) -> None:
    typed = admin.run(
        "users", "create", "typed@example.com", "--password-stdin", "--username", "typed", input="a good password\n"
    )
    assert (typed.stdout, "a good password" in typed.output) == ("", False)
    made_up = admin.run("users", "create", "made-up@example.com", "--random-password")
    assert made_up.stdout.strip() not in made_up.stderr
    cli.log_in("made-up@example.com", made_up.stdout.strip())
    both = ("--password-stdin", "--random-password")
    admin.run("users", "create", "c@example.com", *both, input="x", exit_code=2)


def test_a_password_is_asked_for_twice_at_a_terminal(admin: Cli, cli: Cli) -> None:
    answers = [("Password:", "a good password\n"), ("Repeat for confirmation:", "a good password\n")]
    code, shown = admin.converse("users", "create", "asked@example.com", answers=answers)
    assert (code, "a good password" in shown) == (0, False)
    cli.log_in("asked@example.com", "a good password")


def test_a_key_is_printed_once_alone_and_works_at_once(member: Cli) -> None:
    made = member.run("keys", "create", "laptop", "--expires", "30d", "--description", "mine")
    key = made.stdout.strip()
    assert key.startswith("phgrpc_")
    assert key not in made.stderr
    with_key = Cli(member.home, {**member.variables, "PHOENIX_API_KEY": key})
    principal = with_key.json("whoami")
    assert (principal["kind"], principal["role"]) == ("PRINCIPAL_KIND_USER_KEY", "ROLE_MEMBER")
    (listed,) = member.json("keys", "list")
    assert (listed["name"], listed["api_key_id"]) == ("laptop", principal["credential_id"])
    for arguments in (["keys", "list"], ["keys", "list", "--json"]):
        shown = member.run(*arguments).output
        assert listed["api_key_id"] in shown
        assert key not in shown
    assert "CREDENTIAL_NOT_INTERACTIVE" in with_key.run("keys", "create", "child", exit_code=4).stderr
    member.run("keys", "revoke", listed["api_key_id"])
    assert "API_KEY_REVOKED" in with_key.run("whoami", exit_code=3).stderr
    assert member.json("keys", "list") == []


def test_a_rotated_key_has_a_new_secret_and_the_old_one_may_overlap(member: Cli) -> None:
    made = member.json("keys", "create", "rotated")
    old = Cli(member.home, {**member.variables, "PHOENIX_API_KEY": made["key"]})
    second = member.run("keys", "rotate", made["api_key"]["api_key_id"], "--overlap", "1h").stdout.strip()
    old.run("whoami")
    third = member.json("keys", "rotate", made["api_key"]["api_key_id"])["key"]
    assert len({made["key"], second, third}) == 3
    Cli(member.home, {**member.variables, "PHOENIX_API_KEY": second}).run("whoami", exit_code=3)
    Cli(member.home, {**member.variables, "PHOENIX_API_KEY": third}).run("whoami")


def test_a_key_can_be_limited(member: Cli) -> None:
    member.run("datasets", "create", "inside")
    member.run("datasets", "create", "outside")
    key = member.run("keys", "create", "limited", "--read-only", "--dataset", "inside").stdout.strip()
    limited = Cli(member.home, {**member.variables, "PHOENIX_API_KEY": key})
    limited.run("datasets", "show", "inside")
    assert "KEY_NOT_FOR_DATASET" in limited.run("datasets", "show", "outside", exit_code=4).stderr
    assert "KEY_READ_ONLY" in limited.run("datasets", "delete", "inside", "--yes", exit_code=4).stderr
    assert "read-only" in member.run("keys", "list").stdout
    member.run("keys", "create", "limited", "--dataset", "no such dataset", exit_code=5)


def test_system_keys_take_an_admin(admin: Cli, member: Cli) -> None:
    made = admin.json("keys", "create", "nightly", "--system")
    assert made["api_key"]["api_key_id"] in admin.run("keys", "list", "--system").stdout
    admin.json("keys", "rotate", made["api_key"]["api_key_id"], "--system")
    admin.run("keys", "revoke", made["api_key"]["api_key_id"], "--system")
    assert "ROLE_INSUFFICIENT" in member.run("keys", "create", "nightly", "--system", exit_code=4).stderr


def test_everybodys_keys_come_with_their_owners(admin: Cli, member: Cli) -> None:
    member.run("keys", "create", "mine")
    email = member.json("whoami")["user"]["email"]
    assert email in [key["user_email"] for key in admin.json("keys", "list", "--all-users")]
    assert email in admin.run("keys", "list", "--all-users").stdout
    member.run("keys", "list", "--all-users", exit_code=4)
    admin.run("keys", "list", "--all-users", "--system", exit_code=2)


def test_keys_that_nobody_uses_are_listed_alone(member: Cli) -> None:
    member.run("keys", "create", "idle")
    assert "never" in member.run("keys", "list").stdout
    assert member.json("keys", "list", "--idle", "90d") == []
    assert [key["name"] for key in eventually_idle(member)] == ["idle"]
    assert "is not a duration" in member.run("keys", "list", "--idle", "0d", exit_code=2).stderr


def eventually_idle(member: Cli) -> list[dict[str, object]]:
    """The keys that were not used for a second, once there are any."""
    for _ in range(50):
        if found := member.json("keys", "list", "--idle", "1s"):
            return found
        time.sleep(0.1)
    return []


def test_keys_that_outlive_the_limit_are_marked(tmp_path: Path) -> None:
    def of(server: ServerProcess) -> Cli:
        return Cli(tmp_path, {"PHOENIX_GRPC_ADDRESS": server.address, "PHOENIX_API_KEY": ADMIN_SECRET})

    with ServerProcess(tmp_path) as server:
        of(server).run("keys", "create", "old", "--system")
    with ServerProcess(tmp_path, PHOENIX_API_KEY_MAX_DAYS="30") as server:
        cli = of(server)
        cli.run("keys", "create", "new", "--system")
        cli.run("keys", "create", "month", "--system", "--expires", "30d")
        refused = cli.run("keys", "create", "year", "--system", "--expires", "365d", exit_code=1)
        assert "--expires" in refused.stderr
        assert "PHOENIX_API_KEY_MAX_DAYS" in refused.stderr
        listed = cli.run("keys", "list", "--system")
        assert [line.split()[1] for line in listed.stdout.splitlines() if " * " in line] == ["old"]
        assert "1 key marked *" in listed.stderr
        old = next(key for key in cli.json("keys", "list", "--system") if key["name"] == "old")
        cli.run("keys", "rotate", old["api_key_id"], "--system")
        assert " * " not in cli.run("keys", "list", "--system").stdout
    assert any('"count":1' in line and "PHOENIX_API_KEY_MAX_DAYS" in line for line in server.lines)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("45s", timedelta(seconds=45)),
        ("90m", timedelta(minutes=90)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert DURATION.convert(text, None, None) == duration


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "1y", "999999999w", "٣d", "1d "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a duration"):
        DURATION.convert(text, None, None)
