"""Examples as a version has them: in pages, by name, with their splits and their history."""

import bisect
import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from phoenix_grpc.errors import NotFound, Reason, dataset_not_found
from phoenix_grpc.model import Row
from phoenix_grpc.store.datasets.references import DatasetRef, deleted_meanwhile
from phoenix_grpc.store.engine import Transaction, numbered

PAGE_CHARS = 4 << 20
PAGE_MEMBERSHIPS = 5000
"""Memberships of examples in splits that are read at once: a few milliseconds. One example has 1,000 at most."""
MAX_HISTORY = 1000

_COLUMNS = "e.id, e.external_id, r.input, r.output, r.metadata, e.span_id, r.created_at, r.born"
# The revision of example e that version :version has. Its cost does not depend on how many versions there are.
_AT_VERSION = (
    "r.dataset_id = :dataset AND r.example_id = e.id AND r.born = (SELECT MAX(x.born) FROM revisions x"
    " WHERE x.dataset_id = :dataset AND x.example_id = e.id AND x.born <= :version)"
    " AND (r.died IS NULL OR r.died > :version)"
)
# Memberships as they are now: those that a publication brings or ends count when it is published.
_MEMBER = (
    "{0}.born <= (SELECT d.edition FROM datasets d WHERE d.id = :dataset)"
    " AND ({0}.died IS NULL OR {0}.died > (SELECT d.edition FROM datasets d WHERE d.id = :dataset))"
)
# A revision of example e that any version has; those of a publication under way are of none.
_PUBLISHED = (
    "r.dataset_id = :dataset AND r.example_id = e.id"
    " AND r.born <= (SELECT d.latest_version_id FROM datasets d WHERE d.id = :dataset)"
)
# The edition and the latest version are those of the row of d.
_LATEST = f"""
    SELECT d.id, EXISTS (SELECT 1 FROM split_members c WHERE c.dataset_id = d.id AND c.example_id = e.id
        AND c.born <= d.edition AND (c.died IS NULL OR c.died > d.edition)), {_COLUMNS}
    FROM datasets d LEFT JOIN examples e ON e.dataset_id = d.id AND e.id = :example
    LEFT JOIN revisions r ON r.dataset_id = d.id AND r.example_id = e.id AND r.born =
        (SELECT MAX(x.born) FROM revisions x
        WHERE x.dataset_id = d.id AND x.example_id = e.id AND x.born <= d.latest_version_id)
    AND (r.died IS NULL OR r.died > d.latest_version_id)
    WHERE d.deleted_at IS NULL AND
"""
_WINDOW = 1000


@dataclass(frozen=True, slots=True)
class ExampleRef:
    """How a request names an example: by number or external id; `shown` is what was asked for, for errors."""

    id: int | None
    external_id: str | None
    shown: str


class Page(NamedTuple):
    """Some examples of a version in the order of their creation.

    Arguments:
        rows: (id, external_id, input, output, metadata, span_id, updated_at, born).
        after: where the next page begins; None when this is the last. A page may be short, even empty, before the last.
    """

    rows: list[Row]
    after: int | None


class Latest(NamedTuple):
    """An example as the latest version of its dataset has it.

    Arguments:
        row: as those of a Page.
        grouped: whether it is in any split.
    """

    dataset_id: int
    row: Row
    grouped: bool


class Revision(NamedTuple):
    """What happened to an example in one version.

    Arguments:
        content: (input, output, metadata) from then on; None when it was deleted.
    """

    kind: str  # CREATED, UPDATED or DELETED
    version_id: int
    created_at: int
    content: tuple[str, str, str] | None


def find_latest(tx: Transaction, ref: DatasetRef, name: ExampleRef) -> Latest:
    """An example as the latest version has it: what is read most often, and so by one statement.

    Arguments:
        name: its number.

    Raises:
        NotFound: DATASET_NOT_FOUND, EXAMPLE_NOT_FOUND.
    """
    which = "d.id = :id" if ref.id is not None else "d.name = :name"
    row = tx.row(_LATEST + which, {"id": ref.id, "name": ref.name, "example": name.id})
    if row is None:
        raise dataset_not_found(ref.shown)
    dataset_id, grouped, *columns = row
    if columns[-1] is None:
        raise example_not_found(name)
    return Latest(dataset_id, tuple(columns), bool(grouped))


