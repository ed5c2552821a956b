"""Publishing an upload: its records become a version of a dataset, all or nothing, and nobody waits for it meanwhile.

The dataset is claimed, the staged records are matched with its examples, and rows are written in short transactions:
revisions that a version above the latest brings, marks of those that it ends. No read takes them into account. One
short transaction at the end makes the version the latest. What a publisher that dies has written is undone.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from phoenix_grpc.beside import beside
from phoenix_grpc.errors import Aborted, AlreadyExists, Error, Invalid, Reason, Unavailable
from phoenix_grpc.model import Dataset, now
from phoenix_grpc.store.datasets import claims, datasets, in_place, matching, splits, versions
from phoenix_grpc.store.datasets.claims import DatasetBusy
from phoenix_grpc.store.datasets.in_place import InPlace
from phoenix_grpc.store.datasets.references import deleted_meanwhile, get_dataset, lookup_dataset
from phoenix_grpc.store.datasets.uploads import Publication, Published, find_target, keep_upload
from phoenix_grpc.store.datasets.writing import (
    WINDOW_ROWS,
    Draft,
    Wrote,
    add_splits,
    delete_window,
    missing_splits,
    timed,
    write_window,
)
from phoenix_grpc.store.engine import Engine, Transaction
from phoenix_grpc.store.steps import Steps, Within, take

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
"""How long a change waits for publications into the same dataset."""

_HEARTBEAT_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class Prepared:
    """A publication that is written and not seen yet.

    Arguments:
        dataset: as it was when it was claimed; None for validate_only when it would be created.
        is_new: whether the dataset is created.
        draft: what was written; None for validate_only.
    """

    upload_id: int
    publication: Publication
    dataset: Dataset | None
    is_new: bool
    match: matching.Match
    counts: versions.Counts
    draft: Draft | None = None
    moved: Counter[int] = field(default_factory=Counter)


class _DatasetAppeared(Exception):
    """A dataset that was to be created has come into being meanwhile."""


Finish = Callable[[Transaction], Published]


async def publish(
    engine: Engine,
    upload_id: int,
    publication: Publication,
    end: Callable[[Finish], Awaitable[T]],
    written: InPlace | None = None,
) -> T:
    """Publishes an upload; returns what `end` returned.

    Arguments:
        written: what of it is in its place already; then nothing is staged.
        end: runs a write transaction that calls the function it is given, which ends the publication. When it does not
            call it, because the request is a repeated one, nothing is published.

    Raises:
        as `publish_at_once`; DatasetBusy, when publications into the dataset go on for longer than two minutes.
    """
    while True:
        try:
            return await _publish(engine, upload_id, publication, end, written)
        except _DatasetAppeared:
            written = None


async def _publish(
    engine: Engine,
    upload_id: int,
    publication: Publication,
    end: Callable[[Finish], Awaitable[T]],
    written: InPlace | None,
) -> T:
    ended = False

    def finished(tx: Transaction) -> Published:
        nonlocal ended
        published = finish(tx, prepared)
        ended = True
        return published

    try:
        async with _beating(engine, upload_id):
            if written is None:
                prepared = await unclaimed(engine, lambda: prepare(engine, upload_id, publication))
            else:
                prepared = await _prepare_written(engine, upload_id, publication, written)
            try:
                result = await end(finished)
            except _DatasetAppeared:
                if written is not None:
                    await in_place.stage_again(engine, written)
                raise
    except BaseException:
        # Whatever happened, a claim that is still there is one of a publication that did not end.
        await asyncio.shield(abandon(engine, upload_id))
        raise
    if not ended:
        await abandon(engine, upload_id)
    return result


async def abandon(engine: Engine, upload_id: int) -> None:
    """Undoes a publication. When the store fails, the end of the claim's time leads to the same."""
    with contextlib.suppress(Error):
        for dataset_id in await engine.stage(claims.claimed_by, upload_id):
            await claims.undo(engine, dataset_id, upload_id)


@contextlib.asynccontextmanager
async def _beating(engine: Engine, upload_id: int) -> AsyncIterator[None]:
    """Renews the claim of an upload, and its lease, until the block ends: some steps take long."""

    def beat(tx: Transaction) -> None:
        claims.renew_all(tx, upload_id)
        keep_upload(tx, upload_id)

    async def beats() -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            with contextlib.suppress(Error):
                await engine.stage(beat)

    async with beside(beats()):
        yield


async def unclaimed(engine: Engine, act: Callable[[], Awaitable[T]]) -> T:
    """The result of a change, which waits for publications into its dataset to end.

    Raises:
        DatasetBusy: when they go on for longer than two minutes.
    """
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while True:
        try:
            return await act()
        except DatasetBusy as busy:
            if asyncio.get_running_loop().time() > deadline:
                raise
            if busy.dead:
                # Somebody else may have begun to undo it, or the dataset may be gone: the next try tells.
                with contextlib.suppress(Aborted, Unavailable):
                    await claims.undo(engine, busy.dataset_id)
            await asyncio.sleep(random.uniform(0.01, _LONGEST_PAUSE_SECONDS))  # noqa: S311 - no secret


