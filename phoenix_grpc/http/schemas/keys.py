"""API keys."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from phoenix_grpc.http.schemas import Model


class ApiKey(Model):
    """An API key without its secret; what is unset is absent."""

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
    """Whose a key is."""

    id: str
    username: str
    email: str


class OwnedApiKey(ApiKey):
    """An API key and whose it is."""

    user: Owner


class ApiKeySecret(ApiKey):
    """A new key: this answer alone holds it."""

    key: str


class NewApiKey(Model):
    """A key to create."""

    name: str
    description: str | None = None
    expires_at: AwareDatetime | datetime | None = None
    read_only: bool = False
    dataset_ids: list[str] = Field(default_factory=list)


class Rotation(Model):
    """How long the old secret goes on working."""

    overlap_seconds: Annotated[int, Field(ge=0, le=604_800)] = 0
