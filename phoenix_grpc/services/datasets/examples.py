"""The methods of DatasetsService about examples, but for the two streams."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import msgspec

from phoenix_grpc.errors import Invalid
from phoenix_grpc.formats.canonical import content_hash
from phoenix_grpc.guard.call import current_call
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Record, Row
from phoenix_grpc.services.datasets.messages import changed_message, example_message, revision_message
from phoenix_grpc.services.datasets.methods import DatasetMethods
from phoenix_grpc.services.datasets.references import (
    dataset_ref,
    example_ref,
    example_refs,
    limited,
    without_nul,
)
from phoenix_grpc.services.fields import checked_name, optional_id, optional_text
from phoenix_grpc.services.paging import page, page_position, page_size, page_token
from phoenix_grpc.services.trail import Trail
from phoenix_grpc.store.datasets import changes, examples, splits, versions
from phoenix_grpc.store.datasets.changes import Change, Changed, ExampleUpdate
from phoenix_grpc.store.datasets.examples import ExampleRef, Page, Revision
from phoenix_grpc.store.datasets.heads import read_rows
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset
from phoenix_grpc.store.datasets.versions import Counts
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.structs import struct_to_json
from phoenix_grpc.v1 import datasets_pb2

P = ParamSpec("P")
T = TypeVar("T")

_MAX_CHARS_INLINE = 16 << 10
_MAX_ROWS_INLINE = 50
"""What is converted on the loop, in well under a millisecond: a thread would take longer to begin."""

_PARTS: tuple[Literal["input", "output", "metadata"], ...] = ("input", "output", "metadata")


@dataclass(frozen=True, slots=True)
class _Query:
    """What ListExamples asks for; `version_id` None is the latest."""

    dataset: DatasetRef
    version_id: int | None
    splits: Sequence[str]
    examples: Sequence[ExampleRef]
    after: int
    limit: int


class _Listed(NamedTuple):
    version_id: int
    page: Page
    splits: dict[int, tuple[str, ...]]


class _Found(NamedTuple):
    row: Row | None
    splits: tuple[str, ...]
    example_id: int
    external_id: str | None
    history: list[Revision]


class ExampleMethods(DatasetMethods):
    """Methods that read examples and change a few of them."""

    async def ListExamples(self, request: datasets_pb2.ListExamplesRequest) -> datasets_pb2.ListExamplesResponse:
        size = page_size(request)
        version_id = optional_id("DatasetVersion", request.version_id, "version_id")
        version_id, after = page_position(request, (int, int)) or (version_id, 0)
        ref, asked = dataset_ref(request), example_refs(request, "example_ids")
        while True:
            query = _Query(ref, version_id, limited(request, "splits"), asked, after, size + 1)
            listed = await read_rows(self.engine, ref, _list_examples, query)
            version_id = listed.version_id
            if listed.page.rows or listed.page.after is None:
                return await _converted(_chars(listed.page.rows), _examples_response, request, listed, size)
            after = listed.page.after
            # A read may run inline, and so would a long row of pages without a row.
            await asyncio.sleep(0)

    async def GetExample(self, request: datasets_pb2.GetExampleRequest) -> datasets_pb2.GetExampleResponse:
        version_id = optional_id("DatasetVersion", request.version_id, "version_id")
        name = example_ref(request.example_id, "example_id")
        ref = dataset_ref(request)
        if version_id is None and name.id is not None and not request.with_history:
            found = await self._get_latest(ref, name)
        else:
            found = await self.engine.read(_get_example, ref, name, version_id, request.with_history)
        contents = [found.row or (), *(revision.content or () for revision in found.history)]
        return await _converted(_chars(contents), _example_response, found)

    async def _get_latest(self, ref: DatasetRef, name: ExampleRef) -> _Found:
        latest = await self.engine.read(examples.find_latest, ref, name)
        example_id, external_id = latest.row[:2]
        names: tuple[str, ...] = ()
        if latest.grouped:
            # Splits have no version: they are as they are now, in a read of its own as well.
            names = await self.engine.read(examples.split_names, latest.dataset_id, example_id)
        return _Found(latest.row, names, example_id, external_id, [])

    async def AppendExamples(self, request: datasets_pb2.AppendExamplesRequest) -> datasets_pb2.ChangeExamplesResponse:
        records = await asyncio.to_thread(_records, limited(request, "examples"))
        return await self._change(request, "example.append", changes.append_examples, records)

    async def UpdateExamples(self, request: datasets_pb2.UpdateExamplesRequest) -> datasets_pb2.ChangeExamplesResponse:
        updates = await asyncio.to_thread(_updates, limited(request, "updates"))
        return await self._change(request, "example.update", changes.update_examples, updates)

    async def DeleteExamples(self, request: datasets_pb2.DeleteExamplesRequest) -> datasets_pb2.ChangeExamplesResponse:
        asked = example_refs(request, "example_ids")
        return await self._change(request, "example.delete", changes.delete_examples, asked)

    async def _change(
        self, request: Any, action: str, act: Callable[[Transaction, Change, T], Changed], what: T
    ) -> datasets_pb2.ChangeExamplesResponse:
        change = Change(
            dataset_ref(request),
            current_call.get().principal.user_id,
            optional_text(request, "version_description"),
            optional_id("DatasetVersion", request.base_version_id, "base_version_id"),
            request.validate_only,
        )

        def audited(tx: Transaction, trail: Trail) -> datasets_pb2.ChangeExamplesResponse:
            changed = act(tx, change, what)
            if not change.validate_only:
                counts = Counts(changed.created, changed.updated, changed.deleted)
                trail.add_examples(action, changed.dataset, changed.version, counts)
            return changed_message(changed)

        return await self.write_once(request, datasets_pb2.ChangeExamplesResponse, audited)


def _list_examples(tx: Transaction, query: _Query) -> _Listed:
    dataset = find_dataset(tx, query.dataset)
    version_id = versions.get_version(tx, dataset, query.version_id).id
    split_ids = [split.id for split in splits.find_splits(tx, dataset.id, query.splits)]
    if query.examples:
        found = set(examples.find_examples(tx, dataset.id, query.examples, version_id))
        ids = sorted(example_id for example_id in found if example_id > query.after)
        found_page = examples.read_members(tx, dataset.id, version_id, ids, split_ids, query.limit)
    else:
        found_page = examples.read_page(tx, dataset.id, version_id, query.after, query.limit, split_ids)
    return _Listed(version_id, *examples.read_splits(tx, dataset.id, found_page))


def _examples_response(
    request: datasets_pb2.ListExamplesRequest, listed: _Listed, size: int
) -> datasets_pb2.ListExamplesResponse:
    rows, more = listed.page
    found = page(rows, size, lambda row: example_message(row, listed.splits.get(row[0], ())))
    after = found.last[0] if found.last else more
    return datasets_pb2.ListExamplesResponse(
        examples=found.messages,
        next_page_token="" if after is None else page_token(request, listed.version_id, after),
        version_id=encode_id("DatasetVersion", listed.version_id),
    )


def _get_example(
    tx: Transaction, dataset_name: DatasetRef, name: ExampleRef, version_id: int | None, with_history: bool
) -> _Found:
    dataset = find_dataset(tx, dataset_name)
    version_id = dataset.latest_version_id if version_id is None else versions.get_version(tx, dataset, version_id).id
    example_id = name.id
    if example_id is None or with_history:
        (example_id,) = examples.find_examples(tx, dataset.id, [name], None if with_history else version_id)
    rows = examples.read_some(tx, dataset.id, version_id, [example_id]).rows
    if not rows and not with_history:
        raise examples.example_not_found(name)
    return _Found(
        rows[0] if rows else None,
        examples.split_names(tx, dataset.id, example_id),
        example_id,
        rows[0][1] if rows else name.external_id,
        examples.read_history(tx, dataset.id, example_id, dataset.latest_version_id) if with_history else [],
    )


async def _converted(chars: int, convert: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `convert` returns: a few characters are converted here, many in a thread."""
    if chars <= _MAX_CHARS_INLINE:
        return convert(*args, **kwargs)
    return await asyncio.to_thread(convert, *args, **kwargs)


