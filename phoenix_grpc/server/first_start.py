"""The users that must exist before anybody can log in."""

import asyncio

from phoenix_grpc.config import Settings
from phoenix_grpc.credentials import passwords
from phoenix_grpc.credentials.emails import checked_email
from phoenix_grpc.credentials.secrets import new_password
from phoenix_grpc.errors import AlreadyExists, ConfigurationError, Invalid
from phoenix_grpc.store.accounts import users
from phoenix_grpc.store.engine import Engine


class FirstStart:
    """Creates the users that must exist, if authentication is on: system user, default admin, PHOENIX_ADMINS.

    It may be made several times, until it succeeds: the password stays the same, since nobody can tell whether a
    connection that was lost during the commit took the users with it.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._password = ""
        self._hash = ""

    async def make(self) -> str | None:
        """Creates those that are missing.

        Returns:
            the default admin's random password, to be shown once; None when it was configured, or others made him.

        Raises:
            ConfigurationError: when PHOENIX_ADMINS names no e-mail, or a username that is taken.
            Unavailable: when the database does not answer.
        """
        if not self._settings.enable_auth:
            return None
        made = False
        try:
            admins = tuple((username, checked_email(email, email)) for username, email in self._settings.admins)
            if not await self._engine.read(users.has_first_users, admins):
                made = await self._engine.write(users.make_first_users, await self._hashed(), admins)
            elif self._hash:  # of a try before; it has a salt, so nobody else's is the same
                made = await self._engine.read(users.is_default_admins_hash, self._hash)
        except (Invalid, AlreadyExists) as error:
            raise ConfigurationError(f"PHOENIX_ADMINS: {error.message}") from None
        self._hash = ""
        return self._password if made and self._settings.default_admin_initial_password is None else None

    async def _hashed(self) -> str:
        """The hash of the password, the same each time."""
        if not self._hash:
            configured = self._settings.default_admin_initial_password
            self._password = configured.get_secret_value() if configured else new_password()
            self._hash = await asyncio.to_thread(passwords.hash_password, self._password)
        return self._hash
