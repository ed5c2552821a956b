"""Private keys that sign access tokens, so that others can verify them: a folder with a file for each.

The name of a file is the time from which its key signs, 20260131T093000Z.pem. The newest whose time has come signs; one
whose time is to come is published already, and those before go on verifying until they are removed.
"""

import base64
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from phoenix_grpc import model
from phoenix_grpc.errors import ConfigurationError

SETTING = "PHOENIX_SIGNING_KEYS_DIR"
ALGORITHMS = ("ES256", "EdDSA")

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_FORM = "%Y%m%dT%H%M%SZ"
_EXAMPLE = "20260131T093000Z.pem"
_NAME = re.compile(r"\d{8}T\d{6}Z\.pem")
_READABLE_BY_ALL = 0o007
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of the folder.

    Arguments:
        kid: the thumbprint of its public part (RFC 7638).
        begins: when it begins to sign, microseconds.
        jwk: its public part (RFC 7517).
    """

    kid: str
    algorithm: str
    begins: int
    path: Path
    private: PrivateKey = field(compare=False, repr=False)
    jwk: dict[str, str]


class SigningKeys:
    """The keys of a folder, as they were read last.

    Raises:
        ConfigurationError: when a key cannot be read, or there is none, naming the file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: object = None
        self._refused: object = None
        self.keys: tuple[SigningKey, ...] = ()
        self.look()

    def look(self) -> bool:
        """Reads the files if they have changed; returns whether they had.

        Raises:
            ConfigurationError: when they cannot be used: the keys before stay. It is raised once for each change.
        """
        stamp = _stamp(self._folder)
        if stamp in (self._seen, self._refused):
            return False
        try:
            self.keys = read_keys(self._folder)
        except ConfigurationError:
            self._refused = stamp
            raise
        self._seen, self._refused = stamp, None
        return True

    def current(self) -> SigningKey:
        """The key that signs now."""
        begun = [key for key in self.keys if key.begins <= model.now()]
        return begun[-1] if begun else self.keys[0]

    def find(self, kid: str) -> SigningKey | None:
        """The key with an id."""
        return next((key for key in self.keys if key.kid == kid), None)

    def published(self) -> bytes:
        """The JSON Web Key Set (RFC 7517) of their public parts."""
        return json.dumps({"keys": [key.jwk for key in self.keys]}, separators=(",", ":")).encode()


def read_keys(folder: Path) -> tuple[SigningKey, ...]:
    """The keys of a folder, the oldest first.

    Raises:
        ConfigurationError: when there is none, or a file is no key, or is readable by everybody.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".pem")
    except OSError as error:
        raise ConfigurationError(f"{SETTING}: cannot read {folder}: {error.strerror}") from None
    if not paths:
        raise ConfigurationError(f"{SETTING}: {folder} has no key; 'phoenix-grpc secrets rotate' makes one")
    return tuple(_read(path) for path in paths)


def make_key(folder: Path, begins: datetime, algorithm: str) -> SigningKey:
    """Makes a key that signs from a time on; no reader sees half of its file.

    Raises:
        ConfigurationError: when there is a key of that second.
        OSError: when the folder cannot be written.
    """
    made = ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / begins.astimezone(UTC).strftime(f"{_FORM}.pem")
    draft = folder / f".{secrets.token_hex(8)}"
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already") from None
    finally:
        draft.unlink()
    return _read(path)


def retired(keys: Iterable[SigningKey], lifetime: int) -> list[SigningKey]:
    """The keys whose last tokens, which live for so many microseconds, have ended."""
    ordered = list(keys)
    ends = [later.begins + lifetime for later in ordered[1:]]
    return [key for key, end in zip(ordered, ends, strict=False) if end < model.now()]


def _read(path: Path) -> SigningKey:
    if not _NAME.fullmatch(path.name):
        raise ConfigurationError(f"{SETTING}: the name of {path} must be the time from which it signs: {_EXAMPLE}")
    try:
        begins = datetime.strptime(path.name, f"{_FORM}.pem").replace(tzinfo=UTC)
        if path.stat().st_mode & _READABLE_BY_ALL:
            raise ConfigurationError(f"{SETTING}: {path} may be read by everybody; chmod 600 {path}")
        private = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigurationError(f"{SETTING}: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{SETTING}: {path} must contain an unencrypted private key in PEM") from None
    algorithm, members = _public(private, path)
    # RFC 7638: the required members alone, sorted.
    thumbprint = hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    kid = _base64(thumbprint)
    jwk = {**members, "kid": kid, "alg": algorithm, "use": "sig"}
    return SigningKey(kid, algorithm, int(begins.timestamp()) * _SECOND, path, private, jwk)  # type: ignore[arg-type]


def _public(private: Any, path: Path) -> tuple[str, dict[str, str]]:
    """The algorithm of a key, and the members of its public part."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return "EdDSA", {"crv": "Ed25519", "kty": "OKP", "x": _base64(raw)}
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        numbers = private.public_key().public_numbers()
        x, y = (_base64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        return "ES256", {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    raise ConfigurationError(f"{SETTING}: {path} must contain a key on the curve P-256 or Ed25519")


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _stamp(folder: Path) -> object:
    """Changes with every file of the folder, also behind a link that is turned to another, as Kubernetes does."""
    found = []
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix == ".pem":
                stat = path.stat()
                found.append((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_mode))
    except OSError as error:
        return repr(error)
    return tuple(found)
