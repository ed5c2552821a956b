"""AuthService: personal and system API keys."""

from collections.abc import Callable, Sequence

from google.protobuf.empty_pb2 import Empty

from phoenix_grpc import model
from phoenix_grpc.credentials.api_keys import api_key_hint, new_api_key
from phoenix_grpc.credentials.secrets import digest
from phoenix_grpc.errors import Invalid, PermissionDenied
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.ids import MAX_ID, decode_id
from phoenix_grpc.model import FOREVER, ApiKey, Principal
from phoenix_grpc.services.auth.messages import key_message, key_target, owned_key_message
from phoenix_grpc.services.auth.methods import AuthMethods, owner_id
from phoenix_grpc.services.fields import checked_name, masked_fields, optional_text, read_time
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.store.accounts import api_keys, users
from phoenix_grpc.store.accounts.api_keys import OwnedKey, Scope
from phoenix_grpc.store.accounts.expiring_keys import DAY
from phoenix_grpc.v1 import auth_pb2

MAX_DATASETS = 100
MAX_OVERLAP = 7 * 86_400_000_000
CLOCK_SKEW = 60_000_000
"""Microseconds by which an expiry that a client has computed may lie beyond the latest one: it becomes the latest."""
_CHANGEABLE = ("name", "description", "expire_time", "read_only", "dataset_ids")
_SYSTEM = Scope(system=True)


class ApiKeyMethods(AuthMethods):
    """Methods that create, list, change and revoke API keys."""

    async def CreateApiKey(self, request: auth_pb2.CreateApiKeyRequest) -> auth_pb2.ApiKeySecret:
        return await self._create(request, owner_id(current_call.get().principal), system=False)

    async def CreateSystemApiKey(self, request: auth_pb2.CreateApiKeyRequest) -> auth_pb2.ApiKeySecret:
        owner = await self.engine.read(users.system_user)
        return await self._create(request, owner.id, system=True)

    async def _create(self, request: auth_pb2.CreateApiKeyRequest, user_id: int, system: bool) -> auth_pb2.ApiKeySecret:
        secret = new_api_key()
        key = ApiKey(
            id=0,
            user_id=user_id,
            name=checked_name(request.name, "name"),
            description=optional_text(request, "description"),
            hint=api_key_hint(secret),
            created_at=0,
            expires_at=self._expiry(request, "expire_time"),
            last_used_at=None,
            read_only=request.read_only,
            system=system,
            dataset_ids=_dataset_ids(request.dataset_ids, "dataset_ids") or None,
        )
        maker = current_call.get().principal.user_id
        made = await self.change("api_key.create", key_target, api_keys.insert_key, key, digest(secret), maker)
        return auth_pb2.ApiKeySecret(api_key=key_message(made), key=secret)

    async def ListApiKeys(self, request: auth_pb2.ListApiKeysRequest) -> auth_pb2.ListApiKeysResponse:
        principal = current_call.get().principal
        own = principal.own_user_id
        asked = decode_id("User", request.user_id, "user_id") if request.user_id else own
        if request.all_users and request.user_id:
            raise Invalid("all_users", "cannot be combined with user_id")
        if (request.all_users or asked != own) and not principal.manages_users:
            raise PermissionDenied("only admins list the keys of others")
        if request.all_users:
            return await self._list(request, Scope(system=False), owned_key_message)
        if asked != own and asked is not None:
            await self.engine.read(users.get_user, asked)
        if asked is None:
            page_position(request, (int,))
            return auth_pb2.ListApiKeysResponse()
        return await self._list(request, Scope(system=False, user_id=asked), _key_alone)

    async def ListSystemApiKeys(self, request: auth_pb2.ListSystemApiKeysRequest) -> auth_pb2.ListApiKeysResponse:
        return await self._list(request, _SYSTEM, _key_alone)

    async def _list(
        self,
        request: auth_pb2.ListApiKeysRequest | auth_pb2.ListSystemApiKeysRequest,
        scope: Scope,
        convert: Callable[[OwnedKey, int], auth_pb2.ApiKey],
    ) -> auth_pb2.ListApiKeysResponse:
        size = page_size(request)
        before = page_position(request, (int,))
        rows = await self.engine.read(
            api_keys.list_keys, scope, before[0] if before else MAX_ID, size + 1, _idle_since(request)
        )
        latest = self._latest_expiry()
        found = page(rows, size, lambda owned: convert(owned, latest))
        token = page_token(request, found.last.key.id) if found.last else ""
        return auth_pb2.ListApiKeysResponse(api_keys=found.messages, next_page_token=token)

    async def UpdateApiKey(self, request: auth_pb2.UpdateApiKeyRequest) -> auth_pb2.ApiKey:
        scope = Scope(system=False, user_id=owner_id(current_call.get().principal))
        number = decode_id(scope.kind, request.api_key_id, "api_key_id")
        changes = self._changes(request)
        key = await self.change("api_key.update", key_target, api_keys.update_key, scope, number, changes)
        return key_message(key, self._latest_expiry())

    def _changes(self, request: auth_pb2.UpdateApiKeyRequest) -> dict[str, object]:
        """The new values of the fields to change, by the names of ApiKey's attributes."""
        fields = masked_fields(request, "update_mask", "api_key", _CHANGEABLE)
        wanted = request.api_key
        changes: dict[str, object] = {}
        if "name" in fields:
            changes["name"] = checked_name(wanted.name, "api_key.name")
        if "description" in fields:
            changes["description"] = optional_text(wanted, "description")
        if "expire_time" in fields:
            changes["expires_at"] = self._expiry(wanted, "api_key.expire_time")
        if "read_only" in fields:
            changes["read_only"] = wanted.read_only
        if "dataset_ids" in fields:
            changes["dataset_ids"] = _dataset_ids(wanted.dataset_ids, "api_key.dataset_ids") or None
        return changes

    def _expiry(self, message: auth_pb2.CreateApiKeyRequest | auth_pb2.ApiKey, field: str) -> int | None:
        """The expiry in a message; when it is unset, the latest one, or None when keys need not expire.

        Raises:
            Invalid: when it does not lie in the future, or beyond the latest one.
        """
        latest = self._latest_expiry()
        if not message.HasField("expire_time"):
            return None if latest == FOREVER else latest
        time = read_time(message.expire_time, field)
        if time <= model.now():
            raise Invalid(field, "must lie in the future")
        if time > latest + CLOCK_SKEW:
            most = self.settings.api_key_max_days
            raise Invalid(field, f"must lie within {most:g} days: PHOENIX_API_KEY_MAX_DAYS allows no longer life")
        return min(time, latest)

    def _latest_expiry(self) -> int:
        """When a key created now expires at the latest."""
        days = self.settings.api_key_max_days
        return FOREVER if days is None else model.now() + int(days * DAY)

    async def RotateApiKey(self, request: auth_pb2.RotateApiKeyRequest) -> auth_pb2.ApiKeySecret:
        return await self._rotate(request, Scope(system=False, user_id=owner_id(current_call.get().principal)))

    async def RotateSystemApiKey(self, request: auth_pb2.RotateApiKeyRequest) -> auth_pb2.ApiKeySecret:
        return await self._rotate(request, _SYSTEM)

    async def _rotate(self, request: auth_pb2.RotateApiKeyRequest, scope: Scope) -> auth_pb2.ApiKeySecret:
        number = decode_id(scope.kind, request.api_key_id, "api_key_id")
        overlap, latest = _overlap(request), self._latest_expiry()
        secret = new_api_key()
        key = await self.change(
            "api_key.rotate",
            key_target,
            api_keys.rotate_key,
            scope,
            number,
            digest(secret),
            api_key_hint(secret),
            overlap,
            latest,
        )
        return auth_pb2.ApiKeySecret(api_key=key_message(key), key=secret)

    async def RevokeApiKey(self, request: auth_pb2.RevokeApiKeyRequest) -> Empty:
        return await self._revoke(request, _reach(current_call.get().principal))

    async def RevokeSystemApiKey(self, request: auth_pb2.RevokeApiKeyRequest) -> Empty:
        return await self._revoke(request, _SYSTEM)

    async def _revoke(self, request: auth_pb2.RevokeApiKeyRequest, scope: Scope) -> Empty:
        number = decode_id(scope.kind, request.api_key_id, "api_key_id")
        await self.change("api_key.revoke", key_target, api_keys.revoke_key, scope, number)
        return Empty()


