"""How requests name datasets, examples and splits, and themselves."""

import hashlib
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from phoenix_grpc.errors import Invalid
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.ids import decode_id, parse_id
from phoenix_grpc.store.datasets.examples import ExampleRef
from phoenix_grpc.store.datasets.references import DatasetRef
from phoenix_grpc.store.datasets.replays import Request, checked_request_id

MAX_ITEMS = 1000


def dataset_ref(request: Any) -> DatasetRef:
    """The dataset that the oneof `dataset` of a request names.

    Raises:
        Invalid: when it names none, or by a malformed id.
    """
    kind = request.WhichOneof("dataset")
    if kind is None:
        raise Invalid("dataset", "name a dataset by dataset_id or name")
    if kind == "dataset_id":
        return DatasetRef(decode_id("Dataset", request.dataset_id, "dataset_id"), None, request.dataset_id)
    name = request.name.strip()
    if not name:
        raise Invalid("name", "must not be empty")
    return DatasetRef(None, name, name)


def example_ref(text: str, field: str) -> ExampleRef:
    """An example, by its id or its external id.

    Raises:
        Invalid: when the text is empty or has a NUL.
    """
    if not text:
        raise Invalid(field, "must not be empty")
    parsed = parse_id(without_nul(text, field))
    if parsed is not None and parsed[0] == "DatasetExample":
        return ExampleRef(parsed[1], None, text)
    return ExampleRef(None, text, text)


def without_nul(text: str, field: str) -> str:
    """The text, which is to be stored: PostgreSQL keeps no NUL.

    Raises:
        Invalid: when it has one.
    """
    if "\0" in text:
        raise Invalid(field, "must not have NUL characters")
    return text


def example_refs(request: Any, field: str) -> list[ExampleRef]:
    """The examples that a repeated field names.

    Raises:
        Invalid: for more than 1000, and for an empty one.
    """
    return [example_ref(text, f"{field}[{index}]") for index, text in enumerate(limited(request, field))]


def limited(request: Any, field: str) -> Sequence[Any]:
    """A repeated field.

    Raises:
        Invalid: for more than 1000 items.
    """
    items: Sequence[Any] = getattr(request, field)
    if len(items) > MAX_ITEMS:
        raise Invalid(field, f"must have {MAX_ITEMS:,} items at most, has {len(items):,}")
    return items


def repeatable(request: Any) -> Request | None:
    """The identity of a request with a request_id, for store.datasets.replays; None without one, or to validate only.

    Raises:
        Invalid: when the request_id is no UUID.
    """
    request_id = checked_request_id(request.request_id)
    if not request_id or getattr(request, "validate_only", False):
        return None
    call = current_call.get()
    return Request(call.principal.name, call.path, request_id, _digest(request))


def _digest(request: Message) -> bytes:
    """A digest of all but the request_id."""
    rest = type(request)()
    rest.CopyFrom(request)
    rest.ClearField("request_id")
    return hashlib.sha256(rest.SerializeToString(deterministic=True)).digest()
