"""Tokens of a certified OpenID provider (npm oidc-provider) as credentials, by its discovery document alone."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.conftest import bearer
from tests.npm import installed
from tests.process import ServerProcess

FOLDER = Path(__file__).parent / "oidc"
WHO_AM_I = auth_pb2.WhoAmIRequest()


@pytest.fixture
def issuer() -> Iterator[str]:
    """The URL of the provider."""
    packages = installed("oidc", FOLDER / "package.json")
    command = ["node", str(FOLDER / "provider.mjs"), str(packages)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def token_of(issuer: str) -> str:
    """An access token for a program."""
    endpoint = httpx.get(f"{issuer}/.well-known/openid-configuration").json()["token_endpoint"]
    response = httpx.post(
        endpoint,
        data={"grant_type": "client_credentials", "resource": "urn:phoenix"},
        auth=("trainer", "a-secret-of-the-provider"),
    )
    assert response.status_code == 200, response.text
    token: str = response.json()["access_token"]
    return token


@pytest.mark.parametrize(("audience", "accepted"), [("phoenix", True), ("elsewhere", False)])
def test_a_token_is_accepted_for_its_audience(tmp_path: Path, issuer: str, audience: str, accepted: bool) -> None:
    file = tmp_path / "identity.toml"
    rules = '[{ claims = { client_id = "trainer" }, role = "MEMBER" }]'
    file.write_text(f'[[issuers]]\nissuer = "{issuer}"\naudience = "{audience}"\nrules = {rules}\n')
    with ServerProcess(tmp_path, PHOENIX_IDENTITY_FILE=str(file)) as server:
        token = token_of(issuer)
        if accepted:
            who = server.auth.WhoAmI(WHO_AM_I, metadata=bearer(token))
            assert (who.credential_id, who.role) == (f"{issuer} trainer", auth_pb2.ROLE_MEMBER)
        else:
            with pytest.raises(grpc.RpcError) as caught:
                server.auth.WhoAmI(WHO_AM_I, metadata=bearer(token))
            assert "another audience" in str(caught.value.details())
