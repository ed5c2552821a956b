"""Access and refresh tokens: what verifies, and the exact reason of what does not."""

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc import model
from phoenix_grpc.credentials.tokens import AccessClaims, KeyRing, RefreshClaims
from phoenix_grpc.errors import Unauthenticated
from phoenix_grpc.model import Role

SECRET = "a-signing-secret-of-64-characters-or-more-so-that-it-fits-sha512-1"
OTHER = "another-signing-secret-of-32-chars-2"
NOON = 1_700_000_000_000_000
ACCESS = AccessClaims("s1", 3, "VXNlcjo3", Role.MEMBER, NOON + 600_000_000)
REFRESH = RefreshClaims("s1", NOON + 600_000_000)

ring = KeyRing(SECRET)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "now", lambda: NOON)


def reason(read: Callable[[str], object], token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        read(token)
    assert token[-20:] not in caught.value.message or not token
    return caught.value.reason


def forged(secret: str = SECRET, headers: dict[str, Any] | None = None, algorithm: str = "HS256", **claims: Any) -> str:
    """An access token with some claims and headers changed; None takes one away."""
    token = ring.issue_access(ACCESS)
    payload = jwt.decode(token, options={"verify_signature": False}) | claims
    head = jwt.get_unverified_header(token) | (headers or {})
    del head["alg"]
    return jwt.encode(
        {key: value for key, value in payload.items() if value is not None},
        secret if algorithm != "none" else "",
        algorithm,
        headers={key: value for key, value in head.items() if value is not None},
    )


def test_an_access_token_says_what_it_was_given() -> None:
    assert ring.read_access(ring.issue_access(ACCESS)) == ACCESS


def test_a_refresh_token_says_what_it_was_given() -> None:
    assert ring.read_refresh(ring.issue_refresh(REFRESH)) == REFRESH


def test_the_claims_are_those_documented() -> None:
    token = ring.issue_access(ACCESS)
    assert jwt.decode(token, options={"verify_signature": False}) == {
        "iss": "phoenix_grpc",
        "aud": "phoenix_grpc",
        "sub": "VXNlcjo3",
        "role": "MEMBER",
        "sid": "s1",
        "gen": 3,
        "iat": NOON // 1_000_000,
        "exp": NOON // 1_000_000 + 600,
        "jti": jwt.decode(token, options={"verify_signature": False})["jti"],
    }
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


def test_two_tokens_with_the_same_claims_differ() -> None:
    assert ring.issue_refresh(REFRESH) != ring.issue_refresh(REFRESH)
    assert ring.issue_access(ACCESS) != ring.issue_access(ACCESS)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        "a.b.c",
        "..",
        "é.é.é",
        forged(OTHER),
        forged(algorithm="none"),
        forged(algorithm="HS512"),
        forged(headers={"kid": None}),
        forged(headers={"kid": "unknown"}),
        forged(headers={"typ": "at+jwt"}, aud="other"),
        forged(iss="other"),
        *(forged(**{claim: None}) for claim in ("iss", "aud", "sid", "jti", "iat", "exp")),
        base64.urlsafe_b64encode(b'{"a":' * 700).decode().rstrip("=") + ".e30.e30",
        base64.urlsafe_b64encode(b"[" * 100_000).decode().rstrip("=") + ".e30.e30",
    ],
)
def test_what_we_did_not_sign_is_invalid(token: str) -> None:
    assert reason(ring.read_access, token) == "ACCESS_TOKEN_INVALID"
    assert reason(ring.read_refresh, token) == "REFRESH_TOKEN_INVALID"


@given(st.integers(0, 400), st.sampled_from("AQgw._-x0"))
def test_one_changed_character_is_noticed(place: int, char: str) -> None:
    token = ring.issue_access(ACCESS)
    place %= len(token)
    changed = token[:place] + char + token[place + 1 :]
    try:
        # The last character of a part carries bits that mean nothing: the token may still say the same.
        assert ring.read_access(changed) == ACCESS
        assert _bytes(changed) == _bytes(token)
    except Unauthenticated as error:
        assert error.reason in ("ACCESS_TOKEN_INVALID", "TOKEN_TYPE_UNSUPPORTED")  # noqa: PT017


def _bytes(token: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]


def test_a_tampered_payload_is_invalid() -> None:
    head, payload, signature = ring.issue_access(ACCESS).split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "==")) | {"role": "ADMIN"}
    tampered = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    assert reason(ring.read_access, f"{head}.{tampered}.{signature}") == "ACCESS_TOKEN_INVALID"


@pytest.mark.parametrize("late", [0, 1, 86_400_000_000])
def test_a_token_expires_at_its_second(late: int, monkeypatch: pytest.MonkeyPatch) -> None:
    access, refresh = ring.issue_access(ACCESS), ring.issue_refresh(REFRESH)
    monkeypatch.setattr(model, "now", lambda: ACCESS.expires_at - 1)
    assert ring.read_access(access) == ACCESS
    monkeypatch.setattr(model, "now", lambda: ACCESS.expires_at + late)
    assert reason(ring.read_access, access) == "ACCESS_TOKEN_EXPIRED"
    assert reason(ring.read_refresh, refresh) == "REFRESH_TOKEN_EXPIRED"


def test_each_door_takes_its_own_type() -> None:
    assert reason(ring.read_access, ring.issue_refresh(REFRESH)) == "TOKEN_TYPE_UNSUPPORTED"
    assert reason(ring.read_refresh, ring.issue_access(ACCESS)) == "REFRESH_TOKEN_INVALID"
    assert reason(ring.read_access, forged(headers={"typ": "JWT"})) == "TOKEN_TYPE_UNSUPPORTED"


def test_an_expired_refresh_token_as_bearer_is_of_the_wrong_type() -> None:
    old = ring.issue_refresh(RefreshClaims("s1", NOON - 1_000_000))
    assert reason(ring.read_access, old) == "TOKEN_TYPE_UNSUPPORTED"


def test_the_secret_before_still_verifies_and_never_signs() -> None:
    old, new = KeyRing(OTHER), KeyRing(SECRET, OTHER)
    assert new.read_access(old.issue_access(ACCESS)) == ACCESS
    assert reason(old.read_access, new.issue_access(ACCESS)) == "ACCESS_TOKEN_INVALID"
    assert reason(KeyRing(SECRET).read_access, old.issue_access(ACCESS)) == "ACCESS_TOKEN_INVALID"
