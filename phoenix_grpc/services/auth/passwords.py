"""AuthService: change and reset of passwords."""

from dataclasses import replace
from email.message import EmailMessage

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc.credentials.emails import normal_email
from phoenix_grpc.credentials.secrets import digest, new_token
from phoenix_grpc.credentials.tokens import MAX_TOKEN
from phoenix_grpc.errors import FailedPrecondition, Invalid, Reason
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.model import AuthMethod, Role
from phoenix_grpc.services.auth import messages as auth_messages
from phoenix_grpc.services.auth.methods import AuthMethods, after_minutes, owner_id
from phoenix_grpc.services.auth.password_desk import UNLIMITED, login_failed, sent_password
from phoenix_grpc.services.fields import checked_name
from phoenix_grpc.services.trail import Target, call_event
from phoenix_grpc.store import audit
from phoenix_grpc.store.accounts import passwords, users
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import auth_pb2


class PasswordMethods(AuthMethods):
    """Methods by which owners change and reset their passwords."""

    async def ChangePassword(self, request: auth_pb2.ChangePasswordRequest) -> Empty:
        self.require_password_login()
        principal = current_call.get().principal
        user_id = owner_id(principal)
        current = sent_password(request.current_password, "current_password")
        wanted = self.desk.checked(request.new_password, "new_password")
        if wanted == current:
            raise Invalid("new_password", "must differ from the current password")
        _, old_hash, _ = await self.desk.verified(principal.email, current)
        new_hash = await self.desk.hashed(wanted)

        def change(tx: Transaction) -> None:
            if not passwords.has_password(tx, user_id, old_hash):
                raise login_failed()  # it was changed while it was being checked
            passwords.set_password(tx, user_id, new_hash, needs_reset=False, keep_session=principal.credential_id)

        target = Target(auth_messages.user_id(user_id), principal.email)
        await self.change("password.change", lambda _: target, change)
        return Empty()

    async def RequestPasswordReset(self, request: auth_pb2.RequestPasswordResetRequest) -> Empty:
        self.require_password_login()
        email = normal_email(checked_name(request.email, "email"))
        if not self.mailer.enabled:
            raise FailedPrecondition(
                "this server sends no mail (PHOENIX_SMTP_HOSTNAME, PHOENIX_ROOT_URL); ask an admin",
                Reason.MAIL_NOT_CONFIGURED,
            )
        self.mailer.post(lambda: self._reset_mail(email))
        return Empty()

    async def _reset_mail(self, email: str) -> EmailMessage | None:
        """The mail for the user with this e-mail; None for strangers, without a password, and after too many mails."""
        token = new_token()
        most = UNLIMITED if self.settings.disable_rate_limit else passwords.MAX_RESETS
        expires_at = after_minutes(self.settings.password_reset_token_expiry_minutes)

        def put(tx: Transaction) -> str | None:
            user = users.find_user(tx, email)
            if user is None or user.role is Role.SYSTEM or user.auth_method is not AuthMethod.LOCAL:
                return None
            return user.email if passwords.put_reset(tx, user.id, digest(token), expires_at, most) else None

        known = await self.engine.write(put)
        return self.mailer.reset_mail(known, token) if known else None

    async def ResetPassword(self, request: auth_pb2.ResetPasswordRequest) -> Empty:
        self.require_password_login()
        password = self.desk.checked(request.password, "password")
        token = digest(request.token[:MAX_TOKEN])  # a longer one is none of ours, cut or not
        await self.engine.read(passwords.reset_owner, token)  # before the work of hashing
        password_hash = await self.desk.hashed(password)
        event = call_event("password.reset")

        def reset(tx: Transaction) -> None:
            user = users.get_user(tx, passwords.use_reset(tx, token, password_hash))
            audit.record(
                tx,
                [
                    replace(
                        event,
                        actor_user_id=user.id,
                        actor_email=user.email,
                        target_id=auth_messages.user_id(user.id),
                        target_name=user.email,
                    )
                ],
            )

        await self.engine.write(reset)
        return Empty()
