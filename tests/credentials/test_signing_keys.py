"""Keys that sign access tokens: their folder, and tokens that do not verify."""

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc import model
from phoenix_grpc.credentials.signing_keys import SigningKey, SigningKeys, make_key, read_keys, retired
from phoenix_grpc.credentials.tokens import AccessClaims, KeyRing, PublicTokens, RefreshClaims
from phoenix_grpc.errors import ConfigurationError, Unauthenticated
from phoenix_grpc.model import Role

SECRET = "a-signing-secret-of-32-characters-1"

CLAIMS = AccessClaims("session", 1, "VXNlcjox", Role.MEMBER, (model.now() // 1_000_000 + 86_400) * 1_000_000)


def make(folder: Path, seconds: float = 0, algorithm: str = "ES256") -> SigningKey:
    return make_key(folder, datetime.now(UTC) + timedelta(seconds=seconds), algorithm)


def ring_of(folder: Path) -> KeyRing:
    return KeyRing(SECRET, None, PublicTokens(SigningKeys(folder), "https://phoenix.example", "mesh"))


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_others_verify_a_token_with_the_published_keys_alone(tmp_path: Path, algorithm: str) -> None:
    key = make(tmp_path, algorithm=algorithm)
    ring = ring_of(tmp_path)
    token = ring.issue_access(CLAIMS)
    assert ring.read_access(token) == CLAIMS
    (published,) = jwt.PyJWKSet.from_json(SigningKeys(tmp_path).published().decode()).keys
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": published.key_id, "typ": "at+jwt"}
    claims = jwt.decode(token, published, [algorithm], audience="mesh", issuer="https://phoenix.example")
    assert (claims["sub"], claims["scope"], claims["role"]) == ("VXNlcjox", "read write", "MEMBER")
    assert key.path.stat().st_mode & 0o777 == 0o600
    assert b'"d"' not in SigningKeys(tmp_path).published()


def test_a_kid_is_the_thumbprint_of_rfc_7638(tmp_path: Path) -> None:
    key = make(tmp_path)
    text = json.dumps({name: key.jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    assert key.kid == base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def test_the_newest_key_whose_time_has_come_signs_and_all_are_published(tmp_path: Path) -> None:
    old, now, following = make(tmp_path, -100), make(tmp_path, -10), make(tmp_path, 100)
    keys = SigningKeys(tmp_path)
    assert keys.current() == now
    assert [key["kid"] for key in json.loads(keys.published())["keys"]] == [old.kid, now.kid, following.kid]
    assert keys.find(following.kid) == following
    assert keys.find("") is keys.find("x") is None


def test_a_first_key_whose_time_is_to_come_signs_all_the_same(tmp_path: Path) -> None:
    key = make(tmp_path, 100)
    assert SigningKeys(tmp_path).current() == key


def test_tokens_live_on_over_a_rotation_and_a_switch_from_the_secret(tmp_path: Path) -> None:
    by_secret = KeyRing(SECRET).issue_access(CLAIMS)
    make(tmp_path, -10)
    ring = ring_of(tmp_path)
    by_first = ring.issue_access(CLAIMS)
    make(tmp_path, -5)
    assert ring_of(tmp_path).issue_access(CLAIMS) != by_first
    for token in (by_secret, by_first):
        assert ring_of(tmp_path).read_access(token) == CLAIMS
    with pytest.raises(Unauthenticated):
        KeyRing(SECRET).read_access(by_first)


def test_refresh_tokens_stay_ours(tmp_path: Path) -> None:
    make(tmp_path)
    token = ring_of(tmp_path).issue_refresh(RefreshClaims("session", CLAIMS.expires_at))
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert KeyRing(SECRET).read_refresh(token).session_id == "session"


def test_keys_are_removed_once_the_tokens_of_the_one_before_have_ended(tmp_path: Path) -> None:
    made = [make(tmp_path, seconds) for seconds in (-500, -400, -100, 50)]
    assert retired(made, 200_000_000) == made[:1]
    assert retired(made, 1_000_000) == made[:2]
    assert retired(made[:1], 0) == []


def pem(key: Any, encryption: KeySerializationEncryption | None = None) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))


def public_pem(folder: Path) -> bytes:
    key = read_keys(folder)[0].private.public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


GOOD = "20260131T093000Z.pem"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("key.pem", None, "the name of .* must be the time"),
        ("20261331T093000Z.pem", None, "must contain|must be the time"),
        (GOOD, b"", "must contain an unencrypted private key"),
        (GOOD, b"nonsense", "must contain an unencrypted private key"),
        (GOOD, pem(ec.generate_private_key(ec.SECP384R1())), "the curve P-256 or Ed25519"),
        (GOOD, pem(rsa.generate_private_key(65537, 2048)), "the curve P-256 or Ed25519"),
        (GOOD, pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")), "unencrypted"),
    ],
)
def test_a_file_that_is_no_key_is_named(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())) if content is None else content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=told) as caught:
        read_keys(tmp_path)
    assert str(path) in str(caught.value)


