"""The schemas of requests and responses, for validation and OpenAPI; here those that all resources share."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from phoenix_grpc.structs import MAX_DEPTH, MAX_EXACT

T = TypeVar("T")

PageLimit = Annotated[int, Field(gt=0, description="How many at most.")]
KeyLimit = Annotated[int, Field(gt=0, le=1000, description="How many at most.")]
Cursor = Annotated[str | None, Field(description="The next_cursor of the page before.")]


def _carried(value: Any, depth: int = 0) -> Any:
    """The value, when a Struct carries it without loss."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested beyond {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for item in value.values():
            _carried(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _carried(item, depth + 1)
    elif isinstance(value, int) and abs(value) > MAX_EXACT:
        raise ValueError("has a number beyond 2^53, which only examples can have")
    return value


Metadata = Annotated[dict[str, Any], AfterValidator(_carried)]


class Model(BaseModel):
    """A schema; unknown keys are ignored, as in Phoenix."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class Data(Model, Generic[T]):
    """A response with one object."""

    data: T


class Page(Model, Generic[T]):
    """A page of a list; `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None


class Problem(Model):
    """An invalid field."""

    type: str
    loc: list[str | int]
    msg: str


class InvalidRequest(Model):
    """The response to a request that does not fit its schema; other invalid requests get a sentence."""

    detail: list[Problem]
