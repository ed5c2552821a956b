"""Tokens of trusted issuers as credentials: which are accepted, what they may do, and all that is refused."""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.conftest import bearer
from tests.faults.cluster import until
from tests.issuer import Issuer
from tests.process import ServerProcess, serve_fails

WHO_AM_I = auth_pb2.WhoAmIRequest()
ATTACKER = rsa.generate_private_key(65537, 2048)


class Ci:
    """A server, and an issuer that it trusts."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.issuer = Issuer()
        self.file = folder / "identity.toml"
        self.write(more)
        self.server = ServerProcess(folder, PHOENIX_IDENTITY_FILE=str(self.file))

    def write(self, more: str = "", rules: str = "") -> None:
        """The identity file."""
        self.file.write_text(f"""
[[issuers]]
issuer = "{self.issuer.url}"
audience = "phoenix"
{more}
""" + (rules or """
[[issuers.rules]]
claims = { repository_owner = "acme", sub = "repo:acme/*:ref:refs/heads/main" }
role = "MEMBER"

[[issuers.rules]]
claims = { sub = "user:reader" }
role = "VIEWER"

[[issuers.rules]]
claims = { sub = ["user:limited", "user:also"] }
role = "MEMBER"
datasets = ["one"]

[[issuers.rules]]
claims = { sub = "user:admin" }
role = "ADMIN"

