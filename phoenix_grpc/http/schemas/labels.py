"""Labels."""

from typing import Annotated

from pydantic import Field

from phoenix_grpc.http.schemas import Model


class Label(Model):
    """A label for datasets."""

    id: str
    name: str
    description: str | None
    color: str


class NewLabel(Model):
    """A label to create."""

    name: Annotated[str, Field(min_length=1)]
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]
    description: str | None = None


class LabelChange(Model):
    """Changes to a label; a null name or color is ignored, and a null description removes it."""

    name: Annotated[str, Field(min_length=1)] | None = None
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")] | None = None
    description: str | None = None


class LabelIds(Model):
    """The labels that a dataset should have."""

    dataset_label_ids: list[str]