def publish_at_once(tx: Transaction, upload_id: int, publication: Publication) -> Published:
    """Publishes a small upload within a transaction: matches its records with the dataset and makes them a version.

    When nothing is created, changed or deleted there is no new version. The upload is over afterwards.

    Raises:
        NotFound: for a dataset named by id.
        AlreadyExists: when CREATE names a dataset that exists.
        Aborted: VERSION_MOVED, when the base version is not the latest.
        Invalid: INVALID_RECORD, when an example is addressed twice, or is none of the dataset's; or for an UPDATE
            without a record.
        StoreFull: when there is no room to write what was staged.
        Unavailable: when the lease is over, or staged records were lost.
        DatasetBusy: when another publication into the dataset is under way.
    """
    return finish(tx, take(prepare(Within(tx), upload_id, publication)))


async def prepare(steps: Steps, upload_id: int, publication: Publication) -> Prepared:
    """Claims the dataset, matches the records, and writes them where nobody sees them yet.

    Raises:
        as `publish_at_once`.
    """
    dataset = await steps.stage(_claim, upload_id, publication)
    staged = await steps.read_long(matching.survey, upload_id)
    _require_records(publication, staged.count)
    known = dataset.id if dataset and not publication.all_new else None
    if staged.count > matching.MANY:
        await steps.stage(matching.expect_staged, staged)
    if dataset and known and dataset.example_count > matching.MANY:
        await steps.stage(_expect_rows, known, dataset.example_count)
    match = await matching.match(steps, staged, known, publication.field)
    deleted = dataset.example_count - match.same - match.changed if dataset and publication.action == "UPDATE" else 0
    counts = versions.Counts(match.created, match.changed, deleted)
    prepared = Prepared(upload_id, publication, dataset, dataset is None, match, counts)
    if not publication.validate_only and (prepared.is_new or match.regrouped or any(counts)):
        await _write(steps, prepared)
    return prepared


async def _prepare_written(steps: Steps, upload_id: int, publication: Publication, written: InPlace) -> Prepared:
    """As `prepare`, of what is in its place already."""
    if written.refusal is not None:
        raise written.refusal
    draft = written.draft
    count = draft.wrote.records
    _require_records(publication, count)
    draft.match = matching.Match(matching.Staged(upload_id, count, count, 0, 0, 0, 0))
    await _expect_written(steps, draft)
    return Prepared(upload_id, publication, written.dataset, True, draft.match, versions.Counts(count, 0, 0), draft)


def _require_records(publication: Publication, count: int) -> None:
    if publication.action == "UPDATE" and not count and not publication.allow_empty:
        raise Invalid(publication.field, "no record came, and this would delete every example; allow_empty allows it")


def _claim(tx: Transaction, upload_id: int, publication: Publication) -> Dataset | None:
    tx.require_room(keep_upload(tx, upload_id))
    dataset = find_target(tx, publication)
    if dataset is None:
        return None
    claims.claim(tx, dataset.id, upload_id)
    # Once more: it may have changed before it was claimed, even its name.
    dataset = get_dataset(tx, dataset.id)
    versions.require_base(dataset, publication.base_version_id)
    return dataset


async def _write(steps: Steps, prepared: Prepared) -> None:
    draft = prepared.draft = await steps.stage(_begin, prepared)
    names = await steps.read_long(missing_splits, draft)
    for start in range(0, len(names), WINDOW_ROWS):
        await steps.stage(add_splits, draft, names[start : start + WINDOW_ROWS])
        draft.steps += 1
    if prepared.counts.deleted:
        await _write_windows(steps, draft, delete_window, 0)
    await _write_windows(steps, draft, write_window, 1)
    await _expect_written(steps, draft)


async def _expect_written(steps: Steps, draft: Draft) -> None:
    if sum(draft.wrote.totals()) > matching.MANY:
        await steps.stage(_expect_rows, draft.dataset_id, *draft.wrote.totals())


def _expect_rows(tx: Transaction, dataset_id: int, live: int, members: int = 0) -> None:
    """Prepares the store for statements about a dataset of so many live examples, and memberships in splits."""
    params = {"dataset": dataset_id}
    grouped = tx.one("SELECT COALESCE(SUM(example_count), 0) FROM splits WHERE dataset_id = :dataset", params)[0]
    members = max(members, int(grouped))
    columns = ("dataset_id", "example_id", "born", "died")
    if live > matching.MANY:
        live_ones = "dataset_id = :dataset AND died IS NULL"
        tx.expect(live, "revisions", (*columns, "content_hash"), live_ones, params)
        tx.expect(live, "examples", ("dataset_id", "id", "external_id"), "dataset_id = :dataset", params)
    if members > matching.MANY:
        tx.expect(members, "split_members", (*columns, "split_id"), "dataset_id = :dataset", params)


