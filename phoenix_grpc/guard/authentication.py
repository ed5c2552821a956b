"""Who calls: credentials are verified once, remembered by digest, and forgotten when their subject changes."""

import hmac
from dataclasses import replace
from typing import NamedTuple

from phoenix_grpc import model
from phoenix_grpc.config import Settings
from phoenix_grpc.credentials import api_keys
from phoenix_grpc.credentials.secrets import digest
from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.errors import Reason, Unauthenticated
from phoenix_grpc.guard.foreign_tokens import ForeignTokens
from phoenix_grpc.guard.remembered import RememberedCredentials, Verified
from phoenix_grpc.guard.workloads import dataset_ids
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.store.accounts import users
from phoenix_grpc.store.accounts.api_keys import KeyOwner, find_owner, record_uses
from phoenix_grpc.store.accounts.sessions import live_session
from phoenix_grpc.store.engine import UNKNOWN_REVISION, AuthRevision, Engine
from phoenix_grpc.store.revision import changes_since

_FLUSH_BATCH = 500


class Standing(NamedTuple):
    """Who calls, as of an auth revision: it holds until that moves or the credential expires."""

    principal: Principal
    revision: AuthRevision


class Authenticator:
    """Identifies callers by API key, access token or admin secret.

    Arguments:
        foreign: verifies the tokens of trusted issuers, if there are any.

    Attributes:
        lookups: how many were known already, and how many had to be verified.
    """

    def __init__(self, engine: Engine, settings: Settings, ring: KeyRing, foreign: ForeignTokens | None = None) -> None:
        self._foreign = foreign
        self._foreign_version = foreign.version if foreign else 0
        self._engine = engine
        self._ring = ring
        secret = settings.admin_secret
        self._admin_secret = secret.get_secret_value().encode() if secret else None
        self._remembered = RememberedCredentials()
        self._revision = UNKNOWN_REVISION
        self._uses: dict[int, int] = {}
        self.lookups = {"remembered": 0, "verified": 0}

    async def identify(self, bearer: str) -> Standing:
        """The principal that a bearer credential stands for, as of now.

        Raises:
            Unauthenticated: with the exact reason, if it identifies nobody.
            Unavailable: if the store cannot be read.
        """
        known = await self._engine.auth_revision()
        if known > self._revision:
            await self._catch_up(known)
        if self._foreign is not None and self._foreign.version != self._foreign_version:
            self._foreign_version = self._foreign.version
            self._remembered.apply(None)
        # A revocation during the verification raises the revision: the result is used, but not remembered.
        revision = self._revision
        key = digest(bearer)
        found = self._remembered.get(key)
        now = model.now()
        if found is None or (found.principal.expires_at or now + 1) <= now:
            self._remembered.drop(key)
            self.lookups["verified"] += 1
            found = await self._verify(bearer, key)
            if self._revision == revision:
                self._remembered.put(key, found)
        else:
            self.lookups["remembered"] += 1
        if found.key_id is not None:
            self._uses[found.key_id] = now
        principal = found.principal
        if found.datasets is not None:
            principal = replace(principal, dataset_ids=await self._engine.read(dataset_ids, found.datasets))
        return Standing(principal, revision)

    async def renew(self, standing: Standing, bearer: str) -> Standing:
        """A standing that `bearer` was identified with before, as it is now; it costs a read only when it may differ.

        An access token may end, or be refreshed, while a stream goes on that it began: the session counts. A key counts
        itself.

        Raises:
            Unauthenticated: when the session has ended, or as `identify`.
        """
        principal, now = standing.principal, model.now()
        if principal.kind is PrincipalKind.FOREIGN_TOKEN:  # the file may have changed
            return await self.identify(bearer)
        revision = await self._engine.auth_revision()
        if revision <= standing.revision and (principal.expires_at or now + 1) > now:
            return standing
        if principal.kind is not PrincipalKind.SESSION:
            return await self.identify(bearer)
        session = await self._engine.read(live_session, principal.credential_id)
        if session is None:
            raise Unauthenticated("the session has ended", Reason.SESSION_REVOKED)
        return Standing(replace(principal, role=session.role, expires_at=session.expires_at), revision)

    async def _catch_up(self, known: AuthRevision) -> None:
        """Forgets what has changed since the revision that this process knows; in another epoch, everything."""
        since = self._revision.number if known.epoch == self._revision.epoch else UNKNOWN_REVISION.number
        number, changes = await self._engine.read(changes_since, since)
        reached = AuthRevision(known.epoch, number)
        if reached > self._revision:
            self._remembered.apply(changes)
            self._revision = reached

    async def flush(self) -> None:
        """Writes when keys were last used; uses that cannot be written are kept for the next flush."""
        uses, self._uses = self._uses, {}
        pending = list(uses.items())
        try:
            while pending:
                await self._engine.stage(record_uses, pending[:_FLUSH_BATCH])
                del pending[:_FLUSH_BATCH]
        finally:
            self._uses = {**dict(pending), **self._uses}

    async def _verify(self, bearer: str, key: bytes) -> Verified:
        if self._admin_secret and hmac.compare_digest(bearer.encode("utf-8", "surrogatepass"), self._admin_secret):
            return Verified(await self._system_user())
        if api_keys.claims_to_be_api_key(bearer):
            owner = await self._key_owner(bearer, key)
            return Verified(_key_principal(owner), key_id=owner.key_id)
        if self._foreign is not None and (foreign := await self._foreign.identify(bearer)) is not None:
            return Verified(foreign.principal, datasets=foreign.datasets)
        principal = await self._session_principal(bearer)
        return Verified(principal, session_id=principal.credential_id)

    async def _system_user(self) -> Principal:
        user = await self._engine.read(users.find_user, users.SYSTEM_EMAIL)
        return Principal(PrincipalKind.ADMIN_SECRET, Role.ADMIN, user.id if user else None, email=users.SYSTEM_EMAIL)

    async def _key_owner(self, bearer: str, key: bytes) -> KeyOwner:
        if not api_keys.is_api_key(bearer):
            raise Unauthenticated("this is not an API key: its form or its checksum is wrong", Reason.API_KEY_INVALID)
        owner = await self._engine.read(find_owner, key)
        if owner is None:
            raise Unauthenticated("this API key is unknown", Reason.API_KEY_INVALID)
        now = model.now()
        if owner.revoked_at is not None or (owner.replaced_at is not None and owner.replaced_at <= now):
            raise Unauthenticated("this API key was revoked or rotated", Reason.API_KEY_REVOKED)
        if owner.expires_at is not None and owner.expires_at <= now:
            raise Unauthenticated("this API key has expired", Reason.API_KEY_EXPIRED)
        return owner

    async def _session_principal(self, token: str) -> Principal:
        claims = self._ring.read_access(token)
        session = await self._engine.read(live_session, claims.session_id)
        if session is None or session.generation != claims.generation:
            raise Unauthenticated("the session has ended, or its tokens were refreshed", Reason.SESSION_REVOKED)
        return Principal(
            PrincipalKind.SESSION,
            session.role,
            session.user_id,
            session.email,
            credential_id=session.id,
            expires_at=min(claims.expires_at, session.expires_at),
        )


def _key_principal(owner: KeyOwner) -> Principal:
    system = owner.role is Role.SYSTEM
    ends = [time for time in (owner.expires_at, owner.replaced_at) if time is not None]
    return Principal(
        PrincipalKind.SYSTEM_KEY if system else PrincipalKind.USER_KEY,
        owner.role,
        owner.user_id,
        owner.email,
        credential_id=encode_id("SystemApiKey" if system else "UserApiKey", owner.key_id),
        expires_at=min(ends, default=None),
        read_only=owner.read_only,
        dataset_ids=owner.dataset_ids,
    )
