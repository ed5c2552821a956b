"""Logins: kept for their owner alone, refreshed by many commands at once, never shown."""

import json
import os
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phoenix_grpc.cli.logins import Login, Logins
from phoenix_grpc.errors import ConfigurationError
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET
from tests.process import ServerProcess


def kept(cli: Cli) -> dict[str, object]:
    (login,) = json.loads(cli.logins.read_text()).values()
    return login


def keep(cli: Cli, **changes: object) -> None:
    logins = {address: {**login, **changes} for address, login in json.loads(cli.logins.read_text()).items()}
    cli.logins.write_text(json.dumps(logins))


def refreshes(server: ServerProcess) -> int:
    return sum("/RefreshToken" in line and '"OK"' in line for line in server.lines)


def test_a_login_is_kept_for_its_owner_alone_and_never_shown(cli: Cli) -> None:
    result = cli.run("login", "--email", "admin@localhost", "--password-stdin", input=f"{ADMIN_PASSWORD}\n")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (cli.logins, cli.logins.parent)}
    assert modes == {"logins.json": 0o600, "config": 0o700}
    login = kept(cli)
    assert "Logged in" in result.stderr
    shown = result.output + cli.run("whoami").output + cli.run("whoami", "--json").output
    assert not any(secret in shown for secret in (ADMIN_PASSWORD, login["access_token"], login["refresh_token"]))


def test_login_asks_at_a_terminal_and_does_not_echo(cli: Cli) -> None:
    answers = [("E-mail [admin@localhost]", "\n"), ("Password", f"{ADMIN_PASSWORD}\n")]
    code, shown = cli.converse("login", answers=answers)
    assert (code, ADMIN_PASSWORD in shown) == (0, False)
    assert cli.json("whoami")["user"]["email"] == "admin@localhost"


def test_without_a_terminal_login_says_which_options_to_use(cli: Cli) -> None:
    assert "--password-stdin" in cli.run("login", "--email", "admin@localhost", exit_code=2).stderr
    assert "--email" in cli.run("login", exit_code=2).stderr


def test_ctrl_c_at_a_prompt_is_quiet(cli: Cli) -> None:
    # The space after the colon comes when the terminal is read.
    code, shown = cli.converse("login", "--email", "admin@localhost", answers=[("Password: ", "\x03")])
    assert (code, "Traceback" in shown) == (130, False)


def test_whoami_shows_the_user_and_the_key_wins_over_the_login(cli: Cli, admin: Cli) -> None:
    cli.log_in()
    assert "admin@localhost" in cli.run("whoami").stdout
    assert cli.json("whoami")["kind"] == "PRINCIPAL_KIND_SESSION"
    assert admin.json("whoami")["kind"] == "PRINCIPAL_KIND_ADMIN_SECRET"
    assert cli.json("whoami", "--api-key", ADMIN_SECRET)["kind"] == "PRINCIPAL_KIND_ADMIN_SECRET"
    cli.variables["PHOENIX_API_KEY"] = ""  # as good as unset
    assert cli.json("whoami")["kind"] == "PRINCIPAL_KIND_SESSION"
    again = admin.run("login", "--email", "admin@localhost", "--password-stdin", input=f"{ADMIN_PASSWORD}\n")
    assert "PHOENIX_API_KEY is set" in again.stderr


def test_logout_ends_the_session_at_the_server_too(cli: Cli) -> None:
    cli.log_in()
    before = cli.logins.read_text()
    assert "Logged out" in cli.run("logout").stderr
    assert "log in" in cli.run("whoami", exit_code=3).stderr
    assert "There was no login" in cli.run("logout").stderr
    cli.logins.write_text(before)
    assert "log in" in cli.run("whoami", exit_code=3).stderr


def test_logout_all_ends_every_session_of_the_user(member: Cli, tmp_path: Path) -> None:
    other = Cli(tmp_path / "other", member.variables)
    other.log_in(member.json("whoami")["user"]["email"], "a good password")
    member.run("logout", "--all")
    other.run("whoami", exit_code=3)


def test_a_wrong_password_keeps_nothing(cli: Cli) -> None:
    result = cli.run("login", "--email", "nobody@example.com", "--password-stdin", input="wrong wrong\n", exit_code=3)
    assert "LOGIN_FAILED" in result.stderr
    assert "wrong wrong" not in result.output
    assert not cli.logins.exists()


def test_a_password_is_changed_and_other_sessions_end(member: Cli, tmp_path: Path) -> None:
    email = member.json("whoami")["user"]["email"]
    other = Cli(tmp_path / "other", member.variables)
    other.log_in(email, "a good password")
    told = member.run("passwd", "--password-stdin", input="a good password\na better password\n")
    assert (told.stdout, "better" in told.output) == ("", False)
    member.run("whoami")
    other.run("whoami", exit_code=3)
    other.run("login", "--email", email, "--password-stdin", input="a good password\n", exit_code=3)
    other.log_in(email, "a better password")


