"""Settings: read once, cast at the door, a bad value stops the start and is named."""

from pathlib import Path

import pytest

from phoenix_grpc.config import Settings, load_settings
from phoenix_grpc.errors import ConfigurationError

STRONG = "a-strong-secret-of-32-characters-1"

BAD = [
    ("GRPC_PORT", "http", "integer"),
    ("GRPC_PORT", "70000", "65535"),
    ("ENABLE_AUTH", "maybe", "boolean"),
    ("SECRET", "short1", "32 ASCII characters"),
    ("SECRET", "x" * 40, "a digit"),
    ("SECRET", "1" * 40, "lower-case"),
    ("SECRET", STRONG + " x", "white space"),
    ("SECRET", STRONG + "ä", "ASCII"),
    ("ADMIN_SECRET", "weak", "32 ASCII characters"),
    ("ACCESS_TOKEN_EXPIRY_MINUTES", "0", "greater than 0"),
    ("REFRESH_TOKEN_EXPIRY_MINUTES", "-5", "greater than 0"),
    ("ACCESS_TOKEN_EXPIRY_MINUTES", "nan", "PHOENIX_ACCESS_TOKEN_EXPIRY_MINUTES"),
    ("ADMINS", "somebody", "name=email;name=email"),
    ("LOG_LEVEL", "loud", "pattern"),
    ("MAX_MESSAGE_BYTES", "1", "65536"),
    ("TRUSTED_PROXIES", "10.0.0.1,*", "10.0.0.0/8"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "10.0.0.0/8"),
    ("GRPC_UNIX_SOCKET", "/tmp/" + "x" * 110, "107 bytes"),
]


@pytest.mark.parametrize(("name", "value", "hint"), BAD)
def test_a_bad_value_is_named_with_what_would_be_right(
    name: str, value: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PHOENIX_{name}", value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert f"PHOENIX_{name}" in str(caught.value)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", ["SECRET", "ADMIN_SECRET", "SECRET_PREVIOUS"])
def test_a_bad_secret_is_never_repeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PHOENIX_{name}", "weak-but-private")
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert "weak-but-private" not in str(caught.value)


def test_the_admin_secret_must_differ_from_the_signing_secret() -> None:
    with pytest.raises(ConfigurationError, match="PHOENIX_ADMIN_SECRET must differ"):
        load_settings(secret=STRONG, admin_secret=STRONG)


@pytest.mark.parametrize("text", ["true", "TRUE", "yes", "On", "1"])
@pytest.mark.parametrize("opposite", ["false", "No", "OFF", "0"])
def test_booleans_are_read_in_any_spelling(text: str, opposite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_ENABLE_AUTH", opposite)
    monkeypatch.setenv("PHOENIX_DISABLE_BASIC_AUTH", text)
    settings = load_settings()
    assert (settings.enable_auth, settings.disable_basic_auth) == (False, True)


def test_flags_stand_above_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_GRPC_PORT", "1234")
    assert load_settings(grpc_port=4321, host=None).grpc_port == 4321
    assert load_settings(grpc_port=None).grpc_port == 1234


def test_secrets_do_not_show_in_the_settings_as_text() -> None:
    settings = load_settings(secret=STRONG)
    assert STRONG not in f"{settings!r} {settings}"


def test_the_database_is_a_file_in_the_working_folder_by_default(tmp_path: Path) -> None:
    assert load_settings(working_dir=tmp_path).database_url == f"sqlite:///{tmp_path / 'phoenix_grpc.db'}"
    assert load_settings(sql_database_url="sqlite:///x.db").database_url == "sqlite:///x.db"


def test_admins_are_pairs_of_name_and_email() -> None:
    assert load_settings(admins="Ann=ann@x.org; Bob = bob@x.org;").admins == (
        ("Ann", "ann@x.org"),
        ("Bob", "bob@x.org"),
    )


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(Exception, match="frozen"):
        load_settings().host = "0.0.0.0"
