"""Datasets and their versions."""

from datetime import datetime
from typing import Any

from pydantic import Field

from phoenix_grpc.http.schemas import Metadata, Model


class Dataset(Model):
    """A dataset."""

    id: str
    name: str
    description: str | None
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    example_count: int


class NewDataset(Model):
    """A dataset to create."""

    name: str
    description: str | None = None
    metadata: Metadata = Field(default_factory=dict)


class DatasetChange(Model):
    """Changes to a dataset; absent fields stay unchanged, and a null description removes it."""

    name: str | None = None
    description: str | None = None
    metadata: Metadata | None = None


class DatasetVersion(Model):
    """A version of a dataset, with the counts of examples that it created, updated, deleted and has."""

    version_id: str
    description: str | None
    metadata: dict[str, Any]
    created_at: datetime
    created_count: int
    updated_count: int
    deleted_count: int
    example_count: int
