"""The certificate of the server: which files are refused, which are taken up, and when its end is announced."""

from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from phoenix_grpc.certificates import EXPIRING_DAYS, Certificates
from phoenix_grpc.config import Settings, load_settings
from phoenix_grpc.errors import ConfigurationError
from tests.certificates import issue, replace

PASSWORD = "the password of a key"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Issues certificates."""
    return trustme.CA()


def settings_of(variables: dict[str, str], **changes: Any) -> Settings:
    """The settings of a server, from its variables."""
    values = {name.removeprefix("PHOENIX_").lower(): value for name, value in variables.items()}
    return load_settings(**{"tls_enabled": True, **values, **changes})


def events(logged: list[Any]) -> list[str]:
    """What was logged, without what it was about."""
    return [line["event"] for line in logged]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"tls_cert_file": None}, "PHOENIX_TLS_CERT_FILE: is required for TLS"),
        ({"tls_key_file": None}, "PHOENIX_TLS_KEY_FILE: is required for TLS"),
        ({"tls_verify_client": True}, "PHOENIX_TLS_CA_FILE: is required by PHOENIX_TLS_VERIFY_CLIENT"),
        ({"tls_enabled": False, "tls_verify_client": True}, "PHOENIX_TLS_VERIFY_CLIENT: needs PHOENIX_TLS_ENABLED"),
        ({"tls_cert_file": "missing.pem"}, "PHOENIX_TLS_CERT_FILE: cannot read .*missing.pem: No such file"),
        ({"tls_key_file": "missing.pem"}, "PHOENIX_TLS_KEY_FILE: cannot read .*missing.pem: No such file"),
        ({"tls_key_file": "."}, "PHOENIX_TLS_KEY_FILE: cannot read .*: Is a directory"),
        ({"tls_cert_file": "text.pem"}, "PHOENIX_TLS_CERT_FILE: .*text.pem must contain certificates in PEM"),
        ({"tls_key_file": "text.pem"}, "PHOENIX_TLS_KEY_FILE: .*text.pem must contain a private key in PEM"),
        ({"tls_cert_file": "key.pem"}, "PHOENIX_TLS_CERT_FILE: .*key.pem must contain certificates in PEM"),
        ({"tls_key_file": "cert.pem"}, "PHOENIX_TLS_KEY_FILE: .*cert.pem must contain a private key in PEM"),
        ({"tls_key_file": "other/key.pem"}, "PHOENIX_TLS_KEY_FILE: .* must contain the key of the certificate in .*"),
        ({"tls_key_file": "secret/key.pem"}, "PHOENIX_TLS_KEY_FILE_PASSWORD: is required, since .* is encrypted"),
        (
            {"tls_key_file": "secret/key.pem", "tls_key_file_password": "not it"},
            "PHOENIX_TLS_KEY_FILE_PASSWORD: .*, which the password opens",
        ),
        ({"tls_verify_client": True, "tls_ca_file": "text.pem"}, "PHOENIX_TLS_CA_FILE: .* must contain certificates"),
        ({"tls_verify_client": True, "tls_ca_file": "none.pem"}, "PHOENIX_TLS_CA_FILE: cannot read .*none.pem"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    good = issue(authority, tmp_path)
    issue(authority, tmp_path / "other")
    issue(authority, tmp_path / "secret", password=PASSWORD)
    (tmp_path / "text.pem").write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    values = {f"PHOENIX_{name.upper()}": value for name, value in changes.items()}
    variables = {name: value for name, value in {**good, **values}.items() if value is not None}
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Certificates(settings_of(variables))
    for secret in (PASSWORD, "not it", "MII"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_key_may_have_a_password(authority: trustme.CA, tmp_path: Path, password: str) -> None:
    certificates = Certificates(settings_of(issue(authority, tmp_path, password=password)))
    assert b"ENCRYPTED" not in certificates.loaded.key
    assert certificates.loaded.authorities == b""
    assert 99 * 86_400 < certificates.seconds_left < 100 * 86_400


def test_a_password_that_is_not_needed_does_no_harm(authority: trustme.CA, tmp_path: Path) -> None:
    Certificates(settings_of(issue(authority, tmp_path), tls_key_file_password="unused"))


async def test_files_that_changed_are_taken_up_as_soon_as_they_fit(authority: trustme.CA, tmp_path: Path) -> None:
    certificates = Certificates(settings_of(issue(authority, tmp_path)))
    first = certificates.loaded
    await certificates.look()
    assert certificates.loaded is first
    issue(authority, tmp_path / "next")
    with structlog.testing.capture_logs() as logged:
        replace(tmp_path / "cert.pem", (tmp_path / "next" / "cert.pem").read_bytes())
        await certificates.look()
        assert certificates.loaded is first
        replace(tmp_path / "key.pem", (tmp_path / "next" / "key.pem").read_bytes())
        await certificates.look()
    assert certificates.loaded.chain == (tmp_path / "next" / "cert.pem").read_bytes()
    assert events(logged) == ["certificate loaded"]  # and no word of the moment between


@pytest.mark.parametrize("content", [b"", b"none", None])
async def test_what_does_not_fit_is_told_once_and_the_last_one_is_served(
    authority: trustme.CA, tmp_path: Path, content: bytes | None
) -> None:
    certificates = Certificates(settings_of(issue(authority, tmp_path)))
    first = certificates.loaded
    right = (tmp_path / "key.pem").read_bytes()
    (tmp_path / "key.pem").unlink() if content is None else replace(tmp_path / "key.pem", content)
    with structlog.testing.capture_logs() as logged:
        for _ in range(5):
            await certificates.look()
    assert events(logged) == ["the certificate has changed and cannot be used; the last one is served"]
    assert "PHOENIX_TLS_KEY_FILE" in logged[0]["error"]
    assert certificates.loaded is first
    replace(tmp_path / "key.pem", right)
    await certificates.look()
    assert certificates.loaded is not first


@pytest.mark.parametrize(
    ("days", "event"),
    [
        (EXPIRING_DAYS + 1, None),
        (EXPIRING_DAYS - 1, "the certificate expires soon"),
        (-1, "the certificate has expired"),
    ],
)
async def test_the_end_of_a_certificate_is_announced_once_a_day(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float, event: str | None
) -> None:
    certificates = Certificates(settings_of(issue(authority, tmp_path, days=days)))
    expected = [event] if event else []
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            certificates._warn()
    assert events(logged) == expected
    monkeypatch.setattr(certificates, "_warned", certificates._warned - 86_401)
    with structlog.testing.capture_logs() as logged:
        certificates._warn()
    assert events(logged) == expected
