"""Users, the caller's own account with its sessions, and the audit log."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from phoenix_grpc.http import schemas
from phoenix_grpc.http.backend import ALL, Door
from phoenix_grpc.http.errors import Refused
from phoenix_grpc.http.responses import json_answer, optional_time, time_text
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import sessions, users
from phoenix_grpc.ids import id_or_name
from phoenix_grpc.v1 import auth_pb2

router = Resource("users")


@router.rpc("GET", "/user", "WhoAmI", schemas.Data[users.User | users.Anonymous])
async def get_viewer(door: Door) -> Response:
    """Returns who calls."""
    principal = await door.call("WhoAmI", auth_pb2.WhoAmIRequest())
    found = _user_json(principal.user) if principal.HasField("user") else {"auth_method": "ANONYMOUS"}
    return json_answer({"data": found})


@router.rpc("POST", "/user/password", "ChangePassword", status=204)
async def change_password(door: Door, body: users.PasswordChange) -> Response:
    """Changes the caller's password, and ends the caller's other sessions."""
    request = auth_pb2.ChangePasswordRequest(current_password=body.current_password, new_password=body.new_password)
    await door.call("ChangePassword", request)
    return Response(status_code=204)


@router.rpc("GET", "/user/sessions", "ListSessions", schemas.Data[list[sessions.Session]])
async def list_sessions(door: Door) -> Response:
    """Lists the caller's sessions, newest first."""
    found, _ = await door.page("ListSessions", auth_pb2.ListSessionsRequest(), "sessions", ALL, None)
    return json_answer({"data": [_session_json(session) for session in found]})


@router.rpc("DELETE", "/user/sessions/{id}", "RevokeSession", status=204)
async def delete_session(door: Door, id: str) -> Response:
    """Ends one of the caller's sessions; an admin may end anybody's."""
    await door.call("RevokeSession", auth_pb2.RevokeSessionRequest(session_id=id))
    return Response(status_code=204)


@router.rpc("GET", "/users", "ListUsers", schemas.Page[users.User])
async def list_users(door: Door, cursor: schemas.Cursor = None, limit: schemas.PageLimit = 100) -> Response:
    """Lists users, newest first."""
    found, next_cursor = await door.page("ListUsers", auth_pb2.ListUsersRequest(), "users", limit, cursor)
    return json_answer({"data": [_user_json(user) for user in found], "next_cursor": next_cursor})


@router.rpc("POST", "/users", "CreateUser", schemas.Data[users.User], status=201)
async def create_user(door: Door, body: users.UserCreation) -> Response:
    """Creates a user."""
    new = body.user
    if new.role == "SYSTEM":
        await door.check_access("CreateUser")
        raise Refused(400, "Cannot create users with SYSTEM role")
    request = auth_pb2.CreateUserRequest(
        email=new.email,
        username=new.username,
        role=_role(new.role),
        password=new.password or "",
        auth_method=auth_pb2.AuthMethod.Value(f"AUTH_METHOD_{new.auth_method}"),  # type: ignore[arg-type]
        send_welcome_email=body.send_welcome_email,
    )
    return json_answer({"data": _user_json(await door.call("CreateUser", request))}, 201)


@router.rpc("PATCH", "/users/{id}", "UpdateUser", schemas.Data[users.User])
async def update_user(door: Door, id: str, body: users.UserChange) -> Response:
    """Changes username, role or password of a user."""
    request = auth_pb2.UpdateUserRequest(
        user_id=id,
        username=body.username,
        role=None if body.role is None else _role(body.role),
        password=body.password,
    )
    return json_answer({"data": _user_json(await door.call("UpdateUser", request))})


@router.rpc("DELETE", "/users/{id}", "DeleteUser", status=204)
async def delete_user(door: Door, id: str) -> Response:
    """Deletes a user with sessions and keys."""
    try:
        await door.call("DeleteUser", auth_pb2.DeleteUserRequest(user_id=id))
    except Refused as refused:
        raise refused.naming_id("user_id", "User", id) from None
    return Response(status_code=204)


@router.rpc("GET", "/audit_events", "ListAuditEvents", schemas.Page[users.AuditEvent])
async def list_audit_events(
    door: Door,
    cursor: schemas.Cursor = None,
    action: Annotated[str, Query(description="Only events of this action.")] = "",
    user: Annotated[str, Query(description="Only events by the user of this id or e-mail.")] = "",
    dataset: Annotated[str, Query(description="Only events in the dataset of this id or name.")] = "",
    since: Annotated[datetime | None, Query(description="Only events at this time and later.")] = None,
    until: Annotated[datetime | None, Query(description="Only events before this time.")] = None,
    outcome: Annotated[Literal["allowed", "denied"] | None, Query(description="Only events of this outcome.")] = None,
    limit: schemas.PageLimit = 100,
) -> Response:
    """Lists what was done and what was refused, newest first."""
    request = auth_pb2.ListAuditEventsRequest(
        action=action,
        **id_or_name("User", user, "actor_user_id", "actor_email"),
        **id_or_name("Dataset", dataset, "dataset_id", "dataset_name"),
        start_time=since,
        end_time=until,
        allowed=None if outcome is None else outcome == "allowed",
    )
    found, next_cursor = await door.page("ListAuditEvents", request, "events", limit, cursor)
    return json_answer({"data": [_event_json(event) for event in found], "next_cursor": next_cursor})


def _role(name: str) -> "auth_pb2.Role":
    return auth_pb2.Role.Value(f"ROLE_{name}")  # type: ignore[return-value]


def _user_json(user: Any) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "created_at": time_text(user.create_time),
        "updated_at": time_text(user.update_time),
        "email": user.email,
        "username": user.username,
        "role": auth_pb2.Role.Name(user.role).removeprefix("ROLE_"),
        "auth_method": auth_pb2.AuthMethod.Name(user.auth_method).removeprefix("AUTH_METHOD_"),
        "password_needs_reset": user.password_needs_reset,
    }


def _session_json(session: Any) -> dict[str, Any]:
    return {
        "id": session.session_id,
        "created_at": time_text(session.create_time),
        "refreshed_at": optional_time(session, "refresh_time"),
        "expires_at": time_text(session.expire_time),
        "user_agent": session.user_agent,
        "address": session.address,
        "current": session.current,
    }


def _event_json(event: Any) -> dict[str, Any]:
    kind = auth_pb2.PrincipalKind.Name(event.actor_kind).removeprefix("PRINCIPAL_KIND_")
    return {
        "id": event.event_id,
        "created_at": time_text(event.create_time),
        "action": event.action,
        "allowed": event.allowed,
        "actor_email": event.actor_email,
        "actor_kind": "" if kind == "UNSPECIFIED" else kind,
        "method": event.method,
        "reason": event.reason,
        "address": event.address,
        "target_id": event.target_id,
        "target_name": event.target_name,
        "dataset_id": event.dataset_id,
        "dataset_name": event.dataset_name,
        "version_id": event.version_id,
        "created_count": event.created_count,
        "updated_count": event.updated_count,
        "deleted_count": event.deleted_count,
        "byte_count": event.byte_count,
        "request_id": event.request_id,
        "count": event.count,
    }
