"""The rows of a publication, written a window at a time; see publishing."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from phoenix_grpc.model import Row, now
from phoenix_grpc.store.datasets import claims, splits
from phoenix_grpc.store.datasets.matching import Match, records_lost
from phoenix_grpc.store.datasets.versions import Counts
from phoenix_grpc.store.engine import Transaction

T = TypeVar("T")

WINDOW_ROWS = 2000
MAX_WINDOW_ROWS = 10_000
WINDOW_WEIGHT = 4 << 20
"""How many records one transaction writes, at first and at most, and how much of them (uploads.stage_records)."""

WINDOW_SECONDS = 0.06
"""How long one transaction is to take. The longer the fewer pages are written twice; others wait for it."""


@dataclass(slots=True)
class Wrote:
    """How many rows were written.

    Arguments:
        records: how many staged records it took.
        members: how many examples each split gained, by its id.
    """

    records: int = 0
    revisions: int = 0
    examples: int = 0
    deaths: int = 0
    members: Counter[int] = field(default_factory=Counter)

    def totals(self) -> tuple[int, int]:
        """How many revisions and memberships there are more."""
        return self.revisions, sum(self.members.values())

    def __iadd__(self, other: "Wrote") -> "Wrote":
        self.records += other.records
        self.revisions += other.revisions
        self.examples += other.examples
        self.deaths += other.deaths
        self.members.update(other.members)
        return self


@dataclass(slots=True)
class Draft:
    """A publication that is being written.

    Arguments:
        version_id: of the new version; 0 when only splits change.
        base_id: a record that met nothing becomes the example base_id + ordinal; None when its id is known already.
        edition: of the dataset when it is published.
        rows: how many records, or examples, the next window has.
        steps: how many steps were taken; see claims.renew.
    """

    upload_id: int
    dataset_id: int
    version_id: int
    base_id: int | None
    edition: int
    match: Match
    wrote: Wrote = field(default_factory=Wrote)
    rows: int = field(default_factory=lambda: WINDOW_ROWS)
    steps: int = 0

    def adapt(self, seconds: float) -> None:
        """Makes the next window smaller or larger, after one that took so long."""
        factor = min(2.0, max(0.5, WINDOW_SECONDS / max(seconds, 0.001)))
        self.rows = max(1, min(MAX_WINDOW_ROWS, round(self.rows * factor)))

    def params(self, **more: object) -> dict[str, object]:
        """The parameters that the statements share."""
        return {
            "upload": self.upload_id,
            "dataset": self.dataset_id,
            "version": self.version_id,
            "base": self.base_id,
            "edition": self.edition,
            "now": now(),
            **more,
        }

    def require_complete(self, counts: Counts) -> None:
        """Raises Unavailable when rows are missing: what was staged may be lost when a database server fails."""
        match, wrote = self.match, self.wrote
        written = match.new + match.changed + match.revived
        expected = (match.staged.count, written, match.new, match.changed + counts.deleted)
        if (wrote.records, wrote.revisions, wrote.examples, wrote.deaths) != expected:
            raise records_lost()


def timed(tx: Transaction, step: Callable[..., T], *args: Any) -> tuple[T, float]:
    """What a step returns, and the seconds that it took: others wait so long, and it does not count its own wait."""
    begun = time.monotonic()
    return step(tx, *args), time.monotonic() - begun


def missing_splits(tx: Transaction, draft: Draft) -> list[str]:
    """The splits that records name and the dataset does not have."""
    if not draft.match.staged.with_splits:
        return []
    rows = tx.rows(
        "SELECT name FROM (SELECT DISTINCT w.name AS name FROM staged_splits w WHERE w.upload_id = :upload) AS names"
        " WHERE NOT EXISTS (SELECT 1 FROM splits p WHERE p.dataset_id = :dataset AND p.name = names.name)"
        " ORDER BY name",
        draft.params(),
    )
    return [name for (name,) in rows]


def add_splits(tx: Transaction, draft: Draft, names: Sequence[str]) -> None:
    """Creates splits, hidden until the edition, in a step of their own."""
    claims.require(tx, draft.dataset_id, draft.upload_id)
    insert_splits(tx, draft, names)
    claims.renew(tx, draft.dataset_id, draft.upload_id, draft.steps)


def insert_splits(tx: Transaction, draft: Draft, names: Sequence[str]) -> range:
    """Creates splits, hidden until the edition; returns their ids."""
    if not names:
        return range(0)
    first, moment = tx.take_ids("DatasetSplit", len(names)), now()
    tx.append(
        "splits",
        ("dataset_id", "id", "name", "color", "metadata", "created_at", "updated_at", "example_count", "born"),
        [
            (draft.dataset_id, split_id, name, splits.UPLOADED_COLOR, "{}", moment, moment, 0, draft.edition)
            for split_id, name in enumerate(names, first)
        ],
    )
    return range(first, first + len(names))


def delete_window(tx: Transaction, draft: Draft, after: int) -> tuple[int | None, Wrote]:
    """Marks the next live examples that no record met as deleted; out of the version is out of its splits.

    Arguments:
        after: the last example of the window before.

    Returns where the next window begins, None after the last one.
    """
    claims.require(tx, draft.dataset_id, draft.upload_id)
    live = "FROM revisions WHERE dataset_id = :dataset AND died IS NULL AND example_id > :after"
    params = draft.params(after=after, offset=draft.rows - 1)
    row = tx.row(f"SELECT example_id {live} ORDER BY example_id LIMIT 1 OFFSET :offset", params)
    params["until"] = row[0] if row else None
    where = (
        "dataset_id = :dataset AND died IS NULL AND example_id > :after"
        + (" AND example_id <= :until" if row else "")
        + " AND NOT EXISTS (SELECT 1 FROM upload_matches m"
        + " WHERE m.upload_id = :upload AND m.example_id = {0}.example_id)"
    )
    left = tx.rows(
        f"UPDATE split_members SET died = :edition WHERE {where.format('split_members')} RETURNING split_id", params
    )
    deaths = tx.run(f"UPDATE revisions SET died = :version WHERE {where.format('revisions')}", params)
    claims.renew(tx, draft.dataset_id, draft.upload_id, draft.steps)
    return (row[0] if row else None), Wrote(deaths=deaths, members=_counted(left, -1))


def write_window(tx: Transaction, draft: Draft, start: int) -> tuple[int | None, Wrote]:
    """Writes the next records.

    Arguments:
        start: the ordinal of the first.

    Returns where the next window begins, None after the last one.
    """
    claims.require(tx, draft.dataset_id, draft.upload_id)
    count, last = _next_records(tx, draft, start)
    if not count:
        claims.renew(tx, draft.dataset_id, draft.upload_id, draft.steps)
        return None, Wrote()
    params = draft.params(first=start, last=last)
    wrote = Wrote(count)
    if draft.match.changed:
        wrote.deaths = tx.run(_DEATHS, params)
    if draft.match.changed or draft.match.revived:
        wrote.revisions = tx.run(_CHANGED, params)
    if draft.match.new:
        source = _NEW if draft.match.new < draft.match.staged.count else _ALL
        wrote.examples = tx.run(_EXAMPLES + source, params)
        wrote.revisions += tx.run(_REVISIONS.format(id=":base + s.ordinal") + source, params)
    if draft.match.staged.with_splits:
        wrote.members = _counted(tx.rows(_LEAVING, params), -1)
        wrote.members.update(_counted(tx.rows(_JOINING, params), 1))
    claims.renew(tx, draft.dataset_id, draft.upload_id, draft.steps)
    return (last + 1 if last < draft.match.staged.last_ordinal else None), wrote


def _next_records(tx: Transaction, draft: Draft, start: int) -> tuple[int, int]:
    """How many records the next window has, and the ordinal of the last one."""
    rows = tx.scan(
        "SELECT ordinal, weight FROM staged_examples WHERE upload_id = :upload AND ordinal >= :start"
        " ORDER BY ordinal LIMIT :limit",
        {"upload": draft.upload_id, "start": start, "limit": draft.rows},
    )
    count = last = total = 0
    for count, (last, weight) in enumerate(rows, 1):  # noqa: B007 - the last one is what counts
        total += weight
        if total > WINDOW_WEIGHT:
            break
    return count, last


def _counted(rows: Iterable[Row], sign: int) -> Counter[int]:
    counts = Counter(row[0] for row in rows)
    return Counter({split_id: sign * count for split_id, count in counts.items()})


_WINDOW = "AND s.ordinal >= :first AND s.ordinal <= :last"
_DEATHS = """
    UPDATE revisions SET died = :version WHERE dataset_id = :dataset AND died IS NULL AND example_id IN
    (SELECT m.example_id FROM upload_matches m
        WHERE m.upload_id = :upload AND m.outcome = 1 AND m.ordinal >= :first AND m.ordinal <= :last)
