"""API keys: their form, and what is refused as none."""

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.credentials import api_keys
from phoenix_grpc.credentials.api_keys import api_key_hint, is_api_key, new_api_key
from tests.accounts import first_days_key


def test_a_new_key_has_the_documented_form() -> None:
    assert re.fullmatch("phgrpc_[0-9A-Za-z]{49}", new_api_key())


def test_keys_differ() -> None:
    assert len({new_api_key() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("bits", [0, 1, 2**256 - 1])
def test_every_secret_has_the_same_width(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "randbits", lambda _: bits)
    key = new_api_key()
    assert len(key) == 56
    assert is_api_key(key)


def test_the_alphabet_is_base62() -> None:
    assert api_keys._base62(61, 2) == "0z"
    assert api_keys._base62(62, 2) == "10"


@given(st.integers(0, 55), st.characters())
def test_one_changed_character_is_noticed(place: int, char: str) -> None:
    key = new_api_key()
    changed = key[:place] + char + key[place + 1 :]
    assert is_api_key(changed) == (changed == key)


@given(st.text())
def test_any_other_text_is_no_key(text: str) -> None:
    assert not is_api_key(text)


@pytest.mark.parametrize(
    "broken",
    [
        lambda key: key[:-1],
        lambda key: key + "\n",
        lambda key: key + "0",
        lambda key: key.upper(),
        lambda key: key[7:],
        lambda key: key[:7] + key[8] + key[7] + key[9:] if key[7] != key[8] else "",
        lambda key: "phgrpc_" + "\N{ARABIC-INDIC DIGIT ONE}" + key[8:],
        lambda key: "phx_" + key[7:],
    ],
)
def test_a_mangled_key_is_none(broken) -> None:
    assert not is_api_key(broken(new_api_key()))


def test_a_key_of_the_first_days_is_one_and_a_mangled_one_is_none() -> None:
    old = first_days_key()
    assert is_api_key(old)
    assert not is_api_key(old[:-1])
    assert not is_api_key(old[:4] + ("B" if old[4] == "A" else "A") + old[5:])


def test_the_hint_is_the_beginning() -> None:
    assert api_key_hint("phgrpc_abcdefgh") == "phgrpc_abcd"
