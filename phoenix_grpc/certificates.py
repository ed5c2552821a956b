"""The server's certificate, for both doors: loaded, checked, and taken up anew when its files change.

Whoever rotates certificates replaces the files, in any order: as long as they do not fit together, or cannot be read,
the last ones that did are served.
"""

import asyncio
import contextlib
import datetime
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from phoenix_grpc.config import Settings
from phoenix_grpc.errors import ConfigurationError

LOOK_SECONDS = 1.0
"""How often the files are looked at."""

EXPIRING_DAYS = 14
"""So many days before its end, a certificate is logged as expiring, once a day."""

_DAY = 86_400.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A certificate that fits its key.

    Arguments:
        chain, key, authorities: as PEM; the key is decrypted, the authorities are empty when clients are not verified.
        context: for HTTP/1.1 over TLS 1.2 and later (RFC 9325).
        expires_at: when the first certificate of the chain to end does, in seconds of Unix time.
    """

    chain: bytes
    key: bytes
    authorities: bytes
    context: ssl.SSLContext
    expires_at: float


class Certificates:
    """The certificate that is served now.

    Raises:
        ConfigurationError: when a file is missing or wrong, naming its setting.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen = self._stamp()
        self.loaded = load(settings)
        self._refused: object = None
        self._warned = 0.0

    @property
    def seconds_left(self) -> float:
        """How long the certificate holds."""
        return self.loaded.expires_at - _now()

    async def follow(self) -> None:
        """Takes up new files, and warns of the end of the certificate, until it is cancelled."""
        while True:
            self._warn()
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:  # whatever is in those files, later ones are to be taken up
                log.error("the certificate cannot be looked at", exc_info=error)

    async def look(self) -> None:
        """Takes up the files if they have changed and are right."""
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            loaded = await asyncio.to_thread(load, self._settings)
        except ConfigurationError as error:
            # Between the replacement of one file and that of the next they do not fit: only what stays is worth a line.
            if stamp == self._refused:
                self._seen = stamp
                log.error("the certificate has changed and cannot be used; the last one is served", error=str(error))
            self._refused = stamp
            return
        if stamp == self._stamp():  # or else they have changed while they were read
            self._seen, self.loaded, self._warned = stamp, loaded, 0.0
            log.info("certificate loaded", expires=_shown(loaded.expires_at))

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        """What changes whenever a file is written or replaced."""
        settings = self._settings
        return tuple(_stamp_of(path) for path in (settings.tls_cert_file, settings.tls_key_file, settings.tls_ca_file))

    def _warn(self) -> None:
        left = self.seconds_left
        if left < EXPIRING_DAYS * _DAY and _now() - self._warned >= _DAY:
            self._warned = _now()
            what = "the certificate has expired" if left <= 0 else "the certificate expires soon"
            log.warning(what, expires=_shown(self.loaded.expires_at), days_left=round(left / _DAY, 1))


def _stamp_of(path: Path | None) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        if path is not None:
            found = os.stat(path)
            return found.st_mtime_ns, found.st_ino, found.st_size
    return None


def load(settings: Settings) -> Loaded:
    """The certificate that the files of the settings contain.

    Raises:
        ConfigurationError: naming the setting, and never anything of a key or its password.
    """
    chain = _read(settings.tls_cert_file, "PHOENIX_TLS_CERT_FILE")
    certificates = _certificates(chain, "PHOENIX_TLS_CERT_FILE", settings.tls_cert_file)
    key = _decrypted(settings)
    authorities = b""
    if settings.tls_verify_client:
        authorities = _read(settings.tls_ca_file, "PHOENIX_TLS_CA_FILE")
        _certificates(authorities, "PHOENIX_TLS_CA_FILE", settings.tls_ca_file)
    expires_at = min(certificate.not_valid_after_utc.timestamp() for certificate in certificates)
    return Loaded(chain, key, authorities, _context(settings, authorities), expires_at)


def _read(path: Path | None, setting: str) -> bytes:
    assert path is not None  # noqa: S101 - the settings require it
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{setting}: cannot read {path}: {error.strerror}") from None


def _certificates(pem: bytes, setting: str, path: Path | None) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise ConfigurationError(f"{setting}: {path} must contain certificates in PEM") from None


def _decrypted(settings: Settings) -> bytes:
    """The private key without encryption: gRPC takes no other."""
    path, secret = settings.tls_key_file, settings.tls_key_file_password
    pem = _read(path, "PHOENIX_TLS_KEY_FILE")
    password = secret.get_secret_value().encode() if secret else None
    try:
        try:
            key = load_pem_private_key(pem, password)
        except TypeError:
            if password is None:
                text = f"PHOENIX_TLS_KEY_FILE_PASSWORD: is required, since {path} is encrypted"
                raise ConfigurationError(text) from None
            key = load_pem_private_key(pem, None)  # it is not encrypted, so the password says nothing
    except (ValueError, UnsupportedAlgorithm):
        if password is not None:
            text = f"PHOENIX_TLS_KEY_FILE, PHOENIX_TLS_KEY_FILE_PASSWORD: {path} must contain a private key in PEM"
            raise ConfigurationError(f"{text}, which the password opens") from None
        raise ConfigurationError(f"PHOENIX_TLS_KEY_FILE: {path} must contain a private key in PEM") from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _context(settings: Settings, authorities: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["http/1.1"])
    if authorities:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=authorities.decode("ascii", "replace"))
    assert settings.tls_cert_file is not None  # noqa: S101 - the settings require it
    secret = settings.tls_key_file_password
    try:
        # Never None: OpenSSL would ask for it at the terminal.
        password = secret.get_secret_value() if secret else ""
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file, lambda: password)
    except (OSError, ValueError):  # of which SSLError is one
        raise ConfigurationError(
            f"PHOENIX_TLS_KEY_FILE: {settings.tls_key_file} must contain the key of the certificate in"
            f" {settings.tls_cert_file}"
        ) from None
    return context


def _now() -> float:
    return datetime.datetime.now(datetime.UTC).timestamp()


def _shown(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat()
