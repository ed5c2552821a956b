"""Our access tokens before a service that knows nothing of us: a real Envoy verifies them by our published keys."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_PASSWORD
from tests.deploy.envoy import Envoy, free_ports, validate
from tests.faults.cluster import until
from tests.process import ServerProcess

ISSUER = "https://phoenix.example"
EXAMPLE = Path(__file__).parents[2] / "deploy" / "envoy" / "jwt.yaml"


class Mesh:
    """A server of ours, and a service behind an Envoy that trusts its tokens."""

    def __init__(self, folder: Path) -> None:
        self.keys = Cli(folder, {"PHOENIX_SIGNING_KEYS_DIR": str(folder / "keys")})
        self.keys.run("secrets", "rotate")
        self.server = ServerProcess(
            folder,
            **self.keys.variables,
            PHOENIX_ROOT_URL=ISSUER,
            PHOENIX_TOKEN_AUDIENCE="mesh",
            PHOENIX_DISABLE_RATE_LIMIT="true",
        )
        (port,) = free_ports(1)
        keys_port = self.server.started["http"].rpartition(":")[2]
        text = EXAMPLE.read_text()
        for old, new in (("8081", str(port)), ("6006", keys_port), ("cache_duration: 300s", "cache_duration: 1s")):
            assert text.count(old) == 1
            text = text.replace(old, new)
        self.envoy = Envoy(folder / "envoy", text, port)
        self.url = f"http://127.0.0.1:{port}/"

    def log_in(self) -> auth_pb2.TokenPair:
        """An access token, and one to renew it."""
        return self.server.auth.Login(auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD))

    def call(self, token: str) -> httpx.Response:
        """Calls the service."""
        return httpx.get(self.url, headers={"authorization": f"Bearer {token}"} if token else {})


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """The server and Envoy, begun."""
    found = Mesh(tmp_path)
    with found.server, found.envoy:
        yield found


def test_envoy_takes_the_example_as_it_is() -> None:
    done = validate(EXAMPLE)
    assert done.returncode == 0, done.stderr


def test_envoy_lets_our_tokens_in_and_nobody_elses(mesh: Mesh) -> None:
    token = mesh.log_in().access_token
    assert mesh.call(token).text == "served"
    payload = jwt.decode(token, options={"verify_signature": False})
    key = httpx.get(f"{mesh.server.started['http']}/.well-known/jwks.json").json()["keys"][0]
    forged = jwt.encode(payload, "x" * 32, "HS256", headers={"kid": key["kid"]})
    for other in ("", "nonsense", token[:-3] + "AAA", forged, jwt.encode(payload, None, "none")):
        assert mesh.call(other).status_code == 401


def test_no_call_fails_while_the_key_is_rotated(mesh: Mesh) -> None:
    failed: list[object] = []
    kids: list[str] = []
    over = threading.Event()

    def work() -> None:
        pair = mesh.log_in()
        while not over.is_set():
            pair = mesh.server.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
            kid = jwt.get_unverified_header(pair.access_token)["kid"]
            if kid not in kids:
                kids.append(kid)
            for _ in range(5):
                response = mesh.call(pair.access_token)
                if response.text != "served":
                    failed.append((kid, response.text))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        time.sleep(1)
        mesh.keys.run("secrets", "rotate", "--in", "4s")
        until(lambda: len(kids) == 2, 15)
        time.sleep(2)
    finally:
        over.set()
        thread.join()
    assert failed == []
    assert len(kids) == 2
