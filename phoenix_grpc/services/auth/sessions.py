"""AuthService: login, refresh, logout and sessions."""

import secrets
from dataclasses import replace

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc import model
from phoenix_grpc.credentials.emails import normal_email
from phoenix_grpc.credentials.secrets import digest
from phoenix_grpc.credentials.tokens import AccessClaims, RefreshClaims
from phoenix_grpc.errors import Invalid, NotFound, PermissionDenied, Reason, Unauthenticated
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.ids import decode_id
from phoenix_grpc.model import PrincipalKind, Session
from phoenix_grpc.services.auth import messages as auth_messages
from phoenix_grpc.services.auth.methods import AuthMethods, after_minutes, owner_id
from phoenix_grpc.services.auth.password_desk import login_failed, sent_password
from phoenix_grpc.services.fields import checked_name, set_time
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.services.trail import Target, call_event
from phoenix_grpc.store import audit
from phoenix_grpc.store.accounts import passwords, sessions, users
from phoenix_grpc.store.accounts.sessions import LiveSession, Rotation
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.v1 import auth_pb2

_MAX_TEXT = 500


class SessionMethods(AuthMethods):
    """Methods that begin, refresh, list and end sessions."""

    async def Login(self, request: auth_pb2.LoginRequest) -> auth_pb2.TokenPair:
        self.require_password_login()
        email = normal_email(checked_name(request.email, "email"))
        password = sent_password(request.password, "password")
        user_id, old_hash, new_hash = await self.desk.verified(email, password)
        session = new_session(user_id, self._refresh_expiry())
        token = self.ring.issue_refresh(RefreshClaims(session.id, session.expires_at))
        event = replace(call_event("login"), actor_user_id=user_id, actor_kind="SESSION", credential_id=session.id)

        def begin(tx: Transaction) -> LiveSession | None:
            passwords.require_unlocked(tx, email, self.desk.max_failures)
            if not passwords.has_password(tx, user_id, old_hash):
                return None
            if new_hash:
                passwords.replace_hash(tx, user_id, new_hash)
            passwords.forget_failures(tx, email)
            sessions.insert_session(tx, session, digest(token))
            begun = sessions.live_session(tx, session.id)
            audit.record(tx, [replace(event, actor_email=begun.email if begun else "")])
            return begun

        begun = await self.engine.write(begin)
        if begun is None:  # the password was changed while it was being checked
            raise login_failed()
        return self._pair(begun, token)

    async def RefreshToken(self, request: auth_pb2.RefreshTokenRequest) -> auth_pb2.TokenPair:
        self.require_authentication()
        claims = self.ring.read_refresh(request.refresh_token)
        expires_at = self._refresh_expiry()
        token = self.ring.issue_refresh(RefreshClaims(claims.session_id, expires_at))
        event = replace(
            call_event("session.reuse"),
            allowed=False,
            credential_id=claims.session_id,
            reason=Reason.REFRESH_TOKEN_REUSED,
        )

        def rotate(tx: Transaction) -> tuple[Rotation, LiveSession | None]:
            outcome, session = sessions.rotate_refresh_token(
                tx, claims.session_id, digest(request.refresh_token), digest(token), expires_at
            )
            if outcome is Rotation.STOLEN and session:
                audit.record(tx, [replace(event, target_id=auth_messages.user_id(session.user_id))])
            return outcome, session

        outcome, session = await self.engine.write(rotate)
        if session is None:
            raise Unauthenticated("the session has ended; log in again", Reason.SESSION_REVOKED)
        if outcome is not Rotation.ROTATED:
            raise Unauthenticated("the refresh token was used before", Reason.REFRESH_TOKEN_REUSED)
        return self._pair(session, token)

    async def RevokeToken(self, request: auth_pb2.RevokeTokenRequest) -> Empty:
        self.require_authentication()
        try:
            session_id = self.ring.read_refresh(request.refresh_token).session_id
        except Unauthenticated:
            # RFC 7009: a token that is good for nothing is revoked already.
            return Empty()
        event = replace(
            call_event("session.revoke"), actor_kind="SESSION", credential_id=session_id, target_id=session_id
        )

        def end(tx: Transaction) -> None:
            # Who holds the token is who does it: the call has no other credentials.
            if session := sessions.live_session(tx, session_id):
                sessions.end_session(tx, session_id)
                audit.record(tx, [replace(event, actor_user_id=session.user_id, actor_email=session.email)])

        await self.engine.write(end)
        return Empty()

    async def Logout(self, request: auth_pb2.LogoutRequest) -> Empty:
        principal = current_call.get().principal
        if principal.kind is not PrincipalKind.SESSION:
            return Empty()
        user_id, session_id = owner_id(principal), principal.credential_id

        def end(tx: Transaction) -> str:
            if request.all:
                sessions.end_sessions(tx, user_id)
                return auth_messages.user_id(user_id)
            return sessions.end_session(tx, session_id, user_id).id

        try:
            await self.change("logout", Target, end)
        except NotFound:  # ended by another call meanwhile, as was asked for
            return Empty()
        return Empty()

    async def ListSessions(self, request: auth_pb2.ListSessionsRequest) -> auth_pb2.ListSessionsResponse:
        principal = current_call.get().principal
        size, before = page_size(request), page_position(request, (int, str))
        user_id = principal.own_user_id
        if request.user_id:
            asked = decode_id("User", request.user_id, "user_id")
            if asked != user_id:
                if not principal.manages_users:
                    raise PermissionDenied("only admins list the sessions of others")
                await self.engine.read(users.get_user, asked)
            user_id = asked
        if user_id is None:
            return auth_pb2.ListSessionsResponse()
        position = (before[0], before[1]) if before else None
        rows = await self.engine.read(sessions.list_sessions, user_id, position, size + 1)
        found = page(rows, size, lambda row: auth_messages.session_message(row, principal.credential_id))
        token = page_token(request, found.last.created_at, found.last.id) if found.last else ""
        return auth_pb2.ListSessionsResponse(sessions=found.messages, next_page_token=token)

    async def RevokeSession(self, request: auth_pb2.RevokeSessionRequest) -> Empty:
        principal = current_call.get().principal
        if not request.session_id:
            raise Invalid("session_id", "an id is required")
        owner = None if principal.manages_users else owner_id(principal)
        await self.change(
            "session.revoke", lambda session: Target(session.id), sessions.end_session, request.session_id, owner
        )
        return Empty()

    def _refresh_expiry(self) -> int:
        return after_minutes(self.settings.refresh_token_expiry_minutes)

    def _pair(self, session: LiveSession, refresh_token: str) -> auth_pb2.TokenPair:
        expires_at = min(after_minutes(self.settings.access_token_expiry_minutes), session.expires_at)
        subject = auth_messages.user_id(session.user_id)
        claims = AccessClaims(session.id, session.generation, subject, session.role, expires_at)
        pair = auth_pb2.TokenPair(access_token=self.ring.issue_access(claims), refresh_token=refresh_token)
        set_time(pair.access_token_expire_time, expires_at)
        set_time(pair.refresh_token_expire_time, session.expires_at)
        return pair


def new_session(user_id: int, expires_at: int) -> Session:
    """A session that this call begins."""
    call, now = current_call.get(), model.now()
    return Session(
        secrets.token_urlsafe(16),
        user_id,
        created_at=now,
        refreshed_at=now,
        expires_at=expires_at,
        user_agent=call.user_agent[:_MAX_TEXT],
        address=call.address[:_MAX_TEXT],
    )
