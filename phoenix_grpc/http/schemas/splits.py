"""Splits."""

from datetime import datetime
from typing import Any

from pydantic import Field

from phoenix_grpc.http.schemas import Metadata, Model


class Split(Model):
    """A named subset of a dataset's examples."""

    id: str
    name: str
    description: str | None
    color: str
    metadata: dict[str, Any]
    example_count: int
    created_at: datetime
    updated_at: datetime


class NewSplit(Model):
    """A split to create."""

    name: str
    description: str | None = None
    color: str = Field(default_factory=str, min_length=1)  # the service has the default
    metadata: Metadata = Field(default_factory=dict)
    example_ids: list[str] = Field(default_factory=list)


class SplitChange(Model):
    """Changes to a split; absent fields stay unchanged, and a null description removes it. Adds first, then removes."""

    name: str | None = None
    description: str | None = None
    color: str | None = None
    metadata: Metadata | None = None
    add_example_ids: list[str] = Field(default_factory=list)
    remove_example_ids: list[str] = Field(default_factory=list)