def _chars(rows: Sequence[Row]) -> int:
    """How many characters rows have, or more than are few."""
    if len(rows) > _MAX_ROWS_INLINE:
        return _MAX_CHARS_INLINE + 1
    return sum(len(value) for row in rows for value in row if isinstance(value, str))


def _example_response(found: _Found) -> datasets_pb2.GetExampleResponse:
    return datasets_pb2.GetExampleResponse(
        example=example_message(found.row, found.splits) if found.row else None,
        history=[revision_message(found.example_id, found.external_id, revision) for revision in found.history],
    )


def _records(items: Sequence[datasets_pb2.NewExample]) -> list[Record]:
    return [_record(item, f"examples[{index}]") for index, item in enumerate(items)]


def _record(item: datasets_pb2.NewExample, field: str) -> Record:
    if not item.HasField("input"):
        raise Invalid(f"{field}.input", "is required")
    _require_fields(item, field)
    parts = (
        struct_to_json(item.input, f"{field}.input"),
        struct_to_json(item.output, f"{field}.output"),
        struct_to_json(item.metadata, f"{field}.metadata"),
    )
    name = example_ref(item.external_id, f"{field}.external_id") if item.external_id else None
    return Record(
        name.external_id if name else None,
        name.id if name else None,
        content_hash(*parts),
        *parts,
        _splits(item, field),
        without_nul(item.source_span_id, f"{field}.source_span_id") or None,
    )


def _updates(items: Sequence[datasets_pb2.ExampleUpdate]) -> list[ExampleUpdate]:
    return [_update(item, f"updates[{index}]") for index, item in enumerate(items)]


def _update(item: datasets_pb2.ExampleUpdate, field: str) -> ExampleUpdate:
    _require_fields(item, field)
    input, output, metadata = (
        struct_to_json(getattr(item, part), f"{field}.{part}") if item.HasField(part) else None for part in _PARTS
    )
    name = example_ref(item.example_id, f"{field}.example_id")
    return ExampleUpdate(name, input, output, metadata, _splits(item, field))


def _require_fields(item: Any, field: str) -> None:
    """Raises Invalid for an input without a field: in some languages, an object that is no Struct arrives so."""
    if item.HasField("input") and not item.input.fields:
        raise Invalid(
            f"{field}.input",
            "has no field; a plain object must be made a Struct (in JavaScript, Struct.fromJavaScript)",
        )


def _splits(item: Any, field: str) -> str | None:
    """The splits an example is to be in, as JSON; None leaves them alone."""
    if not item.HasField("splits"):
        return None
    names = {checked_name(name, f"{field}.splits") for name in limited(item.splits, "names")}
    return msgspec.json.encode(sorted(names)).decode()