[[issuers.rules]]
claims = { sub = "user:brief" }
role = "VIEWER"
max_minutes = 1
"""))  # fmt: skip

    def who(self, token: str) -> Any:
        """Who the server takes the bearer for."""
        return self.server.auth.WhoAmI(WHO_AM_I, metadata=bearer(token))

    def refused(self, token: str) -> str:
        """Why it refuses a token."""
        with pytest.raises(grpc.RpcError) as caught:
            self.who(token)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, caught.value
        assert token[-20:] not in str(caught.value.details())
        return str(caught.value.details())


@pytest.fixture
def ci(tmp_path: Path) -> Iterator[Ci]:
    """Both, begun."""
    found = Ci(tmp_path)
    with found.server:
        yield found
    found.issuer.stop()


def test_a_token_is_a_credential_at_both_doors_without_any_key_stored_here(ci: Ci) -> None:
    who = ci.who(ci.issuer.token())
    assert who.kind == auth_pb2.PRINCIPAL_KIND_FOREIGN_TOKEN
    assert who.credential_id == f"{ci.issuer.url} repo:acme/evals:ref:refs/heads/main"
    assert (who.role, who.HasField("user")) == (auth_pb2.ROLE_MEMBER, False)
    assert 500 < who.expire_time.ToSeconds() - time.time() < 601
    headers = {"authorization": f"Bearer {ci.issuer.token()}"}
    assert httpx.get(f"{ci.server.started['http']}/v1/datasets", headers=headers).status_code == 200
    created = ci.server.datasets.CreateDataset(
        datasets_pb2.CreateDatasetRequest(name="d"), metadata=bearer(ci.issuer.token())
    )
    assert created.name == "d"
    events = ci.server.auth.ListAuditEvents(
        auth_pb2.ListAuditEventsRequest(action="dataset.create"), metadata=ci.server.admin
    ).events
    assert events[0].credential_id == who.credential_id
    assert events[0].actor_kind == auth_pb2.PRINCIPAL_KIND_FOREIGN_TOKEN


def test_the_keys_are_asked_for_once(ci: Ci) -> None:
    for _ in range(20):
        ci.who(ci.issuer.token())
    assert ci.issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_a_rule_bounds_what_the_bearer_may_do(ci: Ci) -> None:
    for name in ("one", "two"):
        ci.server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=name), metadata=ci.server.admin)
    reader, limited, admin = (ci.issuer.token(sub=f"user:{name}") for name in ("reader", "also", "admin"))

    def code(token: str, method: Any, request: Any) -> grpc.StatusCode | None:
        try:
            method(request, metadata=bearer(token))
        except grpc.RpcError as error:
            found: grpc.StatusCode = error.code()
            return found
        return None

    denied = grpc.StatusCode.PERMISSION_DENIED
    create, get = datasets_pb2.CreateDatasetRequest(name="x"), ci.server.datasets.GetDataset
    assert code(reader, ci.server.datasets.CreateDataset, create) is denied
    assert code(reader, get, datasets_pb2.GetDatasetRequest(name="two")) is None
    assert code(limited, get, datasets_pb2.GetDatasetRequest(name="one")) is None
    assert code(limited, get, datasets_pb2.GetDatasetRequest(name="two")) is denied
    assert code(limited, ci.server.datasets.CreateDataset, create) is denied
    assert code(admin, ci.server.auth.ListUsers, auth_pb2.ListUsersRequest()) is None
    assert code(admin, ci.server.auth.CreateApiKey, auth_pb2.CreateApiKeyRequest(name="k")) is not None
    # A dataset that takes the name later is the one that is meant.
    ci.server.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name="one"), metadata=ci.server.admin)
    assert code(limited, get, datasets_pb2.GetDatasetRequest(name="one")) is denied
    ci.server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="one"), metadata=ci.server.admin)
    assert code(limited, get, datasets_pb2.GetDatasetRequest(name="one")) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "user:nobody"},
        {"sub": "repo:acme/evals/x:ref:refs/heads/main"},
        {"sub": "repo:acme/evals:ref:refs/heads/main2"},
        {"sub": "repo:evil/evals:ref:refs/heads/main"},
        {"repository_owner": "evil"},
        {"repository_owner": None},
        {"repository_owner": ["evil", "also-evil"]},
        {"repository_owner": {"acme": "acme"}},
    ],
)
def test_claims_that_meet_no_rule_are_nobody(ci: Ci, changes: dict[str, Any]) -> None:
    assert "no rule is about its claims" in ci.refused(ci.issuer.token(**changes))


def test_one_of_several_values_is_enough(ci: Ci) -> None:
    assert ci.who(ci.issuer.token(repository_owner=["other", "acme"]))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "does not verify"),
        ({"aud": "elsewhere"}, "another audience"),
        ({"aud": None}, "does not verify"),
        ({"aud": ["elsewhere", "other"]}, "another audience"),
        ({"nbf": int(time.time()) + 3600}, "does not verify"),
        ({"iat": int(time.time()) + 3600}, "does not verify"),
        ({"sub": None}, "does not verify"),
        ({"sub": 7}, "does not verify"),
        ({"exp": "soon"}, "does not verify"),
    ],
)
def test_a_token_that_is_not_for_us_now_is_refused(ci: Ci, changes: dict[str, Any], told: str) -> None:
    assert told in ci.refused(ci.issuer.token(**changes))


def by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes) -> str:
    """A token of HS256 with any bytes as its secret."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload)]
    signature = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def forgery(ci: Ci, kind: str) -> str:
    """A token as an attacker makes it who knows all that is published."""
    claims, header = ci.issuer.claims(sub="user:admin"), {"kid": "first", "typ": "JWT"}
    public = ci.issuer.keys["first"].public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    attackers = jwt.algorithms.RSAAlgorithm.to_jwk(ATTACKER.public_key(), as_dict=True)
    if kind == "none":
        return jwt.encode(claims, None, "none", headers=header)
    if kind == "HS256 with the published key":
        return by_hand({**header, "alg": "HS256"}, claims, pem)
    if kind == "HS256 with the JWK":
        return by_hand({**header, "alg": "HS256"}, claims, json.dumps(ci.issuer.jwk("first")).encode())
    if kind == "PS256 by the same key":
        return jwt.encode(claims, ci.issuer.keys["first"], "PS256", headers=header)
    if kind in ("jku", "x5u"):
        return jwt.encode(claims, ATTACKER, "RS256", headers={**header, kind: "http://127.0.0.1:1/keys"})
    if kind == "jwk":
        return jwt.encode(claims, ATTACKER, "RS256", headers={**header, "jwk": attackers})
    if kind == "crit":
        return ci.issuer.token(sub="user:admin", headers={"crit": ["b64"], "b64": True})
    if kind == "an unknown kid":
        return jwt.encode(claims, ATTACKER, "RS256", headers={"kid": "made-up"})
    if kind == "no kid":
        return jwt.encode(claims, ci.issuer.keys["first"], "RS256")
    if kind == "another issuer":
        return jwt.encode({**claims, "iss": "https://evil.example"}, ATTACKER, "RS256", headers=header)
    if kind == "an issuer with a slash":
        return ci.issuer.token(sub="user:admin", iss=f"{ci.issuer.url}/")
    return jwt.encode(claims, ATTACKER, "RS256", headers=header)


