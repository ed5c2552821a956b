"""What tests need of npm: a failure says why."""

from pathlib import Path

import pytest

from tests.npm import installed


def test_an_install_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "package.json").write_text('{"dependencies": nonsense}')
    with pytest.raises(AssertionError, match="JSON"):
        installed("broken", tmp_path / "package.json")
