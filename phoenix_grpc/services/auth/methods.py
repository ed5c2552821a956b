"""What the methods of AuthService share: the parts they work with, and the audit event of a change."""

import math
from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from phoenix_grpc import model
from phoenix_grpc.config import Settings
from phoenix_grpc.contract import Method
from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.errors import FailedPrecondition, PermissionDenied, Reason
from phoenix_grpc.guard.access import auth_disabled
from phoenix_grpc.model import Principal
from phoenix_grpc.services.auth.mail import Mailer
from phoenix_grpc.services.auth.password_desk import PasswordDesk
from phoenix_grpc.services.trail import Target, Trail, recorded
from phoenix_grpc.store.engine import Engine, Transaction

P = ParamSpec("P")
T = TypeVar("T")


class AuthMethods:
    """What the methods of every subject build on.

    Arguments:
        methods: every method that is served, by path.
    """

    def __init__(self, engine: Engine, settings: Settings, ring: KeyRing, methods: Mapping[str, Method]) -> None:
        self.engine = engine
        self.settings = settings
        self.ring = ring
        self.methods = methods
        self.mailer = Mailer(settings)
        self.desk = PasswordDesk(engine, settings)

    async def close(self) -> None:
        """Waits for mails that are being sent."""
        await self.mailer.close()
        self.desk.close()

    async def change(
        self,
        action: str,
        target: Callable[[T], Target],
        work: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Calls `work(tx, ...)`, and records it as done by the caller in the same transaction.

        Arguments:
            action: its name in the audit log.
            target: what was changed, from the result.
        """

        def act(tx: Transaction, trail: Trail) -> T:
            result = work(tx, *args, **kwargs)
            trail.add(action, target(result))
            return result

        return await recorded(self.engine, act)

    def require_authentication(self) -> None:
        """Raises FailedPrecondition while authentication is off: for public methods, which the guard lets through."""
        if not self.settings.enable_auth:
            raise auth_disabled()

    def require_password_login(self) -> None:
        """As `require_authentication`, and raises FailedPrecondition when password login is off."""
        self.require_authentication()
        if self.settings.disable_basic_auth:
            raise FailedPrecondition(
                "password login is switched off on this server (PHOENIX_DISABLE_BASIC_AUTH)",
                Reason.PASSWORD_LOGIN_DISABLED,
            )


def owner_id(principal: Principal) -> int:
    """The user behind a session or a personal key.

    Raises:
        PermissionDenied: NOT_A_USER, for the admin secret and system keys.
    """
    number = principal.own_user_id
    if number is None:
        raise PermissionDenied("only users have sessions, a password and personal keys", Reason.NOT_A_USER)
    return number


def require_interactive(principal: Principal, what: str) -> None:
    """Raises PermissionDenied (CREDENTIAL_NOT_INTERACTIVE) for API keys: `what` takes a session or the admin secret."""
    if not principal.interactive:
        raise PermissionDenied(f"API keys may not {what}; send an access token", Reason.CREDENTIAL_NOT_INTERACTIVE)


def after_minutes(minutes: float) -> int:
    """The time so many minutes from now, in microseconds: a whole second, as tokens carry it."""
    return math.ceil(model.now() / 1_000_000 + minutes * 60) * 1_000_000