def test_a_new_password_is_asked_for_twice_at_a_terminal(member: Cli) -> None:
    answers = [
        ("Current password:", "a good password\n"),
        ("New password:", "a better password\n"),
        ("Repeat for confirmation:", "a better password\n"),
    ]
    code, shown = member.converse("passwd", answers=answers)
    assert (code, "good" in shown, "better" in shown) == (0, False, False)
    member.log_in(member.json("whoami")["user"]["email"], "a better password")


@pytest.mark.parametrize(
    ("lines", "exit_code", "message"),
    [
        ("wrong wrong\na better password\n", 3, "LOGIN_FAILED"),
        ("a good password\na good password\n", 1, "new password: must differ"),
        ("a good password\n", 2, "no password on standard input"),
    ],
)
def test_a_password_that_cannot_be_changed_stays(member: Cli, lines: str, exit_code: int, message: str) -> None:
    assert message in member.run("passwd", "--password-stdin", input=lines, exit_code=exit_code).stderr
    member.log_in(member.json("whoami")["user"]["email"], "a good password")


def test_a_password_takes_a_login(admin: Cli) -> None:
    assert "log in" in admin.run("passwd", "--password-stdin", input="a\nb\n", exit_code=4).stderr


def test_logins_at_two_servers_do_not_mix(cli: Cli, tmp_path: Path) -> None:
    cli.log_in()
    with ServerProcess(tmp_path) as other:
        assert "log in" in cli.run("whoami", "--address", other.address, exit_code=3).stderr
        cli.run("logout", "--address", other.address)
    cli.run("whoami")


def test_an_expired_access_token_is_refreshed_and_kept(member: Cli, server: ServerProcess) -> None:
    before = kept(member)
    keep(member, expires_at=0)
    member.run("whoami")
    assert kept(member)["refresh_token"] != before["refresh_token"]
    assert stat.S_IMODE(member.logins.stat().st_mode) == 0o600
    assert [path.name for path in member.logins.parent.iterdir() if "lock" not in path.name] == ["logins.json"]


def test_a_token_that_another_command_has_replaced_is_renewed(member: Cli, tmp_path: Path) -> None:
    stale = kept(member)["access_token"]
    keep(member, expires_at=0)
    member.run("whoami")
    keep(member, access_token=stale)
    member.run("whoami")
    (tmp_path / "a.jsonl").write_text('{"input": {}}')
    keep(member, access_token=stale)
    member.run("datasets", "upload", "renewed", tmp_path / "a.jsonl")
    keep(member, access_token=stale)
    member.run("datasets", "download", "renewed", tmp_path / "b.jsonl")


def test_eight_commands_at_once_refresh_an_expired_login_once(member: Cli, server: ServerProcess) -> None:
    before = refreshes(server)
    keep(member, expires_at=0)
    running = [member.start("whoami", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    ended = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 8, ended
    assert refreshes(server) == before + 1
    member.run("whoami")


def test_whoever_waits_for_a_refresh_takes_its_result(tmp_path: Path) -> None:
    Logins(tmp_path).put("a", Login("a@b.c", "access", "refresh", 0.0))
    calls: list[Login] = []

    def slow(login: Login) -> Login:
        calls.append(login)
        time.sleep(0.3)
        return Login("a@b.c", "access 2", "refresh 2", time.time() + 60)

    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: Logins(tmp_path).token("a", "", slow), range(8)))
    assert (tokens, len(calls)) == (["access 2"] * 8, 1)


def test_a_dead_refresh_token_asks_for_a_new_login(member: Cli) -> None:
    keep(member, expires_at=0, refresh_token="not.a.token")
    assert "phoenix-grpc login" in member.run("whoami", exit_code=3).stderr


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": {}}', '{"a": 1}'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "logins.json").write_text(content)
    with pytest.raises(ConfigurationError, match=r"logins\.json is damaged; delete it"):
        Logins(tmp_path).get("a")


def test_a_login_does_not_show_its_tokens() -> None:
    assert "secret" not in repr(Login("a@b.c", "secret-access", "secret-refresh", 0.0))


def test_a_refresh_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    logins = Logins(tmp_path)
    logins.put("a", Login("a@b.c", "access", "refresh", 0.0))

    def fails(_login: Login) -> Login:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        logins.token("a", "", fails)
    assert logins.get("a") == Login("a@b.c", "access", "refresh", 0.0)
    fresh = Login("a@b.c", "access 2", "refresh 2", time.time() + 60)
    assert logins.token("a", "", lambda _login: fresh) == "access 2"
    assert logins.token("a", "", fails) == "access 2"
    assert os.listdir(tmp_path) == ["logins.json.lock", "logins.json"] or len(os.listdir(tmp_path)) == 2
