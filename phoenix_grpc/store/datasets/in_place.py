"""Uploads into a dataset that does not exist: their records are written where they stay, as they come.

The upload makes the dataset, hidden, and claims it as long as its own lease lasts: nobody waits for what nobody sees.
Should another dataset of the name come into being meanwhile, the records are staged, to be matched with its examples.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from phoenix_grpc.errors import Error, Invalid, InvalidRecord, Unavailable
from phoenix_grpc.model import Dataset, Record, Row, now
from phoenix_grpc.store.datasets import claims, datasets
from phoenix_grpc.store.datasets.matching import Match, Staged, refuse_flaw, refuse_twice, refuse_unmatched
from phoenix_grpc.store.datasets.references import lookup_dataset
from phoenix_grpc.store.datasets.uploads import (
    LEASE_MICROS,
    Publication,
    keep_upload,
    split_names,
    stage_records,
    weight,
)
from phoenix_grpc.store.datasets.writing import WINDOW_WEIGHT, Draft, Wrote, insert_splits, timed
from phoenix_grpc.store.engine import Transaction, numbered
from phoenix_grpc.store.steps import Steps

_NAMES_A_STATEMENT = 1000


@dataclass(slots=True)
class InPlace:
    """What an upload has written into a dataset that it made.

    Arguments:
        field: the field of the request that the records come in, for errors.
        refusal: why nothing more is written; it is for whoever publishes to raise.
        leaves_splits: whether a record said that its example is in no split, of which nothing is kept.
    """

    dataset: Dataset
    draft: Draft
    field: str
    refusal: Error | None = None
    leaves_splits: bool = False


def begin(tx: Transaction, upload_id: int, publication: Publication) -> InPlace | None:
    """Makes the dataset that an upload is for; None when there is one, or there is to be none."""
    name = publication.dataset
    if publication.validate_only or publication.base_version_id or name.id is not None or lookup_dataset(tx, name):
        return None
    dataset = datasets.insert_hidden(tx, name.shown, publication.description, upload_id, LEASE_MICROS)
    version_id = tx.take_ids("DatasetVersion")
    tx.run(
        "UPDATE datasets SET publishing_version = :version WHERE id = :id", {"version": version_id, "id": dataset.id}
    )
    match = Match(Staged(upload_id, 0, 0, 0, 0, 0, 0))
    return InPlace(dataset, Draft(upload_id, dataset.id, version_id, None, 1, match), publication.field)


async def write(steps: Steps, target: InPlace, records: Sequence[Record]) -> None:
    """Writes the next records, in short transactions, and extends the lease of the upload.

    Raises:
        StoreFull: when there is no room for them.
        Unavailable: when the lease is over.
    """
    draft, start = target.draft, 0
    while start < len(records) and target.refusal is None:
        window = _window(records, start, draft.rows)
        try:
            wrote, seconds = await steps.stage(timed, write_window, target, draft.wrote.records + 1, window)
        except (Invalid, InvalidRecord) as refusal:
            target.refusal = refusal
            return
        draft.wrote += wrote
        draft.steps += 1
        draft.adapt(seconds)
        start += len(window)
        target.leaves_splits |= any(record.splits == "[]" for record in window)


def _window(records: Sequence[Record], start: int, limit: int) -> Sequence[Record]:
    """The next records, as many as fit into one transaction."""
    total = 0
    for end in range(start, min(start + limit, len(records))):
        total += weight(records[end])
        if total > WINDOW_WEIGHT:
            return records[start : end + 1]
    return records[start : start + limit]


def write_window(tx: Transaction, target: InPlace, first: int, records: Sequence[Record]) -> Wrote:
    """Writes records in a step of their own.

    Arguments:
        first: the ordinal of the first.

    Raises:
        as `write`; Invalid and InvalidRecord, for a record that no new dataset can have.
    """
    draft = target.draft
    _refuse(tx, target, first, records)
    first_id, moment = tx.take_ids("DatasetExample", len(records)), now()
    tx.append(
        "examples",
        ("dataset_id", "id", "external_id", "span_id"),
        [
            (draft.dataset_id, number, record.external_id, record.span_id)
            for number, record in enumerate(records, first_id)
        ],
    )
    tx.append(
        "revisions",
        ("dataset_id", "example_id", "born", "created_at", "content_hash", "input", "output", "metadata"),
        [
            (draft.dataset_id, number, draft.version_id, moment, *record[2:6])
            for number, record in enumerate(records, first_id)
        ],
    )
    members = _join_splits(tx, draft, first_id, records)
    keep_upload(tx, draft.upload_id)
    tx.require_room()
    claims.renew(tx, draft.dataset_id, draft.upload_id, draft.steps, LEASE_MICROS)
    return Wrote(len(records), len(records), len(records), 0, members)


def _refuse(tx: Transaction, target: InPlace, first: int, records: Sequence[Record]) -> None:
    """Raises for the first record that no new dataset can have."""
    external_ids = set[str]()
    for ordinal, record in enumerate(records, first):
        if record.flaw is not None:
            raise refuse_flaw(record.flaw)
        if record.example_id is not None:
            raise refuse_unmatched(target.field, ordinal, record.example_id)
        if record.external_id is not None:
            if record.external_id in external_ids:
                raise refuse_twice(target.field, ordinal, record.external_id)
            external_ids.add(record.external_id)
    known = _in_parts(
        tx, "external_id", "SELECT external_id, 0 FROM examples WHERE dataset_id = :dataset", target.draft, external_ids
    )
    for ordinal, record in enumerate(records, first) if known else ():
        if record.external_id in known:
            raise refuse_twice(target.field, ordinal, record.external_id)


def _in_parts(tx: Transaction, column: str, query: str, draft: Draft, texts: set[str]) -> dict[str, int]:
    """Rows of a query by text, for those of the texts that there are, a number of them at a time."""
    found = dict[str, int]()
    ordered = sorted(texts)
    for start in range(0, len(ordered), _NAMES_A_STATEMENT):
        marks, params = numbered("text", ordered[start : start + _NAMES_A_STATEMENT])
        found.update(tx.rows(f"{query} AND {column} IN ({marks})", {**params, "dataset": draft.dataset_id}))
    return found


def _join_splits(tx: Transaction, draft: Draft, first_id: int, records: Sequence[Record]) -> Counter[int]:
    """Puts the examples into the splits that their records name; returns how many each split gained."""
    named: dict[str | None, frozenset[str]] = {
        record.splits: split_names(record.splits) for record in records if record.splits is not None
    }
    names = set[str]().union(*named.values())
    if not names:
        return Counter()
    known = _in_parts(tx, "name", "SELECT name, id FROM splits WHERE dataset_id = :dataset", draft, names)
    missing = sorted(names - known.keys())
    known.update(zip(missing, insert_splits(tx, draft, missing), strict=True))
    members = [
        (draft.dataset_id, known[name], number, draft.edition)
        for number, record in enumerate(records, first_id)
        for name in named.get(record.splits, ())
    ]
    tx.append("split_members", ("dataset_id", "split_id", "example_id", "born"), members)
    return Counter(split_id for _, split_id, _, _ in members)


async def stage_again(steps: Steps, target: InPlace) -> None:
    """Stages what was written, so that it is matched with the examples of another dataset.

    Raises:
        Unavailable: when a record would take an example out of its splits, of which nothing was kept.
    """
    if target.leaves_splits:
        raise Unavailable("another upload made the dataset meanwhile; send this one again")
    after, count = 0, 0
    while count < target.draft.wrote.records:
        after, staged = await steps.stage(stage_window, target.draft, after, count + 1)
        if not staged:
            raise Unavailable("records of the upload were lost; send it again")
        count += staged


def stage_window(tx: Transaction, draft: Draft, after: int, first: int) -> tuple[int, int]:
    """Stages the records of the next examples; returns the last of these, and how many they were."""
    params: dict[str, object] = {"dataset": draft.dataset_id, "after": after, "limit": draft.rows}
    rows, total = [], 0
    for row in tx.scan(
        "SELECT e.id, e.external_id, r.content_hash, r.input, r.output, r.metadata, e.span_id FROM examples e"
        " CROSS JOIN revisions r WHERE e.dataset_id = :dataset AND e.id > :after AND r.dataset_id = :dataset"
        " AND r.example_id = e.id ORDER BY e.id LIMIT :limit",
        params,
    ):
        rows.append(row)
        total += sum(map(len, row[3:6]))
        if total > WINDOW_WEIGHT:
            break
    if not rows:
        return after, 0
    names = dict[int, list[str]]()
    for example_id, name in tx.rows(
        "SELECT c.example_id, p.name FROM split_members c CROSS JOIN splits p WHERE c.dataset_id = :dataset"
        " AND c.example_id > :after AND c.example_id <= :last AND p.dataset_id = :dataset AND p.id = c.split_id",
        {**params, "last": rows[-1][0]},
    ):
        names.setdefault(example_id, []).append(name)
    stage_records(tx, draft.upload_id, first, [_record(row, names.get(row[0])) for row in rows])
    return rows[-1][0], len(rows)


def _record(row: Row, names: list[str] | None) -> Record:
    _, external_id, content_hash, input, output, metadata, span_id = row
    splits = msgspec.json.encode(names).decode() if names else None
    return Record(external_id, None, bytes(content_hash), input, output, metadata, splits, span_id)
