"""E-mails: which are taken, and in which form."""

import pytest

from phoenix_grpc.credentials.emails import checked_email, normal_email
from phoenix_grpc.errors import Invalid


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("admin@localhost", "admin@localhost"),
        (" ada@example.com\n", "ada@example.com"),
        ("Ada@EXAMPLE.com", "ada@example.com"),
        ("U\u0308@example.com", "\u00fc@example.com"),
        ("STRA\u00dfE@example.com", "stra\u00dfe@example.com"),
        ("ü@example.com", "ü@example.com"),
        ("ada@team.local", "ada@team.local"),
    ],
)
def test_an_email_is_trimmed_and_normal(sent: str, kept: str) -> None:
    assert checked_email(sent, "email") == normal_email(sent) == kept


@pytest.mark.parametrize(
    "sent",
    ["", "ada", "@example.com", "ada@", "a b@example.com", "a@b@c", "a@[127.0.0.1]", "a" * 300 + "@x.com", "a\0@x.com"],
)
def test_anything_else_is_refused(sent: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked_email(sent, "email")
    assert caught.value.field == "email"