def read_page(
    tx: Transaction,
    dataset_id: int,
    version_id: int,
    after: int,
    limit: int,
    split_ids: Sequence[int] = (),
    max_chars: int = PAGE_CHARS,
) -> Page:
    """Up to `limit` examples of a version with ids above `after`, in a time that depends on `limit` alone.

    Arguments:
        split_ids: only members of one of these splits; empty means all examples.
        max_chars: of content, after which a page ends early.

    Raises:
        Aborted: DATASET_DELETED, when the dataset was deleted meanwhile.
    """
    settled = _settled_version(tx, dataset_id)
    params = {"dataset": dataset_id, "version": version_id, "after": after, "limit": limit}
    if split_ids:
        ids, more = _members(tx, dataset_id, split_ids, after, limit)
        return read_some(tx, dataset_id, version_id, ids, more, max_chars)
    if version_id == settled:
        rows = tx.scan(
            f"SELECT {_COLUMNS} FROM revisions r CROSS JOIN examples e WHERE r.dataset_id = :dataset"
            " AND r.example_id > :after AND r.died IS NULL AND e.dataset_id = :dataset AND e.id = r.example_id"
            " ORDER BY r.example_id LIMIT :limit",
            params,
            max_chars,
        )
        return _page(rows, limit, None, max_chars)
    return _older_page(tx, params, max(limit, _WINDOW), max_chars)


def _settled_version(tx: Transaction, dataset_id: int) -> int | None:
    """The latest version, when no publication is writing beside it; only then do live revisions make it up."""
    row = tx.row(
        "SELECT latest_version_id, publishing FROM datasets WHERE id = :id AND deleted_at IS NULL", {"id": dataset_id}
    )
    if row is None:
        raise deleted_meanwhile()
    return None if row[1] is not None else int(row[0])


def _older_page(tx: Transaction, params: dict[str, int], window: int, max_chars: int) -> Page:
    """A page out of the next `window` examples, dead or alive: any number of dead ones may lie in a row."""
    row = tx.row(
        "SELECT id FROM examples WHERE dataset_id = :dataset AND id > :after ORDER BY id LIMIT 1 OFFSET :window",
        {**params, "window": window - 1},
    )
    until = " AND e.id <= :until" if row else ""
    rows = tx.scan(
        f"SELECT {_COLUMNS} FROM examples e CROSS JOIN revisions r WHERE e.dataset_id = :dataset"
        f" AND e.id > :after{until} AND {_AT_VERSION} ORDER BY e.id LIMIT :limit",
        {**params, "until": row[0] if row else None},
        max_chars,
    )
    return _page(rows, params["limit"], row[0] if row else None, max_chars)


def _page(rows: Iterable[Row], limit: int, rest: int | None, max_chars: int) -> Page:
    """A page of the rows that fit; `rest` is where more examples may be when all of them fit."""
    found: list[Row] = []
    chars = 0
    for row in rows:
        found.append(row)
        chars += len(row[2]) + len(row[3]) + len(row[4])
        if chars > max_chars:
            return Page(found, row[0])
    return Page(found, found[-1][0] if len(found) == limit else rest)


def _members(
    tx: Transaction, dataset_id: int, split_ids: Collection[int], after: int, limit: int
) -> tuple[list[int], bool]:
    """The next members of any of the splits: merged as they are read, up to a bound. And whether there may be more."""
    merged = heapq.merge(
        *(
            tx.scan(
                "SELECT example_id FROM split_members WHERE dataset_id = :dataset AND split_id = :split"
                f" AND example_id > :after AND {_MEMBER.format('split_members')} ORDER BY example_id LIMIT :limit",
                {"dataset": dataset_id, "split": split_id, "after": after, "limit": limit},
            )
            for split_id in set(split_ids)
        )
    )
    members: dict[int, None] = {}
    for count, (example_id,) in enumerate(merged, 1):
        members[example_id] = None
        if len(members) == limit or count >= PAGE_MEMBERSHIPS:
            return list(members), True
    return list(members), False


