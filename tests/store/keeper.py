"""Shortcuts to the store for tests: records out of small values, uploads in one step, contents of a version."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from phoenix_grpc.formats.canonical import content_hash
from phoenix_grpc.model import Dataset, Record, Row
from phoenix_grpc.store.datasets import examples, in_place, uploads
from phoenix_grpc.store.datasets.examples import ExampleRef, Page
from phoenix_grpc.store.datasets.in_place import InPlace
from phoenix_grpc.store.datasets.publishing import publish
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset
from phoenix_grpc.store.datasets.uploads import Publication, Published
from phoenix_grpc.store.engine import Engine


def named(name: str) -> DatasetRef:
    """A dataset by its name."""
    return DatasetRef(None, name, name)


def numbered(dataset_id: int) -> DatasetRef:
    """A dataset by its id."""
    return DatasetRef(dataset_id, None, str(dataset_id))


def example(example_id: int) -> ExampleRef:
    """An example by its id."""
    return ExampleRef(example_id, None, str(example_id))


def record(
    content: Any, external_id: str | None = None, example_id: int | None = None, splits: Sequence[str] | None = None
) -> Record:
    """A record whose input is {"value": content}."""
    parts = (json.dumps({"value": content}), "{}", "{}")
    names = None if splits is None else json.dumps(list(splits))
    return Record(external_id, example_id, content_hash(*parts), *parts, names)


@dataclass
class Keeper:
    """The store of an engine."""

    engine: Engine

    async def stage(self, records: Sequence[Record], batch: int = 1000) -> int:
        """Stages records; answers the id of the upload."""
        upload_id = await self.engine.stage(uploads.begin_upload)
        for start in range(0, len(records), batch):
            await self.engine.stage(uploads.stage_records, upload_id, start + 1, records[start : start + batch])
        return upload_id

    async def upload(
        self, records: Sequence[Record], action: uploads.Action = "APPEND", name: str = "d", **choices: Any
    ) -> Published:
        """Uploads records: into a new dataset in place, else staged and published."""
        publication = Publication(named(name), action, **choices)
        upload_id, written = await self.write(records, publication)
        if written is None:
            upload_id = await self.stage(records)
        return await self.publish(upload_id, publication, written)

    async def write(
        self, records: Sequence[Record], publication: Publication, batch: int = 1000
    ) -> tuple[int, InPlace | None]:
        """Writes records where they stay, if the dataset is new; returns the id of the upload."""
        upload_id = await self.engine.stage(uploads.begin_upload)
        written = await self.engine.stage(in_place.begin, upload_id, publication)
        for start in range(0, len(records), batch) if written else ():
            assert written
            await in_place.write(self.engine, written, records[start : start + batch])
        return upload_id, written

    async def publish(self, upload_id: int, publication: Publication, written: InPlace | None = None) -> Published:
        """Publishes what is staged, or written."""
        return await publish(self.engine, upload_id, publication, self.engine.write, written)

    async def dataset(self, name: str = "d") -> Dataset:
        """The dataset of this name."""
        return await self.engine.read(find_dataset, named(name))

    async def rows(
        self, dataset_id: int, version_id: int, limit: int = 1000, split_ids: Sequence[int] = ()
    ) -> list[Row]:
        """All rows of a version, read in pages of `limit`."""
        rows: list[Row] = []
        after: int | None = 0
        while after is not None:
            page = await self.engine.read(examples.read_page, dataset_id, version_id, after, limit, split_ids)
            rows += page.rows
            after = page.after
        return rows

    async def contents(self, name: str = "d", version_id: int | None = None, limit: int = 1000) -> list[Any]:
        """The contents of a version (None: the latest) in order of creation."""
        dataset = await self.dataset(name)
        rows = await self.rows(dataset.id, version_id or dataset.latest_version_id, limit)
        return [json.loads(row[2])["value"] for row in rows]

    async def splits(self, name: str = "d") -> dict[Any, tuple[str, ...]]:
        """The splits of each live example that is in any, by content."""
        dataset = await self.dataset(name)
        rows = await self.rows(dataset.id, dataset.latest_version_id)
        _, names = await self.engine.read(examples.read_splits, dataset.id, Page(rows, None))
        return {json.loads(row[2])["value"]: names[row[0]] for row in rows if row[0] in names}
