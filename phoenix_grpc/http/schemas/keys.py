"""API keys."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from phoenix_grpc.http.schemas import Model


class ApiKey(Model):
    """An API key without its secret; unset fields are absent."""

    id: str
    name: str
    description: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    hint: str
    read_only: bool
    dataset_ids: list[str] | None = None
    exceeds_max_lifetime: bool | None = None


class Owner(Model):
    """The owner of a key."""

    id: str
    username: str
    email: str


class OwnedApiKey(ApiKey):
    """An API key and its owner."""

    user: Owner


class ApiKeySecret(ApiKey):
    """A new key, which only this response contains."""

    key: str


class NewApiKey(Model):
    """A key to create."""

    name: str
    description: str | None = None
    expires_at: AwareDatetime | datetime | None = None
    read_only: bool = False
    dataset_ids: list[str] = Field(default_factory=list)


class Rotation(Model):
    """How long the old secret keeps working."""

    overlap_seconds: Annotated[int, Field(ge=0, le=604_800)] = 0