async def _write_windows(
    steps: Steps, draft: Draft, write: Callable[[Transaction, Draft, int], tuple[int | None, Wrote]], start: int
) -> None:
    place: int | None = start
    expected = (matching.MANY, 0)
    while place is not None:
        (place, wrote), seconds = await steps.stage(timed, write, draft, place)
        draft.steps += 1
        draft.adapt(seconds)
        draft.wrote += wrote
        if sum(draft.wrote.totals()) > 2 * sum(expected):
            expected = draft.wrote.totals()
            await steps.stage(_expect_rows, draft.dataset_id, *expected)


def _begin(tx: Transaction, prepared: Prepared) -> Draft:
    """Creates what is missing, hidden, and takes the numbers."""
    dataset = prepared.dataset
    # It is still new when this runs again because the database failed meanwhile.
    if dataset is None or prepared.is_new:
        name = prepared.publication.dataset.shown
        dataset = datasets.insert_hidden(tx, name, prepared.publication.description, prepared.upload_id)
        prepared.dataset = dataset
    else:
        claims.renew(tx, dataset.id, prepared.upload_id, 0)
    # A number taken now is above those of all versions that the dataset has.
    makes_version = prepared.is_new or any(prepared.counts)
    version_id = tx.take_ids("DatasetVersion") if makes_version else 0
    row = tx.one(
        "UPDATE datasets SET publishing_version = :version WHERE id = :id RETURNING edition",
        {"id": dataset.id, "version": version_id},
    )
    base_id = tx.take_ids("DatasetExample", prepared.match.staged.last_ordinal) - 1 if prepared.match.new else 0
    taken = 0 if prepared.is_new else 1
    return Draft(prepared.upload_id, dataset.id, version_id, base_id, row[0] + 1, prepared.match, steps=taken)


def finish(tx: Transaction, prepared: Prepared) -> Published:
    """Makes a prepared publication the latest version of its dataset; the upload is over.

    Raises:
        as `publish_at_once`.
    """
    keep_upload(tx, prepared.upload_id, 0)
    if prepared.publication.validate_only:
        return _foreseen(tx, prepared)
    dataset = prepared.dataset
    if dataset is None:
        raise deleted_meanwhile()
    if prepared.is_new:
        _reveal(tx, prepared, dataset)
    else:
        claims.renew(tx, dataset.id, prepared.upload_id, prepared.draft.steps if prepared.draft else 0)
        versions.require_base(get_dataset(tx, dataset.id), prepared.publication.base_version_id)
    draft, counts = prepared.draft, prepared.counts
    base_id = None
    if draft is not None:
        draft.require_complete(counts)
        base_id = draft.base_id if prepared.match.new else None
        if draft.version_id:
            author, description = prepared.publication.author, prepared.publication.version_description
            versions.add_version(tx, dataset, draft.version_id, counts, author, description)
        else:
            datasets.touch(tx, dataset.id)
        splits.move_counts(tx, dataset.id, draft.wrote.members)
    tx.run(
        "UPDATE datasets SET publishing = NULL, publishing_version = NULL, edition = edition + :raised,"
        " generation = generation + 1 WHERE id = :id",
        {"id": dataset.id, "raised": int(draft is not None)},
    )
    latest = get_dataset(tx, dataset.id)
    version = versions.get_version(tx, latest, None)
    updated = counts.updated + prepared.match.regrouped
    return Published(latest, version, counts.created, updated, counts.deleted, base_id, prepared.is_new)


def _reveal(tx: Transaction, prepared: Prepared, dataset: Dataset) -> None:
    name = prepared.publication.dataset
    if lookup_dataset(tx, name):
        if prepared.publication.action == "CREATE":
            raise AlreadyExists("Dataset", name.shown, Reason.DATASET_EXISTS)
        raise _DatasetAppeared
    revealed = tx.run(
        "UPDATE datasets SET deleted_at = NULL, created_at = :now WHERE id = :id AND publishing = :upload"
        " AND publishing_step = :steps",
        {
            "id": dataset.id,
            "upload": prepared.upload_id,
            "now": now(),
            "steps": prepared.draft.steps if prepared.draft else 0,
        },
    )
    if not revealed:
        raise Unavailable("publishing was interrupted for too long; send the upload again")


def _foreseen(tx: Transaction, prepared: Prepared) -> Published:
    """What the publication would do; its claim ends."""
    counts, dataset = prepared.counts, prepared.dataset
    if dataset is None:
        moment, publication = now(), prepared.publication
        shown = publication.dataset.shown
        dataset = Dataset(0, shown, publication.description, "{}", moment, moment, 0, 0, counts.created)
        return Published(dataset, None, counts.created, 0, 0)
    tx.run(
        "UPDATE datasets SET publishing = NULL WHERE id = :id AND publishing = :upload",
        {"id": dataset.id, "upload": prepared.upload_id},
    )
    latest = versions.get_version(tx, get_dataset(tx, dataset.id), None)
    return Published(dataset, latest, counts.created, counts.updated + prepared.match.regrouped, counts.deleted)