def read_some(
    tx: Transaction,
    dataset_id: int,
    version_id: int,
    ids: Sequence[int],
    more: bool = False,
    max_chars: int = PAGE_CHARS,
) -> Page:
    """Those of these examples that the version has, in order of their ids.

    Arguments:
        ids: ascending.
        more: whether there are others after these.
    """
    marks, params = numbered("id", ids)
    values = {**params, "dataset": dataset_id, "version": version_id}
    query = (
        f"SELECT {_COLUMNS} FROM examples e CROSS JOIN revisions r WHERE e.dataset_id = :dataset"
        f" AND e.id IN ({marks}) AND {_AT_VERSION} ORDER BY e.id"
    )
    # One is read at once, whatever its size.
    rows = tx.rows(query, values) if len(ids) == 1 else tx.scan(query, values, max_chars)
    return _page(rows, len(ids) + 1, ids[-1] if more else None, max_chars)


def example_not_found(ref: ExampleRef) -> NotFound:
    """The dataset, or the version asked for, does not have the example."""
    return NotFound("DatasetExample", ref.shown, Reason.EXAMPLE_NOT_FOUND)


def find_examples(tx: Transaction, dataset_id: int, names: Sequence[ExampleRef], version_id: int | None) -> list[int]:
    """The numbers of examples, in the order of their names.

    Arguments:
        names: 1000 at most.
        version_id: the version that must have them; None when it is enough that some version has.

    Raises:
        NotFound: EXAMPLE_NOT_FOUND, for the first that is missing.
    """
    marks, params = numbered("name", {name.external_id for name in names if name.external_id is not None})
    values = {**params, "dataset": dataset_id, "version": version_id}
    numbers: dict[str | None, int] = dict(
        tx.rows(
            f"SELECT external_id, id FROM examples WHERE dataset_id = :dataset AND external_id IN ({marks})",
            values,
        )
    )
    found = [numbers.get(name.external_id) if name.id is None else name.id for name in names]
    marks, params = numbered("id", {number for number in found if number is not None})
    some_revision = _AT_VERSION if version_id is not None else _PUBLISHED
    held = (
        f"SELECT e.id FROM examples e WHERE e.dataset_id = :dataset AND e.id IN ({marks})"
        f" AND EXISTS (SELECT 1 FROM revisions r WHERE {some_revision})"
    )
    known = {number for (number,) in tx.rows(held, {**values, **params})}
    for name, number in zip(names, found, strict=True):
        if number not in known:
            raise example_not_found(name)
    return [number for number in found if number is not None]


