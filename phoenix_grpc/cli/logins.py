"""The logins that the command line keeps: in a file that only its owner can read, shared by concurrent commands."""

import json
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_grpc.errors import ConfigurationError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_LOCK_SECONDS = 60.0
_MARGIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Login:
    """The tokens of one session; `expires_at` is when the access token ends, in seconds since the epoch."""

    email: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: float

    def is_good(self, refused: str) -> bool:
        """Whether the access token can still be used: it was not refused, and does not expire in a moment."""
        return self.access_token != refused and self.expires_at > time.time() + _MARGIN_SECONDS


class Logins:
    """The logins by server address, in the file logins.json of `folder`.

    Raises:
        ConfigurationError: when the file is damaged.
        OSError: when it cannot be read or written, or another command holds it for a minute.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "logins.json"

    def get(self, address: str) -> Login | None:
        """The login at this server, or None."""
        return self._read().get(address)

    def put(self, address: str, login: Login) -> None:
        """Keeps a login, in place of the previous one."""
        with self._locked():
            self._write({**self._read(), address: login})

    def take(self, address: str) -> Login | None:
        """Forgets the login at this server, and returns it."""
        with self._locked():
            logins = self._read()
            login = logins.pop(address, None)
            if login is not None:
                self._write(logins)
        return login

    def token(self, address: str, refused: str, refresh: Callable[[Login], Login]) -> str:
        """An access token for the server at `address`; empty when there is no login.

        Arguments:
            refused: the token that the server refused last, or empty.
            refresh: exchanges the refresh token; it runs in one command at a time, since the token works once.
        """
        found = self.get(address)
        if found is None or found.is_good(refused):
            return found.access_token if found else ""
        with self._locked():
            logins = self._read()
            login = logins.get(address)
            if login == found:  # else another command has refreshed it, or logged out, meanwhile
                login = refresh(found)
                self._write({**logins, address: login})
        return login.access_token if login else ""

    def _locked(self) -> "BaseFileLock":
        from filelock import FileLock

        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(f"{self._path}.lock", timeout=_LOCK_SECONDS, mode=0o600)

    def _read(self) -> dict[str, Login]:
        try:
            return {address: Login(**fields) for address, fields in json.loads(self._path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError):
            raise ConfigurationError(f"{self._path} is damaged; delete it and log in again") from None

    def _write(self, logins: dict[str, Login]) -> None:
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        data = json.dumps({address: asdict(login) for address, login in logins.items()}, indent=1).encode()
        try:
            with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        finally:
            fresh.unlink(missing_ok=True)
