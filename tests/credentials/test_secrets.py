"""Random secrets and their digests."""

from phoenix_grpc.credentials.secrets import digest, new_password, new_token


def test_a_digest_is_sha256() -> None:
    assert digest("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_any_text_has_a_digest() -> None:
    assert len(digest("\ud800")) == 32


def test_secrets_differ_and_are_long() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) == 43
    assert len(new_password()) == 16
