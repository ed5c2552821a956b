"""The secret in the working directory: made once, private, and the same for all."""

import threading
from pathlib import Path

import pytest

from phoenix_grpc.credentials.tokens import RefreshClaims
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.model import now
from phoenix_grpc.server.signing_key import kept_secret, open_key_ring
from tests.conftest import make_settings


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "work" / "secret"
    secret = kept_secret(path)
    assert len(secret) == 64
    assert kept_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_those_who_start_at_once_agree(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(kept_secret(tmp_path / "secret"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert len(set(found)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64])
def test_a_file_without_a_secret_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(path)):
        kept_secret(path)


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")
    with pytest.raises(ConfigurationError, match="secret"):
        kept_secret(tmp_path / "work" / "secret")


def test_the_configured_secret_goes_before_the_kept_one(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    open_key_ring(settings)
    assert not (settings.working_dir / "secret").exists()


def test_the_secret_before_verifies(tmp_path: Path) -> None:
    old = make_settings(tmp_path)
    new = make_settings(tmp_path, secret="b" * 40 + "1", secret_previous=old.secret)
    claims = RefreshClaims("s", (now() // 1_000_000 + 60) * 1_000_000)
    assert open_key_ring(new).read_refresh(open_key_ring(old).issue_refresh(claims)) == claims
