"""The shapes of requests and answers, for validation and OpenAPI."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from google.protobuf.struct_pb2 import Struct
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

T = TypeVar("T")
_MAX_EXACT = 2**53
_MAX_DEPTH = 32

PageLimit = Annotated[int, Field(gt=0, description="How many at most.")]
KeyLimit = Annotated[int, Field(gt=0, le=1000, description="How many at most.")]
Cursor = Annotated[str | None, Field(description="The next_cursor of the page before.")]


def _carried(value: Any, depth: int = 0) -> Any:
    """The value, when a Struct carries it without loss."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"nested beyond {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        for item in value.values():
            _carried(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _carried(item, depth + 1)
    elif isinstance(value, int) and abs(value) > _MAX_EXACT:
        raise ValueError("has a number beyond 2^53, which only examples can have")
    return value


Metadata = Annotated[dict[str, Any], AfterValidator(_carried)]


def struct_of(value: dict[str, Any]) -> Struct:
    """A checked JSON object as a Struct."""
    struct = Struct()
    struct.update(value)
    return struct


class Model(BaseModel):
    """A shape; keys it does not know are ignored, as Phoenix does."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Data(Model, Generic[T]):
    """An answer of one thing."""

    data: T


class Page(Model, Generic[T]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None


class Problem(Model):
    """What is not valid, and where."""

    type: str
    loc: list[str | int]
    msg: str


class InvalidRequest(Model):
    """The answer to a request that does not fit its schema; what fits and is wrong is answered by a sentence."""

    detail: list[Problem]


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
    """What to change of a dataset; what is absent stays, and a null description is none."""

    name: str | None = None
    description: str | None = None
    metadata: Metadata | None = None


class DatasetVersion(Model):
    """A version of a dataset, and what it brought, changed, took out and has."""

    version_id: str
    description: str | None
    metadata: dict[str, Any]
    created_at: datetime
    created_count: int
    updated_count: int
    deleted_count: int
    example_count: int


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
    """Examples; `next_cursor` is there when a page was asked for."""

    data: Examples
    next_cursor: str | None = None


class Uploaded(Model):
    """What an upload did."""

    dataset_id: str
    version_id: str
    num_created_examples: int
    num_updated_examples: int
    num_deleted_examples: int


class UploadAnswer(Model):
    """What an upload did."""

    data: Uploaded


class JsonUpload(Model):
    """Examples to upload, as parallel lists."""

    name: str
    action: Literal["create", "append", "update"] = "create"
    description: str | None = None
    inputs: list[dict[str, Any]]
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
    color: str = "#33c5e8"
    metadata: Metadata = Field(default_factory=dict)
    example_ids: list[str] = Field(default_factory=list)


class SplitChange(Model):
    """What to change of a split; what is absent stays, and a null description is none. Adds first, then removes."""

    name: str | None = None
    description: str | None = None
    color: str | None = None
    metadata: Metadata | None = None
    add_example_ids: list[str] = Field(default_factory=list)
    remove_example_ids: list[str] = Field(default_factory=list)


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
    """What to change of a label; null name and color are ignored, and a null description is none."""

    name: Annotated[str, Field(min_length=1)] | None = None
    color: Annotated[str, Field(pattern="^#[0-9a-f]{6}$")] | None = None
    description: str | None = None


class LabelIds(Model):
    """The labels a dataset is to have."""

    dataset_label_ids: list[str]


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


class Session(Model):
    """What one login began."""

    id: str
    created_at: datetime
    refreshed_at: datetime | None
    expires_at: datetime
    user_agent: str
    address: str
    current: bool


class User(Model):
    """A user."""

    id: str
    created_at: datetime
    updated_at: datetime
    email: str
    username: str
    role: Literal["ADMIN", "MEMBER", "VIEWER", "SYSTEM"]
    auth_method: Literal["LOCAL"]
    password_needs_reset: bool


class Anonymous(Model):
    """Nobody: authentication is off."""

    auth_method: Literal["ANONYMOUS"]


class NewUser(Model):
    """A user to create."""

    email: str
    username: str
    role: Literal["ADMIN", "MEMBER", "VIEWER", "SYSTEM"]
    auth_method: Literal["LOCAL"]
    password: str | None = None


class UserCreation(Model):
    """A user to create, and whether to send a mail with a link to set the password."""

    user: NewUser
    send_welcome_email: bool = True


class UserChange(Model):
    """What to change of a user; what is absent stays."""

    username: str | None = None
    role: Literal["ADMIN", "MEMBER", "VIEWER", "SYSTEM"] | None = None
    password: str | None = None


class PasswordChange(Model):
    """The password as it is, and as it is to be."""

    current_password: str
    new_password: str


class AuditEvent(Model):
    """Something done or refused."""

    id: int
    created_at: datetime
    action: str
    allowed: bool
    actor_email: str
    actor_kind: str
    method: str
    reason: str
    address: str
    target_id: str
    request_id: str
    count: int


class Tokens(Model):
    """The tokens of a session, for programs without a cookie jar."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int


class Config(Model):
    """What a client must know before it logs in."""

    authentication_enabled: bool
    version: str
    phoenix_version: str
    login_methods: list[str]
    password_reset_enabled: bool
