"""The messages of AuthService, made from what the store keeps."""

from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import FOREVER, ApiKey, AuditEvent, Principal, PrincipalKind, Role, Session, User
from phoenix_grpc.services.fields import set_time
from phoenix_grpc.services.trail import Target
from phoenix_grpc.store.accounts.api_keys import OwnedKey
from phoenix_grpc.v1 import auth_pb2


def user_id(number: int | None) -> str:
    """The public id of a user; empty for None."""
    return "" if number is None else encode_id("User", number)


def user_target(user: User) -> Target:
    """A user, for the audit log."""
    return Target(user_id(user.id), user.email)


def key_target(key: ApiKey) -> Target:
    """A key, for the audit log."""
    return Target(key_id(key), key.name)


def key_id(key: ApiKey) -> str:
    """The public id of a key: its type says whether it is a system key."""
    return encode_id("SystemApiKey" if key.system else "UserApiKey", key.id)


def role_value(role: Role) -> auth_pb2.Role:
    """The enum value of a role."""
    return auth_pb2.Role.Value(f"ROLE_{role.value}")  # type: ignore[return-value]


def kind_value(kind: PrincipalKind | str) -> auth_pb2.PrincipalKind:
    """The enum value of a kind of principal; UNSPECIFIED for an empty text."""
    return auth_pb2.PrincipalKind.Value(f"PRINCIPAL_KIND_{kind or 'UNSPECIFIED'}")  # type: ignore[return-value]


def user_message(user: User) -> auth_pb2.User:
    """A user."""
    message = auth_pb2.User(
        user_id=user_id(user.id),
        email=user.email,
        username=user.username,
        role=role_value(user.role),
        password_needs_reset=user.password_needs_reset,
        auth_method=auth_pb2.AuthMethod.Value(f"AUTH_METHOD_{user.auth_method.value}"),  # type: ignore[arg-type]
    )
    set_time(message.create_time, user.created_at)
    set_time(message.update_time, user.updated_at)
    return message


def principal_message(principal: Principal, user: User | None, allowed: list[str]) -> auth_pb2.Principal:
    """Who calls, and the methods it may call."""
    message = auth_pb2.Principal(
        kind=kind_value(principal.kind),
        role=role_value(principal.role),
        user=user_message(user) if user else None,
        credential_id=principal.credential_id,
        read_only=principal.read_only,
        dataset_ids=_dataset_ids(principal.dataset_ids),
        allowed_methods=allowed,
    )
    set_time(message.expire_time, principal.expires_at)
    return message


def session_message(session: Session, current: str) -> auth_pb2.Session:
    """A session; `current` is the id of the session of this call."""
    message = auth_pb2.Session(
        session_id=session.id,
        user_id=user_id(session.user_id),
        user_agent=session.user_agent,
        address=session.address,
        current=session.id == current,
    )
    set_time(message.create_time, session.created_at)
    set_time(message.refresh_time, session.refreshed_at)
    set_time(message.expire_time, session.expires_at)
    return message


def key_message(key: ApiKey, latest_expiry: int = FOREVER) -> auth_pb2.ApiKey:
    """A key, without its owner's name; `latest_expiry` is when a new key expires at the latest."""
    message = auth_pb2.ApiKey(
        api_key_id=key_id(key),
        name=key.name,
        description=key.description,
        user_id=user_id(key.user_id),
        read_only=key.read_only,
        dataset_ids=_dataset_ids(key.dataset_ids),
        dataset_limited=key.dataset_ids is not None,
        hint=key.hint,
        exceeds_max_lifetime=(key.expires_at or FOREVER) > latest_expiry,
    )
    set_time(message.create_time, key.created_at)
    set_time(message.expire_time, key.expires_at)
    set_time(message.last_use_time, key.last_used_at)
    return message


def owned_key_message(owned: OwnedKey, latest_expiry: int) -> auth_pb2.ApiKey:
    """A key with its owner's e-mail and username."""
    message = key_message(owned.key, latest_expiry)
    message.user_email = owned.email
    message.username = owned.username
    return message


def event_message(event: AuditEvent) -> auth_pb2.AuditEvent:
    """An audit event."""
    message = auth_pb2.AuditEvent(
        event_id=event.id,
        action=event.action,
        allowed=event.allowed,
        actor_user_id=user_id(event.actor_user_id),
        actor_email=event.actor_email,
        actor_kind=kind_value(event.actor_kind),
        credential_id=event.credential_id,
        target_id=event.target_id,
        method=event.method,
        reason=event.reason,
        address=event.address,
        request_id=event.request_id,
        count=event.count,
        target_name=event.target_name,
        dataset_id="" if event.dataset_id is None else encode_id("Dataset", event.dataset_id),
        dataset_name=event.dataset_name or "",
        version_id="" if event.version_id is None else encode_id("DatasetVersion", event.version_id),
        created_count=event.created_count,
        updated_count=event.updated_count,
        deleted_count=event.deleted_count,
        byte_count=event.byte_count,
    )
    set_time(message.create_time, event.created_at)
    return message


def _dataset_ids(numbers: frozenset[int] | None) -> list[str]:
    return [encode_id("Dataset", number) for number in sorted(numbers or ())]
