"""Access tokens that others verify: a server that signs by keys of a folder, and takes up changes of it."""

import json
import threading
import time
from pathlib import Path

import httpx
import jwt
import pytest

from phoenix_grpc.v1 import auth_pb2
from tests.cli.conftest import Cli
from tests.conftest import ADMIN_PASSWORD, bearer
from tests.faults.cluster import until
from tests.process import ServerProcess, serve_fails

ROOT_URL = "https://phoenix.example"
WHO_AM_I = auth_pb2.WhoAmIRequest()


@pytest.fixture
def keys(tmp_path: Path) -> Cli:
    """Whoever rotates the keys."""
    found = Cli(tmp_path, {"PHOENIX_SIGNING_KEYS_DIR": str(tmp_path / "keys")})
    found.run("secrets", "rotate")
    return found


def start(folder: Path, **variables: str) -> ServerProcess:
    return ServerProcess(folder, PHOENIX_SIGNING_KEYS_DIR=str(folder / "keys"), PHOENIX_ROOT_URL=ROOT_URL, **variables)


def log_in(server: ServerProcess) -> auth_pb2.TokenPair:
    request = auth_pb2.LoginRequest(email="admin@localhost", password=ADMIN_PASSWORD)
    return server.auth.Login(request)


def kids(server: ServerProcess) -> list[str]:
    response = httpx.get(f"{server.started['http']}/.well-known/jwks.json")
    return [key["kid"] for key in response.json()["keys"]]


def test_a_token_verifies_with_what_is_published_and_here(tmp_path: Path, keys: Cli) -> None:
    with start(tmp_path) as server:
        token = log_in(server).access_token
        assert server.auth.WhoAmI(WHO_AM_I, metadata=bearer(token)).user.email == "admin@localhost"
        response = httpx.get(f"{server.started['http']}/.well-known/jwks.json")
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "public, max-age=300"
        again = httpx.get(response.url, headers={"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        key = jwt.PyJWKSet.from_json(response.text)[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(token, key, ["ES256"], audience="phoenix_grpc", issuer=ROOT_URL)
        assert claims["scope"] == "read write admin"
        assert claims["exp"] > time.time()


def test_without_keys_nothing_is_published_and_nothing_changes(tmp_path: Path) -> None:
    with ServerProcess(tmp_path) as server:
        assert kids(server) == []
        assert jwt.get_unverified_header(log_in(server).access_token)["alg"] == "HS256"


def test_no_call_fails_over_rotations_on_several_processes(tmp_path: Path, keys: Cli) -> None:
    with start(tmp_path, PHOENIX_WORKERS="2", PHOENIX_DISABLE_RATE_LIMIT="true") as server:
        failed: list[object] = []
        algorithms: set[str] = set()
        over = threading.Event()

        def work() -> None:
            pair = log_in(server)
            while not over.is_set():
                try:
                    pair = server.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
                    algorithms.add(jwt.get_unverified_header(pair.access_token)["alg"])
                    for _ in range(5):
                        server.auth.WhoAmI(WHO_AM_I, metadata=bearer(pair.access_token))
                except Exception as error:
                    failed.append(error)
                    return

        thread = threading.Thread(target=work)
        thread.start()
        try:
            keys.run("secrets", "rotate", "--in", "3s", "--algorithm", "EdDSA")
            until(lambda: len(kids(server)) == 2, 5)
            until(lambda: "EdDSA" in algorithms or bool(failed), 10)
            time.sleep(0.5)
        finally:
            over.set()
            thread.join()
        assert failed == []
        assert algorithms == {"ES256", "EdDSA"}


def test_keys_that_cannot_be_used_change_nothing_and_are_told(tmp_path: Path, keys: Cli) -> None:
    with start(tmp_path) as server:
        before = kids(server)
        (tmp_path / "keys" / "20300131T093000Z.pem").write_text("half a key")
        until(lambda: any("cannot be used" in line for line in server.lines), 5)
        time.sleep(1.2)
        assert kids(server) == before
        assert sum("cannot be used" in line for line in server.lines) == 1
        assert server.auth.WhoAmI(WHO_AM_I, metadata=bearer(log_in(server).access_token))


def test_a_session_goes_on_when_the_keys_are_gone(tmp_path: Path, keys: Cli) -> None:
    with start(tmp_path) as server:
        pair = log_in(server)
    with ServerProcess(tmp_path) as server:
        renewed = server.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=pair.refresh_token))
        assert server.auth.WhoAmI(WHO_AM_I, metadata=bearer(renewed.access_token))


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_a_folder_without_a_key_stops_the_start(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    if content:
        (folder / "20260131T093000Z.pem").write_text(content)
        (folder / "20260131T093000Z.pem").chmod(0o600)
    code, errors = serve_fails(tmp_path, PHOENIX_SIGNING_KEYS_DIR=str(folder))
    assert code == 2
    assert errors.startswith("Error: PHOENIX_SIGNING_KEYS_DIR: ")
    assert "Traceback" not in errors


def test_keys_are_listed_rotated_and_removed_when_their_tokens_have_ended(tmp_path: Path) -> None:
    keys = Cli(tmp_path, {"PHOENIX_SIGNING_KEYS_DIR": str(tmp_path / "keys")})
    assert "signs from" in keys.run("secrets", "rotate").stderr
    keys.run("secrets", "rotate", "--in", "1h")
    states = [(key["state"], key["algorithm"]) for key in keys.json("secrets", "list")]
    assert states == [("signs", "ES256"), ("is next", "ES256")]
    time.sleep(1.1)  # of the time, whole seconds count
    keys.run("secrets", "rotate", "--now")
    listed = keys.json("secrets", "list")
    assert [key["state"] for key in listed] == ["verifies", "signs", "is next"]
    assert all(key["kid"] in keys.run("secrets", "list").stdout for key in listed)
    time.sleep(1.1)
    brief = Cli(tmp_path, {**keys.variables, "PHOENIX_ACCESS_TOKEN_EXPIRY_MINUTES": "0.001"})
    assert "removed; its tokens have ended" in brief.run("secrets", "rotate", "--in", "2h").stderr
    assert [key["state"] for key in keys.json("secrets", "list")] == ["signs", "is next", "is next"]
    for path in (tmp_path / "keys").iterdir():
        assert path.read_text() not in json.dumps(keys.json("secrets", "list"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["rotate"], "PHOENIX_SIGNING_KEYS_DIR is not set"), (["list"], "PHOENIX_SIGNING_KEYS_DIR is not set")],
)
def test_a_folder_must_be_named(tmp_path: Path, arguments: list[str], told: str) -> None:
    assert told in Cli(tmp_path).run("secrets", *arguments, exit_code=2).stderr