def test_a_folder_without_a_key_or_with_one_for_everybody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="secrets rotate"):
        SigningKeys(tmp_path)
    with pytest.raises(ConfigurationError, match="No such file"):
        SigningKeys(tmp_path / "none")
    key = make(tmp_path)
    key.path.chmod(0o640)
    assert SigningKeys(tmp_path).current().kid == key.kid  # a group may, as in Kubernetes
    key.path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        SigningKeys(tmp_path)


def test_two_keys_of_one_second_are_none(tmp_path: Path) -> None:
    moment = datetime.now(UTC)
    make_key(tmp_path, moment, "ES256")
    with pytest.raises(ConfigurationError, match="exists already"):
        make_key(tmp_path, moment, "ES256")
    assert len(os.listdir(tmp_path)) == 1


def test_changed_files_are_taken_up_and_bad_ones_told_once(tmp_path: Path) -> None:
    first = make(tmp_path, -10)
    keys = SigningKeys(tmp_path)
    assert not keys.look()
    second = make(tmp_path, -5)
    assert keys.look()
    assert keys.current() == second
    second.path.write_text("half")
    with pytest.raises(ConfigurationError):
        keys.look()
    assert not keys.look()
    assert keys.current() == second
    second.path.unlink()
    assert keys.look()
    assert keys.current() == first


def forged(kind: str) -> Callable[[Path], str]:
    """Makes a token as an attacker would, who knows all that is published."""

    def token(folder: Path) -> str:
        key = SigningKeys(folder).current()
        good = ring_of(folder).issue_access(CLAIMS)
        payload = jwt.decode(good, options={"verify_signature": False})
        header = {"typ": "at+jwt", "kid": key.kid}
        own = ec.generate_private_key(ec.SECP256R1())
        if kind == "none":
            return jwt.encode(payload, None, "none", headers=header)
        if kind == "HS256 with the public key":
            secret = public_pem(folder)
            return signed_by_hand({**header, "alg": "HS256"}, payload, secret)
        if kind == "HS256 with the JWK":
            return signed_by_hand({**header, "alg": "HS256"}, payload, json.dumps(key.jwk).encode())
        if kind == "HS256 with the secret and this kid":
            return signed_by_hand({**header, "alg": "HS256"}, payload, SECRET.encode())
        if kind in ("jku", "x5u"):
            header[kind] = "https://attacker.example/jwks.json"
            return jwt.encode(payload, own, "ES256", headers=header)
        if kind == "jwk":
            numbers = own.public_key()
            jwk = jwt.algorithms.ECAlgorithm.to_jwk(numbers, as_dict=True)
            return jwt.encode(payload, own, "ES256", headers={**header, "jwk": jwk})
        if kind == "ES256 with the kid of the secret":
            other = jwt.get_unverified_header(KeyRing(SECRET).issue_access(CLAIMS))["kid"]
            return jwt.encode(payload, own, "ES256", headers={**header, "kid": other})
        if kind == "no kid":
            return jwt.encode(payload, key.private, "ES256", headers={"typ": "at+jwt"})
        changes: dict[str, dict[str, Any]] = {
            "another audience": {"aud": "elsewhere"},
            "another issuer": {"iss": "https://elsewhere.example"},
            "our own issuer": {"iss": "phoenix_grpc", "aud": "phoenix_grpc"},
            "expired": {"exp": 1},
        }
        if kind in changes:
            return jwt.encode({**payload, **changes[kind]}, key.private, "ES256", headers=header)
        if kind == "a refresh token":
            return jwt.encode(payload, key.private, "ES256", headers={**header, "typ": "rt+jwt"})
        missing = kind.removeprefix("without ")
        rest = {name: value for name, value in payload.items() if name != missing}
        return jwt.encode(rest, key.private, "ES256", headers=header)

    return token


def signed_by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    """A token of HS256 with any bytes as its secret, which libraries refuse to make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    signature = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


FORGERIES = [
    *("none", "HS256 with the public key", "HS256 with the JWK", "HS256 with the secret and this kid", "jku", "x5u"),
    *("jwk", "ES256 with the kid of the secret", "no kid", "another audience", "another issuer", "our own issuer"),
    *("expired", "a refresh token", "without exp", "without iss", "without aud", "without sid"),
]


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_token_that_we_did_not_make_is_refused(tmp_path: Path, kind: str) -> None:
    make(tmp_path, -10)
    with pytest.raises(Unauthenticated):
        ring_of(tmp_path).read_access(forged(kind)(tmp_path))


@given(st.data())
def test_any_other_character_of_a_token_is_found(tmp_path: Path, data: st.DataObject) -> None:
    if not any(tmp_path.iterdir()):
        make(tmp_path)
    ring = ring_of(tmp_path)
    token = ring.issue_access(CLAIMS)
    place = data.draw(st.integers(0, len(token) - 3))  # of the last characters, some bits mean nothing
    other = data.draw(st.characters(codec="utf-8").filter(lambda found: found != token[place]))
    with pytest.raises(Unauthenticated):
        ring.read_access(token[:place] + other + token[place + 1 :])
