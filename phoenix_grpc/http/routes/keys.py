"""API keys: one's own, everyone's, and those of the system user."""

from datetime import UTC
from typing import Any

from google.protobuf.duration_pb2 import Duration
from starlette.responses import Response

from phoenix_grpc.http import schemas
from phoenix_grpc.http.backend import ALL, Door
from phoenix_grpc.http.errors import Invalid, Refused
from phoenix_grpc.http.responses import json_answer, optional_text, optional_time, time_text, without_nulls
from phoenix_grpc.http.routing import Resource
from phoenix_grpc.http.schemas import keys
from phoenix_grpc.v1 import auth_pb2

router = Resource("api keys")


@router.rpc("GET", "/user/api_keys", "ListApiKeys", schemas.Data[list[keys.ApiKey]])
async def list_own_keys(door: Door) -> Response:
    """Lists the caller's keys, newest first; a caller that is not a user has none."""
    found, _ = await door.page("ListApiKeys", auth_pb2.ListApiKeysRequest(), "api_keys", ALL, None)
    return json_answer({"data": [_key_json(key) for key in found]})


@router.rpc("POST", "/user/api_keys", "CreateApiKey", schemas.Data[keys.ApiKeySecret], status=201)
async def create_own_key(door: Door, body: schemas.Data[keys.NewApiKey]) -> Response:
    """Creates a personal key; only this response contains it."""
    return _secret_answer(await door.call("CreateApiKey", _creation(body.data)), 201)


@router.rpc("POST", "/user/api_keys/{id}/rotate", "RotateApiKey", schemas.Data[keys.ApiKeySecret])
async def rotate_own_key(door: Door, id: str, body: schemas.Data[keys.Rotation] | None = None) -> Response:
    """Replaces the secret of a personal key; only this response contains it."""
    return await _rotate(door, "RotateApiKey", id, body)


@router.rpc("DELETE", "/user/api_keys/{id}", "RevokeApiKey", status=204)
async def delete_own_key(door: Door, id: str) -> Response:
    """Revokes a personal key; an admin may revoke anybody's."""
    return await _revoke(door, "RevokeApiKey", "UserApiKey", id)


# Anyone may call ListApiKeys; all_users is for those who may list users.
@router.rpc("GET", "/users/api_keys", "ListUsers", schemas.Page[keys.OwnedApiKey])
async def list_all_keys(door: Door, cursor: schemas.Cursor = None, limit: schemas.KeyLimit = 100) -> Response:
    """Lists everyone's personal keys, newest first."""
    request = auth_pb2.ListApiKeysRequest(all_users=True)
    found, next_cursor = await door.page("ListApiKeys", request, "api_keys", limit, cursor)
    return json_answer({"data": [_owned_json(key) for key in found], "next_cursor": next_cursor})


@router.rpc("GET", "/system/api_keys", "ListSystemApiKeys", schemas.Data[list[keys.ApiKey]])
async def list_system_keys(door: Door) -> Response:
    """Lists the system keys, newest first."""
    request = auth_pb2.ListSystemApiKeysRequest()
    found, _ = await door.page("ListSystemApiKeys", request, "api_keys", ALL, None)
    return json_answer({"data": [_key_json(key) for key in found]})


@router.rpc("POST", "/system/api_keys", "CreateSystemApiKey", schemas.Data[keys.ApiKeySecret], status=201)
async def create_system_key(door: Door, body: schemas.Data[keys.NewApiKey]) -> Response:
    """Creates a system key; only this response contains it."""
    return _secret_answer(await door.call("CreateSystemApiKey", _creation(body.data)), 201)


@router.rpc("POST", "/system/api_keys/{id}/rotate", "RotateSystemApiKey", schemas.Data[keys.ApiKeySecret])
async def rotate_system_key(door: Door, id: str, body: schemas.Data[keys.Rotation] | None = None) -> Response:
    """Replaces the secret of a system key; only this response contains it."""
    return await _rotate(door, "RotateSystemApiKey", id, body)


@router.rpc("DELETE", "/system/api_keys/{id}", "RevokeSystemApiKey", status=204)
async def delete_system_key(door: Door, id: str) -> Response:
    """Revokes a system key."""
    return await _revoke(door, "RevokeSystemApiKey", "SystemApiKey", id)


def _creation(body: keys.NewApiKey) -> auth_pb2.CreateApiKeyRequest:
    request = auth_pb2.CreateApiKeyRequest(
        name=body.name, description=body.description, read_only=body.read_only, dataset_ids=body.dataset_ids
    )
    if body.expires_at is not None:
        at = body.expires_at
        try:
            request.expire_time.FromDatetime(at if at.tzinfo else at.replace(tzinfo=UTC))
        except OverflowError:
            raise Invalid("expires_at must be between 0001-01-01 and 9999-12-31, in UTC.") from None
    return request


async def _rotate(door: Door, method: str, id: str, body: schemas.Data[keys.Rotation] | None) -> Response:
    overlap = Duration(seconds=body.data.overlap_seconds if body else 0)
    request = auth_pb2.RotateApiKeyRequest(api_key_id=id, overlap=overlap)
    return _secret_answer(await door.call(method, request), 200)


async def _revoke(door: Door, method: str, kind: str, id: str) -> Response:
    try:
        await door.call(method, auth_pb2.RevokeApiKeyRequest(api_key_id=id))
    except Refused as refused:
        raise refused.naming_id("api_key_id", kind, id) from None
    return Response(status_code=204)


def _secret_answer(made: Any, status: int) -> Response:
    return json_answer({"data": {**_key_json(made.api_key), "key": made.key}}, status)


def _key_json(key: Any) -> dict[str, Any]:
    return without_nulls(
        {
            "id": key.api_key_id,
            "name": key.name,
            "description": optional_text(key, "description"),
            "created_at": time_text(key.create_time),
            "expires_at": optional_time(key, "expire_time"),
            "last_used_at": optional_time(key, "last_use_time"),
            "hint": key.hint,
            "read_only": key.read_only,
            "dataset_ids": list(key.dataset_ids) if key.dataset_limited else None,
            "exceeds_max_lifetime": key.exceeds_max_lifetime or None,
        }
    )


def _owned_json(key: Any) -> dict[str, Any]:
    owner = {"id": key.user_id, "username": key.username, "email": key.user_email}
    return {**_key_json(key), "user": owner}