"""
_EXAMPLES = """
    INSERT INTO examples (dataset_id, id, external_id, span_id)
    SELECT :dataset, :base + s.ordinal, s.external_id, s.span_id
"""
_REVISIONS = """
    INSERT INTO revisions (dataset_id, example_id, born, died, created_at, content_hash, input, output, metadata)
    SELECT :dataset, {id}, :version, NULL, :now, s.content_hash, s.input, s.output, s.metadata
"""
_CHANGED = (
    _REVISIONS.format(id="m.example_id")
    + f"""
    FROM upload_matches m CROSS JOIN staged_examples s WHERE m.upload_id = :upload AND m.outcome > 0
    AND m.ordinal >= :first AND m.ordinal <= :last AND s.upload_id = :upload AND s.ordinal = m.ordinal {_WINDOW}
    ORDER BY m.ordinal
"""
)
_ALL = f" FROM staged_examples s WHERE s.upload_id = :upload {_WINDOW} ORDER BY s.ordinal"
_NEW = f"""
    FROM staged_examples s WHERE s.upload_id = :upload {_WINDOW} AND NOT EXISTS
    (SELECT 1 FROM upload_matches m WHERE m.upload_id = :upload AND m.ordinal = s.ordinal) ORDER BY s.ordinal
"""
# Splits that an example is in and its record, which names some, does not name.
_LEAVING = f"""
    UPDATE split_members SET died = :edition WHERE dataset_id = :dataset AND died IS NULL AND example_id IN
    (SELECT m.example_id FROM staged_examples s CROSS JOIN upload_matches m WHERE s.upload_id = :upload {_WINDOW}
        AND s.splits IS NOT NULL AND m.upload_id = :upload AND m.ordinal = s.ordinal)
    AND NOT EXISTS (SELECT 1 FROM upload_matches m CROSS JOIN staged_splits w CROSS JOIN splits p
        WHERE m.upload_id = :upload AND m.example_id = split_members.example_id
        AND w.upload_id = :upload AND w.ordinal = m.ordinal
        AND p.dataset_id = :dataset AND p.name = w.name AND p.id = split_members.split_id)
    RETURNING split_id
"""
# A membership that ended, and was not removed yet, begins anew.
_JOINING = """
    INSERT INTO split_members (dataset_id, split_id, example_id, born)
    SELECT :dataset, p.id, COALESCE(m.example_id, :base + w.ordinal), :edition
    FROM staged_splits w CROSS JOIN splits p
    LEFT JOIN upload_matches m ON m.upload_id = :upload AND m.ordinal = w.ordinal
    WHERE w.upload_id = :upload AND w.ordinal >= :first AND w.ordinal <= :last
    AND p.dataset_id = :dataset AND p.name = w.name
    ON CONFLICT (dataset_id, split_id, example_id) DO UPDATE SET born = excluded.born, died = NULL
    WHERE split_members.died < :edition
    RETURNING split_id
"""
