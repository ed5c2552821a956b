"""The users that must exist before anybody can log in."""

import asyncio

from phoenix_grpc.config import Settings
from phoenix_grpc.credentials import passwords
from phoenix_grpc.credentials.emails import checked_email
from phoenix_grpc.credentials.secrets import new_password
from phoenix_grpc.errors import AlreadyExists, ConfigurationError, Invalid
from phoenix_grpc.store.accounts import users
from phoenix_grpc.store.engine import Engine


async def first_start(engine: Engine, settings: Settings) -> str | None:
    """Creates the users that must exist, if authentication is on: system user, default admin, PHOENIX_ADMINS.

    Returns:
        the default admin's random password, to be shown once; None when it was configured, or the admin existed.

    Raises:
        ConfigurationError: when PHOENIX_ADMINS names no e-mail, or a username that is taken.
    """
    if not settings.enable_auth:
        return None
    try:
        admins = tuple((username, checked_email(email, email)) for username, email in settings.admins)
        if await engine.read(users.has_first_users, admins):
            return None
        configured = settings.default_admin_initial_password
        password = configured.get_secret_value() if configured else new_password()
        password_hash = await asyncio.to_thread(passwords.hash_password, password)
        made = await engine.write(users.make_first_users, password_hash, admins)
    except (Invalid, AlreadyExists) as error:
        raise ConfigurationError(f"PHOENIX_ADMINS: {error.message}") from None
    return password if made and configured is None else None
