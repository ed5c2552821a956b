"""Migrations of databases that have something in them."""

from collections.abc import Callable

import pytest

from phoenix_grpc.store import migrations, passwords, users
from phoenix_grpc.store.engine import Engine, Transaction, open_engine


async def engine_before(monkeypatch: pytest.MonkeyPatch, url: str, migration: str) -> Engine:
    """An engine on a new database that was made before this migration."""
    names = [function.__name__ for function in migrations.MIGRATIONS]
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", migrations.MIGRATIONS[: names.index(migration)])
        return open_engine(url)


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
    new_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_url()
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
