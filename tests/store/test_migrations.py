"""Migrations of databases that have something in them."""

from collections.abc import Callable

import pytest

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Role
from phoenix_grpc.store import migrations
from phoenix_grpc.store.accounts import passwords, users
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.opening import open_engine


async def engine_before(monkeypatch: pytest.MonkeyPatch, url: str, migration: str) -> Engine:
    """An engine on a new database that was made before this migration."""
    names = [function.__name__ for function in migrations.MIGRATIONS]
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[: names.index(migration)])
        return open_engine(url)


def m901_adds(tx: Transaction) -> None:
    tx.define("ALTER TABLE labels ADD COLUMN m901 BIGINT")


@migrations.after
def m902_removes(tx: Transaction) -> None:
    tx.define("ALTER TABLE labels DROP COLUMN m901")


def m903_adds(tx: Transaction) -> None:
    tx.define("ALTER TABLE labels ADD COLUMN m903 BIGINT")


@migrations.after
def m904_removes(tx: Transaction) -> None:
    tx.define("ALTER TABLE labels DROP COLUMN m903")


FIRST = migrations.MIGRATIONS
SECOND = (*FIRST, m901_adds, m902_removes)
THIRD = (*SECOND, m903_adds, m904_removes)


async def columns_after(
    monkeypatch: pytest.MonkeyPatch, url: str, release: tuple[migrations.Migration, ...], finish: bool = False
) -> set[str]:
    """Starts a release, which has these migrations; returns which columns of theirs there are then."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", release)
        engine = open_engine(url, finish=finish)
        columns = await engine.read(lambda tx: tx.columns("labels"))
        await engine.close()
    return {name for name in columns if name.startswith("m9")}


async def test_what_the_release_before_needs_goes_once_it_is_gone(
    new_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_url()
    assert await columns_after(monkeypatch, url, FIRST) == set()
    assert await columns_after(monkeypatch, url, SECOND) == {"m901"}
    # A roll: servers of both releases start, in any order.
    assert await columns_after(monkeypatch, url, FIRST) == {"m901"}
    assert await columns_after(monkeypatch, url, SECOND) == {"m901"}
    # The third does first what the second has left.
    assert await columns_after(monkeypatch, url, THIRD) == {"m903"}
    assert await columns_after(monkeypatch, url, SECOND) == {"m903"}
    with pytest.raises(ConfigurationError, match=r"newer release \(migration m902_removes\)"):
        await columns_after(monkeypatch, url, FIRST)
    assert await columns_after(monkeypatch, url, THIRD, finish=True) == set()
    with pytest.raises(ConfigurationError, match=r"newer release \(migration m904_removes\)"):
        await columns_after(monkeypatch, url, SECOND)


async def test_a_ledger_without_phases_is_continued(
    new_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_url()
    await columns_after(monkeypatch, url, FIRST)
    engine = open_engine(url)
    await engine.write(lambda tx: tx.define(f"ALTER TABLE {migrations.LEDGER} DROP COLUMN phase"))
    await engine.close()
    assert await columns_after(monkeypatch, url, SECOND) == {"m901"}


EMAILS = [
    "Admin@LocalHost",
    " ada@example.com",
    "STRA\u00dfE@example.com",
    "strasze@example.com",
    "\u0395\u03a3@example.com",
]


def add_users(tx: Transaction) -> None:
    """Users as they were kept before, each with a session and a link to reset the password."""
    for number, email in enumerate(EMAILS, 1):
        values = {"id": number, "email": email, "key": email.strip().casefold(), "digest": b"%d" % number}
        tx.run(
            "INSERT INTO users (id, email, email_key, username, role, password_hash, created_at, updated_at)"
            " VALUES (:id, :email, :key, :email, 'MEMBER', 'hash', 0, 0)",
            values,
        )
        tx.run(
            "INSERT INTO sessions (id, user_id, generation, created_at, refreshed_at, expires_at, user_agent, address)"
            " VALUES (:id, :id, 1, 0, 0, 1, '', '')",
            values,
        )
        tx.run("INSERT INTO password_resets VALUES (:id, :digest, 0, 9000000000000000)", values)
        tx.run("INSERT INTO login_failures VALUES (:key, 9, 9000000000000000)", values)


async def test_emails_become_normal_and_nothing_else_changes(
    unmigrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = unmigrated_url
    before = await engine_before(monkeypatch, url, "m005_sign_in")
    await before.write(add_users)
    await before.close()
    engine = open_engine(url)
    found = await engine.read(users.list_users, 100, 100)
    assert [user.email for user in reversed(found)] == [
        "admin@localhost",
        "ada@example.com",
        "stra\u00dfe@example.com",
        "strasze@example.com",
        "\u03b5\u03c2@example.com",
    ]
    assert {user.auth_method for user in found} == {"LOCAL"}
    for number in range(1, len(EMAILS) + 1):
        assert await engine.read(passwords.reset_owner, b"%d" % number) == number
    counts = "SELECT (SELECT COUNT(*) FROM sessions), (SELECT COUNT(*) FROM login_failures)"
    assert await engine.read(lambda tx: tx.row(counts)) == (len(EMAILS), len(EMAILS))
    await engine.close()


KEYS = [(1, "SystemApiKey", 1), (2, "SystemApiKey", 1), (3, "UserApiKey", 2)]


def add_keys(tx: Transaction) -> None:
    """Keys (id, type, owner) as they were kept before; of all but key 2 the audit log knows who made it."""
    users.insert_user(tx, "system@localhost", "system", Role.SYSTEM, None)
    users.insert_user(tx, "ada@example.com", "ada", Role.ADMIN, None)
    for number, kind, owner in KEYS:
        tx.run(
            "INSERT INTO api_keys (id, user_id, name, hint, created_at) VALUES (:id, :owner, 'key', 'phx_', 0)",
            {"id": number, "owner": owner},
        )
        if number != 2:
            columns = (
                "id, action, allowed, created_at, actor_user_id, actor_email, actor_kind, credential_id, target_id"
            )
            tx.run(
                f"INSERT INTO audit_events ({columns}, method, reason, address, request_id, count)"
                " VALUES (:id, 'api_key.create', 1, 0, 2, '', '', '', :target, '', '', '', '', 1)",
                {"id": number, "target": encode_id(kind, number)},
            )


async def test_who_made_a_key_is_read_from_the_audit_log(unmigrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = unmigrated_url
    before = await engine_before(monkeypatch, url, "m008_key_expiry")
    await before.write(add_keys)
    await before.close()
    engine = open_engine(url)
    found = await engine.read(lambda tx: tx.rows("SELECT id, created_by, noticed_days FROM api_keys ORDER BY id"))
    assert found == [(1, 2, None), (2, None, None), (3, 2, None)]
    await engine.close()
