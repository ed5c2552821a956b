"""Passwords: hashes, and the policy."""

import unicodedata

import argon2
import pytest

from phoenix_grpc.credentials import passwords
from phoenix_grpc.credentials.passwords import Verified, checked_password, hash_password, verify_password
from phoenix_grpc.errors import Invalid

CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "hasher", CHEAP)


def test_hashes_follow_rfc_9106() -> None:
    assert hash_password("correct horse").startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.usefixtures("cheap")
def test_the_right_password_verifies() -> None:
    assert verify_password(hash_password("correct horse"), "correct horse") == Verified(ok=True)


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("wrong", ["", "correct hors", "correct horse ", "Correct horse", "correct horse\0"])
def test_another_password_does_not(wrong: str) -> None:
    assert verify_password(hash_password("correct horse"), wrong) == Verified(ok=False)


@pytest.mark.usefixtures("cheap")
def test_equal_passwords_have_different_hashes() -> None:
    assert hash_password("correct horse") != hash_password("correct horse")


@pytest.mark.usefixtures("cheap")
def test_a_letter_counts_the_same_however_it_is_composed() -> None:
    stored = hash_password(unicodedata.normalize("NFC", "schlüssel"))
    assert verify_password(stored, unicodedata.normalize("NFD", "schlüssel")).ok


@pytest.mark.usefixtures("cheap")
def test_without_a_hash_no_password_is_right() -> None:
    assert not verify_password(None, "").ok
    assert not verify_password(None, "correct horse").ok


def test_without_a_hash_the_work_is_the_same() -> None:
    assert argon2.extract_parameters(passwords._dummy()) == argon2.extract_parameters(hash_password("x"))


@pytest.mark.usefixtures("cheap")
def test_a_hash_of_other_parameters_is_to_be_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = hash_password("correct horse")
    monkeypatch.setattr(passwords, "hasher", argon2.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    assert verify_password(stored, "correct horse") == Verified(ok=True, needs_rehash=True)


@pytest.mark.parametrize(
    "password", ["12345678", "        ", "\u043f\u0430\u0440\u043e\u043b\u044c12", "🔑" * 8, "x" * 1000]
)
def test_any_eight_characters_are_a_password(password: str) -> None:
    assert checked_password(password, "password", strong=False) == password


@pytest.mark.parametrize("password", ["", "1234567", "🔑" * 7, "x" * 1001])
def test_shorter_and_longer_ones_are_none(password: str) -> None:
    with pytest.raises(Invalid, match="must have 8 to 1,000 characters") as caught:
        checked_password(password, "new_password", strong=False)
    assert caught.value.field == "new_password"


def test_a_strong_password_has_all_classes() -> None:
    assert checked_password("Correct-horse1", "password", strong=True)


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("Correct-hor1", ""),
        ("Correct-ho1", "12 to"),
        ("correct-horse1", "an upper-case letter"),
        ("CORRECT-HORSE1", "a lower-case letter"),
        ("Correct-horse!", "a digit"),
        ("CorrectHorse1", "a symbol"),
        ("correct horse", "an upper-case letter, a digit"),
    ],
)
def test_a_strong_password_that_lacks_a_class_is_told_which(password: str, missing: str) -> None:
    if not missing:
        checked_password(password, "password", strong=True)
        return
    with pytest.raises(Invalid, match=missing) as caught:
        checked_password(password, "password", strong=True)
    assert password not in caught.value.message
