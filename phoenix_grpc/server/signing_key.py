"""The secret that signs tokens: configured, or generated once and kept in the working directory."""

import asyncio
import contextlib
import os
import secrets
from pathlib import Path

import structlog

from phoenix_grpc.config import Settings
from phoenix_grpc.credentials.signing_keys import SigningKeys
from phoenix_grpc.credentials.tokens import ISSUER, KeyRing, PublicTokens
from phoenix_grpc.errors import ConfigurationError

FILE_NAME = "secret"
LOOK_SECONDS = 1.0
"""How often the signing keys are looked at."""

_MIN_LENGTH = 32

log = structlog.get_logger()


def open_key_ring(settings: Settings, keys: SigningKeys | None = None) -> KeyRing:
    """The keys that sign and verify tokens, from the settings or from the working directory.

    Arguments:
        keys: sign access tokens instead of the secret.

    Raises:
        ConfigurationError: when the kept secret cannot be read or made; without PHOENIX_SECRET beside a database that
            servers on other machines use, too.
    """
    if not settings.secret and settings.shares_database:
        raise ConfigurationError(
            "PHOENIX_SECRET is required with PostgreSQL: all servers on one database must have the same"
            " (python -c 'import secrets; print(secrets.token_hex(32))' makes one)"
        )
    previous = settings.secret_previous
    secret = settings.secret.get_secret_value() if settings.secret else kept_secret(settings.working_dir / FILE_NAME)
    return KeyRing(secret, previous.get_secret_value() if previous else None, public_tokens(settings, keys))


def public_tokens(settings: Settings, keys: SigningKeys | None) -> PublicTokens | None:
    """How access tokens are signed that others verify; None when they are not."""
    if keys is None:
        return None
    return PublicTokens(keys, settings.root_url.rstrip("/") or ISSUER, settings.token_audience)


async def follow(keys: SigningKeys) -> None:
    """Takes up changes of the keys, until it is cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if await asyncio.to_thread(keys.look):
                log.info("signing keys loaded", keys=[key.kid for key in keys.keys])
        except ConfigurationError as error:
            log.error("the signing keys have changed and cannot be used; the last ones are", error=str(error))


def known_key_ring(settings: Settings) -> KeyRing | None:
    """As open_key_ring, for a program beside the server; None when the secret is not known to it."""
    known = settings.secret or (not settings.shares_database and (settings.working_dir / FILE_NAME).exists())
    return open_key_ring(settings) if known else None


def kept_secret(path: Path) -> str:
    """The secret in this file; the first process creates it, readable only by its owner, and all others use it.

    Raises:
        ConfigurationError: naming the file, when it cannot be read or made, or holds no secret.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _make(path)
        secret = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {getattr(error, 'strerror', None) or 'not a secret'}") from error
    if len(secret) < _MIN_LENGTH:
        raise ConfigurationError(f"{path} holds no secret of {_MIN_LENGTH} characters; remove it to have one made")
    return secret


def _make(path: Path) -> None:
    """Creates the file with a new secret, unless another process is first; no process sees it half written."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(f"{secrets.token_hex(32)}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