@pytest.mark.parametrize(
    "kind",
    [
        *("none", "HS256 with the published key", "HS256 with the JWK", "PS256 by the same key", "jku", "x5u", "jwk"),
        *("crit", "an unknown kid", "another issuer", "an issuer with a slash", "another key"),
    ],
)
def test_a_forged_token_is_refused(ci: Ci, kind: str) -> None:
    assert ci.who(ci.issuer.token(sub="user:admin"))
    ci.refused(forgery(ci, kind))
    assert set(ci.issuer.asked) <= {"/.well-known/openid-configuration", "/keys"}


def test_a_token_of_one_issuer_signed_by_another_is_refused(tmp_path: Path) -> None:
    ci, other = Ci(tmp_path), Issuer()
    rule = '[[issuers.rules]]\nclaims = { sub = "user:x" }\nrole = "VIEWER"\n'
    ci.write(rules=f'{rule}\n[[issuers]]\nissuer = "{other.url}"\naudience = "phoenix"\n{rule}')
    with ci.server:
        until(lambda: any("identity file loaded" in line for line in ci.server.lines), 5)
        assert ci.who(ci.issuer.token(sub="user:x")).credential_id.startswith(ci.issuer.url)
        assert ci.who(other.token(sub="user:x")).credential_id.startswith(other.url)
        ci.refused(jwt.encode(ci.issuer.claims(sub="user:x"), other.keys["first"], "RS256", headers={"kid": "first"}))
    ci.issuer.stop()
    other.stop()


def test_a_new_key_is_taken_up_and_made_up_ones_ask_the_issuer_seldom(ci: Ci) -> None:
    assert ci.who(ci.issuer.token())
    for number in range(30):
        ci.refused(ci.issuer.token(headers={"kid": f"made-up-{number}"}))
    assert ci.issuer.asked.count("/keys") <= 2
    ci.issuer.add_key("second", ec.generate_private_key(ec.SECP256R1()))
    until(lambda: accepted(ci, ci.issuer.token("second")), 15)
    assert ci.who(ci.issuer.token())


def accepted(ci: Ci, token: str) -> bool:
    try:
        return bool(ci.who(token))
    except grpc.RpcError:
        return False


def test_an_issuer_that_is_away_stops_no_token_that_its_known_keys_verify(ci: Ci) -> None:
    assert ci.who(ci.issuer.token())
    ci.issuer.pages.clear()
    assert ci.who(ci.issuer.token(sub="user:reader"))


def test_before_the_keys_could_be_read_the_server_says_when_to_come_again(tmp_path: Path) -> None:
    ci = Ci(tmp_path)
    ci.issuer.pages.clear()
    with ci.server:
        with pytest.raises(grpc.RpcError) as caught:
            ci.who(ci.issuer.token())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert ci.server.auth.WhoAmI(WHO_AM_I, metadata=ci.server.admin)
    ci.issuer.stop()


@pytest.mark.parametrize("kind", ["redirect", "another host", "another issuer", "file", "no keys", "huge", "html"])
def test_discovery_follows_nobody_elsewhere(tmp_path: Path, kind: str) -> None:
    ci, inside = Ci(tmp_path), Issuer()
    inside.add_key("first", ci.issuer.keys["first"])  # so that it would work, were it asked
    document, path = {"issuer": ci.issuer.url, "jwks_uri": f"{ci.issuer.url}/keys"}, "/.well-known/openid-configuration"
    elsewhere = f"http://localhost:{inside.url.rpartition(':')[2]}/keys"
    if kind == "redirect":
        ci.issuer.pages["/keys"] = (302, {"location": elsewhere}, b"")
    elif kind == "another host":
        ci.issuer.page(path, {**document, "jwks_uri": elsewhere})
    elif kind == "another issuer":
        ci.issuer.page(path, {**document, "issuer": "https://evil.example"})
    elif kind == "file":
        ci.issuer.page(path, {**document, "jwks_uri": "file:///etc/passwd"})
    elif kind == "no keys":
        ci.issuer.page("/keys", {"keys": "none"})
    elif kind == "huge":
        ci.issuer.pages["/keys"] = (200, {}, b"[" + b" " * (1 << 20))
    else:
        ci.issuer.pages["/keys"] = (200, {}, b"<html>")
    with ci.server:
        with pytest.raises(grpc.RpcError) as caught:
            ci.who(ci.issuer.token())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert inside.asked == []
    ci.issuer.stop()
    inside.stop()