def _reach(principal: Principal) -> Scope:
    """The personal keys this caller may revoke: everybody's for an admin, else its own."""
    return Scope(system=False, user_id=None if principal.manages_users else owner_id(principal))


def _key_alone(owned: OwnedKey, latest_expiry: int) -> auth_pb2.ApiKey:
    return key_message(owned.key, latest_expiry)


def _idle_since(request: auth_pb2.ListApiKeysRequest | auth_pb2.ListSystemApiKeysRequest) -> int:
    """The time after which the keys to list were not used.

    Raises:
        Invalid: when `idle` is negative.
    """
    idle = request.idle.ToMicroseconds()
    if idle < 0:
        raise Invalid("idle", "must not be negative")
    return max(0, model.now() - idle) if idle else FOREVER


def _dataset_ids(texts: Sequence[str], field: str) -> frozenset[int]:
    if len(texts) > MAX_DATASETS:
        raise Invalid(field, f"must have {MAX_DATASETS} at most, has {len(texts)}")
    return frozenset(decode_id("Dataset", text, f"{field}[{index}]") for index, text in enumerate(texts))


def _overlap(request: auth_pb2.RotateApiKeyRequest) -> int:
    """How long the old secret stays valid, in microseconds.

    Raises:
        Invalid: when it is negative or above a week.
    """
    duration = request.overlap
    micros = duration.seconds * 1_000_000 + duration.nanos // 1000
    if not 0 <= micros <= MAX_OVERLAP:
        raise Invalid("overlap", "must be between 0 and a week")
    return micros
