"""Examples, read and uploaded."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from phoenix_grpc.http.schemas import Model


class Example(Model):
    """An example as one version has it."""

    id: str
    node_id: str
    input: dict[str, Any]
    output: dict[str, Any]
    metadata: dict[str, Any]
    updated_at: datetime
    source: None


class Examples(Model):
    """The examples of a version."""

    dataset_id: str
    version_id: str
    filtered_splits: list[str]
    examples: list[Example]


class ExamplesAnswer(Model):
    """Examples; `next_cursor` is present if a page was requested."""

    data: Examples
    next_cursor: str | None = None


class Uploaded(Model):
    """The result of an upload."""

    dataset_id: str
    version_id: str
    num_created_examples: int
    num_updated_examples: int
    num_deleted_examples: int


class UploadAnswer(Model):
    """The result of an upload."""

    data: Uploaded


class JsonUpload(Model):
    """Examples to upload, as parallel lists."""

    name: str
    action: Literal["create", "append", "update"] = "create"
    description: str | None = None
    inputs: Annotated[list[dict[str, Any]], Field(max_length=1_000_000)]
    outputs: list[dict[str, Any]] | None = None
    metadata: list[dict[str, Any]] | None = None
    splits: list[str | list[str] | None] | None = None
    span_ids: list[str | None] | None = None
    example_ids: list[str | None] | None = None


class FileUpload(Model):
    """A file of examples to upload; the part's content type is text/csv or application/jsonl."""

    name: str
    action: Literal["create", "append", "update"] = "create"
    description: str | None = None
    input_keys: list[str] = Field(default_factory=list, alias="input_keys[]")
    output_keys: list[str] = Field(default_factory=list, alias="output_keys[]")
    metadata_keys: list[str] = Field(default_factory=list, alias="metadata_keys[]")
    split_keys: list[str] = Field(default_factory=list, alias="split_keys[]")
    flatten_keys: list[str] = Field(default_factory=list, alias="flatten_keys[]")
    split_key: str | None = None
    span_id_key: str | None = None
    example_id_key: str | None = None
    file: Annotated[bytes, Field(json_schema_extra={"format": "binary"})]
