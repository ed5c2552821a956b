"""What is said of a database's URL."""

import pytest

from phoenix_grpc.store.opening import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////srv/phoenix.db", "sqlite:////srv/phoenix.db"),
        ("postgresql://db.example.com/phoenix", "postgresql://db.example.com/phoenix"),
        ("postgresql://phoenix:secret@db.example.com:5432/phoenix", "postgresql://db.example.com:5432/phoenix"),
        ("postgres://phoenix:secret@db1,db2/phoenix?password=secret", "postgres://db1,db2/phoenix"),
        ("postgresql://db/phoenix?password=half@secret", "postgresql://db/phoenix"),
        ("postgresql://phoenix:half?secret@db/phoenix", "postgresql://db/phoenix"),
        ("postgresql://phoenix:half@secret@db/phoenix", "postgresql://db/phoenix"),
        ("postgresql://phoenix:half/secret@db/phoenix", "postgresql://db/phoenix"),
        ("postgresql:///phoenix?host=/run/postgresql", "postgresql:///phoenix"),
    ],
)
def test_a_url_is_shown_without_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