def read_members(
    tx: Transaction, dataset_id: int, version_id: int, ids: Sequence[int], split_ids: Collection[int], limit: int
) -> Page:
    """Up to `limit` of these examples; with splits, of those that are in one of them.

    Arguments:
        ids: ascending.
        split_ids: empty means all examples.
    """
    asked = ids[:limit]
    if split_ids:
        asked = asked[: max(1, PAGE_MEMBERSHIPS // len(split_ids))]
        found = read_some(tx, dataset_id, version_id, _members_among(tx, dataset_id, split_ids, asked))
    else:
        found = read_some(tx, dataset_id, version_id, asked)
    return found if len(asked) == len(ids) or found.after else Page(found.rows, asked[-1])


def _members_among(tx: Transaction, dataset_id: int, split_ids: Collection[int], ids: Sequence[int]) -> list[int]:
    split_marks, split_params = numbered("split", split_ids)
    marks, params = numbered("id", ids)
    rows = tx.rows(
        f"SELECT DISTINCT example_id FROM split_members WHERE dataset_id = :dataset AND example_id IN ({marks})"
        f" AND split_id IN ({split_marks}) AND {_MEMBER.format('split_members')} ORDER BY example_id",
        {**params, **split_params, "dataset": dataset_id},
    )
    return [example_id for (example_id,) in rows]


def read_splits(tx: Transaction, dataset_id: int, page: Page) -> tuple[Page, dict[int, tuple[str, ...]]]:
    """The page, and the names of the splits, sorted, of each of its examples that is in any.

    The page ends early where its examples are in more than 5,000 together.
    """
    if not page.rows:
        return page, {}
    ids = [row[0] for row in page.rows]
    found = _memberships(tx, dataset_id, ids, PAGE_MEMBERSHIPS)
    if len(found) == PAGE_MEMBERSHIPS:
        # The last one may be in more; nothing is known of those behind it.
        kept = max(1, bisect.bisect_left(ids, found[-1][0]))
        found = [row for row in found if row[0] <= ids[kept - 1]]
        page = Page(page.rows[:kept], ids[kept - 1])
    return page, _names_by_example(found)


def split_names(tx: Transaction, dataset_id: int, example_id: int) -> tuple[str, ...]:
    """The names of the splits that an example is in, sorted."""
    return _names_by_example(_memberships(tx, dataset_id, [example_id], PAGE_MEMBERSHIPS)).get(example_id, ())


def _memberships(tx: Transaction, dataset_id: int, ids: Sequence[int], limit: int) -> list[Row]:
    """The first memberships of these examples, in their order: (example_id, name of the split)."""
    params: dict[str, object]
    if ids[-1] - ids[0] < 2 * len(ids):
        which, params = "c.example_id >= :first AND c.example_id <= :last", {"first": ids[0], "last": ids[-1]}
    else:  # few examples of a wide range
        marks, params = numbered("id", ids)
        which = f"c.example_id IN ({marks})"
    return tx.rows(
        "SELECT c.example_id, p.name FROM split_members c CROSS JOIN splits p WHERE c.dataset_id = :dataset"
        f" AND {which} AND {_MEMBER.format('c')} AND p.dataset_id = :dataset AND p.id = c.split_id"
        " ORDER BY c.example_id LIMIT :limit",
        {**params, "dataset": dataset_id, "limit": limit},
    )


def _names_by_example(rows: Iterable[Row]) -> dict[int, tuple[str, ...]]:
    names: dict[int, list[str]] = {}
    for example_id, name in rows:
        names.setdefault(example_id, []).append(name)
    return {example_id: tuple(sorted(found)) for example_id, found in names.items()}


def read_history(tx: Transaction, dataset_id: int, example_id: int, latest: int) -> list[Revision]:
    """The latest revisions of an example, newest first: 1000 of them, or 4 Mi characters of content.

    Arguments:
        latest: the latest version of the dataset.
    """
    rows = tx.scan(
        "SELECT r.born, r.died, r.created_at, r.input, r.output, r.metadata, (SELECT v.created_at FROM versions v"
        " WHERE v.dataset_id = :dataset AND v.id = r.died), (SELECT MAX(p.died) FROM revisions p"
        " WHERE p.dataset_id = :dataset AND p.example_id = :example AND p.born < r.born) FROM revisions r"
        " WHERE r.dataset_id = :dataset AND r.example_id = :example AND r.born <= :latest ORDER BY r.born DESC",
        {"dataset": dataset_id, "example": example_id, "latest": latest},
    )
    history: list[Revision] = []
    chars, next_born = 0, None
    for born, died, created_at, *content, died_at, replaced in rows:
        if died is not None and died <= latest and died != next_born:
            history.append(Revision("DELETED", died, died_at, None))
        history.append(Revision("UPDATED" if replaced == born else "CREATED", born, created_at, (*content,)))
        next_born = born
        chars += sum(map(len, content))
        if chars > PAGE_CHARS or len(history) >= MAX_HISTORY:
            break
    return history[:MAX_HISTORY]
