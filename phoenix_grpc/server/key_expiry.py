"""The expiry of API keys: notifies owners before it, and reports keys that expire too late."""

from datetime import UTC, datetime

import structlog

from phoenix_grpc import model
from phoenix_grpc.config import Settings
from phoenix_grpc.services.auth.mail import Mailer
from phoenix_grpc.store.accounts.expiring_keys import (
    DAY,
    ExpiringKey,
    count_outliving,
    mark_noticed,
    next_expiring_key,
)
from phoenix_grpc.store.engine import Engine

log = structlog.get_logger()


async def send_notices(engine: Engine, settings: Settings, mailer: Mailer) -> None:
    """Mails the owners of keys that expire soon, each at most once: a key is marked before its mail is sent.

    A mail that cannot be sent is lost; the others wait for the next round.
    """
    if not (settings.enable_auth and mailer.enabled):
        return
    while (key := await engine.read(next_expiring_key)) is not None:
        if await engine.write(mark_noticed, key) and not await _tell(mailer, key):
            return


async def _tell(mailer: Mailer, key: ExpiringKey) -> bool:
    ends = datetime.fromtimestamp(key.expires_at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if key.email is None:
        log.warning("a system key ends, and nobody is known to tell", key=key.hint, name=key.name, ends=ends)
        return True
    return await mailer.send(mailer.key_expiry_mail(key.email, key.name, key.hint, ends, key.system))


async def report_outliving(engine: Engine, settings: Settings) -> None:
    """Warns of keys that expire later than a new one could."""
    if settings.api_key_max_days is None or not settings.enable_auth:
        return
    count = await engine.read(count_outliving, model.now() + int(settings.api_key_max_days * DAY))
    if count:
        log.warning(
            "API keys end later than PHOENIX_API_KEY_MAX_DAYS allows: rotate or revoke them",
            count=count,
            max_days=settings.api_key_max_days,
        )
