"""Whatever strangers send as credentials: no way in, no INTERNAL, and the server goes on."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_grpc.v1 import auth_pb2
from tests.issuer import Issuer
from tests.process import ServerProcess

# UNAVAILABLE: a connection on which strangers are refused too often is closed.
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)
KEY = ec.generate_private_key(ec.SECP256R1())
PRINTABLE = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Somebody whose tokens count."""
    found = Issuer()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[ServerProcess]:
    """A server that trusts this machine to say whose certificate it has seen, and an issuer."""
    folder: Path = tmp_path_factory.mktemp("fuzzed")
    file = folder / "identity.toml"
    file.write_text(f"""
forwarded_by = ["127.0.0.0/8"]
[[workloads]]
spiffe = "spiffe://prod.example/ns/*/sa/admin"
role = "ADMIN"
[[issuers]]
issuer = "{issuer.url}"
audience = "phoenix"
rules = [{{ claims = {{ sub = "user:*" }}, role = "ADMIN" }}]
""")
    with ServerProcess(folder, PHOENIX_IDENTITY_FILE=str(file)) as server:
        yield server


def refused(server: ServerProcess, *metadata: tuple[str, str]) -> None:
    """Sends it, and requires a refusal."""
    with pytest.raises(grpc.RpcError) as caught:
        server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=metadata, timeout=10)
    assert caught.value.code() in REFUSED, caught.value


def encoded(part: object) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@settings(max_examples=300)
@given(PRINTABLE)
def test_no_text_is_a_credential(server: ServerProcess, text: str) -> None:
    refused(server, ("authorization", f"Bearer {text}"))
    refused(server, ("authorization", text))
    refused(server, ("x-api-key", text))


@settings(max_examples=300)
@given(JSON, JSON, PRINTABLE)
def test_no_json_with_dots_is_a_token(server: ServerProcess, header: object, payload: object, end: str) -> None:
    refused(server, ("authorization", f"Bearer {encoded(header)}.{encoded(payload)}.{end.replace(' ', '')}"[:8000]))


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(["kid", "alg", "typ", "jku", "jwk", "x5u", "crit", "b64", "zip", "cty"]), JSON),
    st.dictionaries(st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "gen", "role"]), JSON),
)
def test_no_token_that_another_key_signs_is_accepted(
    server: ServerProcess, issuer: Issuer, header: dict[str, object], claims: dict[str, object]
) -> None:
    good = issuer.claims(sub="user:admin")
    for payload in ({**good, **claims}, {**claims, "iss": issuer.url}):
        parts = [encoded({"alg": "ES256", "kid": "first", **header}), encoded(payload)]
        signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(".".join(parts).encode(), KEY)
        signed = base64.urlsafe_b64encode(signature).decode().rstrip("=")
        refused(server, ("authorization", f"Bearer {'.'.join([*parts, signed])}"))


@settings(max_examples=300)
@given(st.data())
def test_no_character_of_a_good_token_may_differ(server: ServerProcess, issuer: Issuer, data: st.DataObject) -> None:
    token = issuer.token(sub="user:admin")
    place = data.draw(st.integers(0, len(token) - 3))  # of the last characters, some bits mean nothing
    other = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E).filter(lambda one: one != token[place]))
    refused(server, ("authorization", f"Bearer {token[:place]}{other}{token[place + 1 :]}"))


@settings(max_examples=300)
@given(st.text(alphabet='URIDNSubject=;,"\\ spiffe://prod.example/ns/a/sa/b', max_size=120))
def test_nothing_forwarded_is_a_workload_but_what_a_row_names(server: ServerProcess, value: str) -> None:
    refused(server, ("x-forwarded-client-cert", value))


@settings(max_examples=100)
@given(PRINTABLE, PRINTABLE, PRINTABLE)
def test_no_other_metadata_matters(server: ServerProcess, trace: str, state: str, request_id: str) -> None:
    who = server.auth.WhoAmI(
        auth_pb2.WhoAmIRequest(),
        metadata=(*server.admin, ("traceparent", trace), ("tracestate", state), ("x-request-id", request_id)),
    )
    assert who.kind == auth_pb2.PRINCIPAL_KIND_ADMIN_SECRET


def test_the_server_has_gone_on(server: ServerProcess, issuer: Issuer) -> None:
    assert server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=server.admin)
    token = issuer.token(sub="user:admin")
    assert server.auth.WhoAmI(auth_pb2.WhoAmIRequest(), metadata=(("authorization", f"Bearer {token}"),))
    assert not [line for line in server.lines if "internal error" in line or "Traceback" in line]