def test_keys_of_another_host_or_of_a_file_are_taken_when_the_file_names_them(tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    ci, other = Ci(tmp_path), Issuer()
    other.add_key("first", ci.issuer.keys["first"])
    elsewhere = f"http://localhost:{other.url.rpartition(':')[2]}/keys"
    document = {"issuer": ci.issuer.url, "jwks_uri": elsewhere}
    ci.issuer.page("/.well-known/openid-configuration", document)
    keys.write_text(json.dumps({"keys": [ci.issuer.jwk("first")]}))
    with ci.server:
        for number, more in enumerate(
            ('jwks_host = "localhost"', f'jwks_uri = "{elsewhere}"', f'jwks_file = "{keys}"'), 1
        ):
            ci.write(more)
            until(lambda number=number: loaded(ci) == number, 5)
            assert ci.who(ci.issuer.token())
    ci.issuer.stop()
    other.stop()


def loaded(ci: Ci) -> int:
    return sum("identity file loaded" in line for line in ci.server.lines)


def test_a_changed_file_counts_for_tokens_that_were_accepted_before(ci: Ci) -> None:
    token = ci.issuer.token()
    assert ci.who(token).role == auth_pb2.ROLE_MEMBER
    ci.write(rules='[[issuers.rules]]\nclaims = { sub = "repo:acme/*:ref:refs/heads/main" }\nrole = "VIEWER"\n')
    until(lambda: loaded(ci) == 1, 5)
    assert ci.who(token).role == auth_pb2.ROLE_VIEWER
    ci.file.write_text("")
    until(lambda: loaded(ci) == 2, 5)
    ci.refused(token)


def test_a_rule_may_end_tokens_sooner(ci: Ci) -> None:
    now = int(time.time())
    assert ci.who(ci.issuer.token(sub="user:brief")).expire_time.ToSeconds() <= now + 61
    assert ci.who(ci.issuer.token(sub="user:brief", iat=now - 58))
    token = ci.issuer.token(sub="user:brief", iat=now - 58)
    until(lambda: not accepted(ci, token), 8)
    ci.refused(ci.issuer.token(sub="user:brief", iat=now - 3600))
    ci.refused(ci.issuer.token(sub="user:brief", iat=None))


RULE = '[[issuers.rules]]\nclaims = { sub = "x" }\nrole = "VIEWER"\n'
HEAD = '[[issuers]]\nissuer = "https://a.example"\naudience = "b"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD, "issuers 1, rules: Field required"),
        (f'[[issuers]]\nissuer = "https://a.example"\n{RULE}', "issuers 1, audience: Field required"),
        (HEAD + RULE.replace('sub = "x"', ""), "must have a condition on whose token it is"),
        (HEAD + RULE.replace('sub = "x"', 'environment = "prod"'), "must have a condition on whose token it is"),
        (HEAD + RULE.replace('"x"', '"*"'), "must have a condition on whose token it is"),
        (HEAD + RULE.replace('"x"', '["x", "*:*"]'), "must have a condition on whose token it is"),
        (HEAD + 'algorithms = ["HS256"]\n' + RULE, "issuers 1, algorithms: must be of RS256"),
        (HEAD + 'algorithms = ["none"]\n' + RULE, "issuers 1, algorithms: must be of RS256"),
        (HEAD.replace("https", "http") + RULE, "issuer: must be an https URL"),
        (HEAD.replace("https://a.example", "kubernetes") + RULE, "issuer: must be an https URL"),
        (HEAD + 'jwks_uri = "http://a.example/keys"\n' + RULE, "jwks_uri: must be an https URL"),
        (HEAD + 'jwks_uri = "https://u:p@a.example/keys"\n' + RULE, "jwks_uri: must be an https URL"),
        (HEAD + 'jwks_uri = "https://a.example/k"\njwks_file = "/k"\n' + RULE, "one of jwks_uri and jwks_file"),
        (HEAD + RULE + "max_minutes = 0\n", "max_minutes"),
        (HEAD + RULE.replace("VIEWER", "ROOT"), "role"),
    ],
)
def test_a_rule_that_lets_the_world_in_stops_the_start(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "identity.toml"
    file.write_text(text)
    code, errors = serve_fails(tmp_path, PHOENIX_IDENTITY_FILE=str(file))
    assert code == 2
    assert told in errors
