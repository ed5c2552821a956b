"""AuthService: who calls and what it may do; the methods of each subject are in modules of their own."""

from collections.abc import Mapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty

from phoenix_grpc import __version__
from phoenix_grpc.config import Settings
from phoenix_grpc.contract import Method
from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.errors import NotFound, Reason
from phoenix_grpc.guard.access import allowed_methods, refusal
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.services.auth.audit_log import AuditMethods
from phoenix_grpc.services.auth.keys import ApiKeyMethods
from phoenix_grpc.services.auth.messages import principal_message
from phoenix_grpc.services.auth.passwords import PasswordMethods
from phoenix_grpc.services.auth.sessions import SessionMethods
from phoenix_grpc.services.auth.users import UserMethods
from phoenix_grpc.store.accounts import users
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.v1 import auth_pb2

_Power = tuple[PrincipalKind, Role, bool, bool]


class AuthServicer(SessionMethods, PasswordMethods, UserMethods, ApiKeyMethods, AuditMethods):
    """Every method of AuthService; auth.proto documents each. The arguments are those of AuthMethods."""

    def __init__(self, engine: Engine, settings: Settings, ring: KeyRing, methods: Mapping[str, Method]) -> None:
        super().__init__(engine, settings, ring, methods)
        self._allowed: dict[_Power, list[str]] = {}

    async def GetServerConfig(self, request: auth_pb2.GetServerConfigRequest) -> auth_pb2.ServerConfig:
        settings = self.settings
        by_password = settings.enable_auth and not settings.disable_basic_auth
        return auth_pb2.ServerConfig(
            authentication_enabled=settings.enable_auth,
            version=__version__,
            login_methods=["password"] if by_password else [],
            access_token_lifetime=_minutes(settings.access_token_expiry_minutes),
            refresh_token_lifetime=_minutes(settings.refresh_token_expiry_minutes),
            password_reset_enabled=by_password and self.mailer.enabled,
            api_key_max_lifetime=_minutes(days * 1440) if (days := settings.api_key_max_days) else None,
        )

    async def CheckAccess(self, request: auth_pb2.CheckAccessRequest) -> Empty:
        # The guard has held the named dataset against the key already.
        method = self.methods.get(request.method)
        if method is None:
            raise NotFound("Method", request.method[:200], Reason.METHOD_NOT_FOUND)
        if (error := refusal(method.rule, current_call.get().principal)) is not None:
            raise error
        return Empty()

    async def WhoAmI(self, request: auth_pb2.WhoAmIRequest) -> auth_pb2.Principal:
        principal = current_call.get().principal
        user = await self.engine.read(users.get_user, principal.user_id) if principal.user_id is not None else None
        return principal_message(principal, user, self._allowed_methods(principal))

    def _allowed_methods(self, principal: Principal) -> list[str]:
        """Remembered by all that the rules look at: WhoAmI is asked often, and there are few such powers."""
        power = (principal.kind, principal.role, principal.read_only, principal.dataset_ids is not None)
        if power not in self._allowed:
            self._allowed[power] = allowed_methods(self.methods, principal)
        return self._allowed[power]


def _minutes(minutes: float) -> Duration:
    duration = Duration()
    duration.FromMilliseconds(round(minutes * 60_000))
    return duration
