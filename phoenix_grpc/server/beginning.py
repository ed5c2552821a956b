"""What the server does to its database before it serves, as soon as that answers: schema, first users, warnings."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import structlog

from phoenix_grpc.beside import beside
from phoenix_grpc.config import Settings
from phoenix_grpc.errors import ConfigurationError, Error, Unavailable
from phoenix_grpc.server.first_start import FirstStart
from phoenix_grpc.server.key_expiry import report_outliving
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.moving import require_here

RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Beginning:
    """Begins at once, or, while the database is away, later and by itself."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._first_start = FirstStart(engine, settings)
        self._reason = "the database has not been opened yet"
        self._begun = False

    async def check(self) -> None:
        """Raises errors.Error when the server cannot serve: it has not begun, or the store does not answer."""
        if not self._begun:
            raise Unavailable(self._reason)
        await self._engine.check()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tries until it has begun, or the block ends.

        Raises:
            ConfigurationError: when a setting or the database prevents it, as far as the first try finds that out.
        """
        retries = []
        try:
            await self._begin()
        except Unavailable as error:
            self._reason = error.message
            log.warning("the database is away; the server will serve when it is back", error=error.message)
            retries = [self._retry()]
        async with beside(*retries):
            yield

    async def _retry(self) -> None:
        while not self._begun:
            await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._begin()
            except Error as error:
                self._reason = error.message
            except Exception as error:
                self._reason = str(error)
                known = isinstance(error, ConfigurationError)
                log.error("the server cannot begin", error=self._reason, exc_info=None if known else error)

    async def _begin(self) -> None:
        await self._engine.begin()
        await self._engine.read(require_here)
        _show_password(await self._first_start.make())
        await report_outliving(self._engine, self._settings)
        self._begun = True


def _show_password(password: str | None) -> None:
    """Shows the first admin's password as soon as it is valid: it cannot be shown later, even if the start fails."""
    if password is not None:
        # Not through the log, which is kept: this is shown once.
        sys.stderr.write(f"\n  First admin: admin@localhost\n  Password:    {password}\n  Shown once: change it.\n\n")
        sys.stderr.flush()
