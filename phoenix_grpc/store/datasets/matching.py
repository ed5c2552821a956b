"""How the staged records of an upload meet the examples of a dataset: in SQL, however many they are.

The dataset is claimed meanwhile (claims), so what a step finds stays true. SQLite reads the tables of a CROSS
JOIN in the order in which they stand (PostgreSQL plans as it likes): the staged records lead, so that a few of them do
not cost a scan of a big dataset.
"""

from dataclasses import dataclass

import msgspec

from phoenix_grpc.errors import Invalid, InvalidRecord, Reason, Unavailable
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Flaw
from phoenix_grpc.store.engine import Params, Transaction
from phoenix_grpc.store.steps import Steps

MANY = 100
"""So few rows do not need a good plan."""

SAME, CHANGED, REVIVED = 0, 1, 2
"""Outcomes of a match: equal content; other content; the example was deleted and comes back."""

# An example that meets a record by its id; `live` is its live revision, if it has one.
_MATCH_BY_ID = """
    SELECT s.upload_id, s.ordinal, e.id,
        CASE WHEN live.content_hash IS NULL THEN 2 WHEN live.content_hash = s.content_hash THEN 0
        WHEN s.flaw IS NOT NULL AND live.input = s.input AND live.output = s.output AND live.metadata = s.metadata
        THEN 0 ELSE 1 END
    FROM staged_examples s CROSS JOIN examples e
    LEFT JOIN revisions live ON live.dataset_id = :dataset AND live.example_id = e.id AND live.died IS NULL
    WHERE s.upload_id = :upload AND e.dataset_id = :dataset AND {same_id}
"""
_BY_EXTERNAL_ID = _MATCH_BY_ID.format(same_id="s.external_id IS NOT NULL AND e.external_id = s.external_id")
_BY_EXAMPLE_ID = _MATCH_BY_ID.format(
    same_id="s.example_id IS NOT NULL AND e.id = s.example_id AND live.content_hash IS NOT NULL"
)

# Whether any record without an id may meet an example: when all are new, as in most appends, probing each once costs a
# third of what ranking them would; when not, a match soon ends it.
_ANY_BY_CONTENT = """
    SELECT 1 FROM staged_examples s WHERE s.upload_id = :upload AND s.external_id IS NULL AND s.example_id IS NULL
    AND EXISTS (SELECT 1 FROM revisions live
        WHERE live.dataset_id = :dataset AND live.content_hash = s.content_hash AND live.died IS NULL)
    LIMIT 1
"""

# The k-th record without an id meets the k-th live example of equal content that no id met. The sides are grouped, not
# joined: one sort, where a join without an index would compare each with each. Matches are written in the order of
# their keys, not in that of the hashes, which is worth a sort.
_BY_CONTENT = """
    WITH ranked AS MATERIALIZED (
        SELECT ordinal, content_hash, ROW_NUMBER() OVER (PARTITION BY content_hash ORDER BY ordinal) AS k
        FROM staged_examples WHERE upload_id = :upload AND external_id IS NULL AND example_id IS NULL
    ), free AS MATERIALIZED (
        SELECT live.content_hash, live.example_id,
            ROW_NUMBER() OVER (PARTITION BY live.content_hash ORDER BY live.example_id) AS k
        FROM ranked CROSS JOIN revisions live
        WHERE ranked.k = 1 AND live.dataset_id = :dataset AND live.content_hash = ranked.content_hash
            AND live.died IS NULL AND NOT EXISTS (
                SELECT 1 FROM upload_matches m WHERE m.upload_id = :upload AND m.example_id = live.example_id)
    )
    SELECT :upload, MAX(ordinal), MAX(example_id), 0 FROM (
        SELECT content_hash, k, ordinal, NULL AS example_id FROM ranked
        UNION ALL SELECT content_hash, k, NULL, example_id FROM free
    ) AS sides GROUP BY content_hash, k HAVING COUNT(*) = 2 ORDER BY MAX(ordinal)
"""

# Splits that a record names and its example is not in, and splits that its example is in and the record does not name.
_ENTERS = """
    SELECT 1 FROM staged_splits w WHERE w.upload_id = :upload AND w.ordinal = m.ordinal AND NOT EXISTS (
        SELECT 1 FROM splits p CROSS JOIN split_members c WHERE p.dataset_id = :dataset AND p.name = w.name
        AND c.dataset_id = :dataset AND c.split_id = p.id AND c.example_id = m.example_id AND c.died IS NULL)
"""
_LEAVES = """
    SELECT 1 FROM split_members c CROSS JOIN splits p WHERE c.dataset_id = :dataset AND c.example_id = m.example_id
    AND c.died IS NULL AND p.dataset_id = :dataset AND p.id = c.split_id AND NOT EXISTS (
        SELECT 1 FROM staged_splits w WHERE w.upload_id = :upload AND w.ordinal = m.ordinal AND w.name = p.name)
"""


@dataclass(frozen=True, slots=True)
class Staged:
    """What an upload has staged: how many records, and how many of them have which columns."""

    upload_id: int
    count: int
    last_ordinal: int
    with_external_id: int
    with_example_id: int
    with_splits: int
    flawed: int


@dataclass(frozen=True, slots=True)
class Match:
    """How many records met an example, by outcome; `regrouped` of the same ones change their splits."""

    staged: Staged
    same: int = 0
    changed: int = 0
    revived: int = 0
    regrouped: int = 0

    @property
    def new(self) -> int:
        """How many records met no example."""
        return self.staged.count - self.same - self.changed - self.revived

    @property
    def created(self) -> int:
        """How many examples come, or come back."""
        return self.new + self.revived


def survey(tx: Transaction, upload_id: int) -> Staged:
    """What the upload has staged.

    Raises:
        Unavailable: when some of it was lost.
    """
    row = tx.one(
        "SELECT COUNT(*), COALESCE(MAX(ordinal), 0), COUNT(external_id), COUNT(example_id), COUNT(splits),"
        " COUNT(flaw) FROM staged_examples WHERE upload_id = :upload",
        {"upload": upload_id},
    )
    staged = Staged(upload_id, *row)
    if tx.one("SELECT record_count FROM uploads WHERE id = :upload", {"upload": upload_id})[0] != staged.count:
        raise records_lost()
    return staged


def records_lost() -> Unavailable:
    """The tables of what is staged are not logged on PostgreSQL: a server that fails empties them."""
    return Unavailable("records of the upload were lost; send it again")


def expect_staged(tx: Transaction, staged: Staged) -> None:
    """Prepares the store for statements about what is staged."""
    params, where = {"upload": staged.upload_id}, "upload_id = :upload"
    if staged.count:
        tx.expect(staged.count, "staged_examples", ("upload_id", "ordinal", "external_id", "example_id"), where, params)
    if staged.with_splits:
        tx.expect(staged.with_splits, "staged_splits", ("upload_id", "ordinal"), where, params)


_MATCHES = ("upload_id", "ordinal", "example_id", "outcome")


async def match(steps: Steps, staged: Staged, dataset_id: int | None, field: str) -> Match:
    """Matches the records with the examples; the matches are kept in upload_matches.

    Arguments:
        dataset_id: None when the dataset is to be created.
        field: the field of the request that the records came in, for errors.

    Raises:
        Invalid: INVALID_RECORD, when an example is addressed twice, or is none of the dataset's, or would be made of
            a record with a flaw.
    """
    params = {"upload": staged.upload_id, "dataset": dataset_id or 0}
    met = 0
    if staged.with_external_id:
        await steps.read_long(_refuse_ids_twice, params, "external_id", field)
        met += await steps.fill("upload_matches", _MATCHES, _BY_EXTERNAL_ID, params)
    if staged.with_example_id:
        await steps.read_long(_refuse_ids_twice, params, "example_id", field)
        by_id = await steps.fill("upload_matches", _MATCHES, _BY_EXAMPLE_ID, params)
        if by_id != staged.with_example_id:
            await steps.read_long(_refuse_unmatched_id, params, field)
        met += by_id
    if dataset_id is None:
        await steps.read_long(_refuse_flawed, staged)
        return Match(staged)
    without_id = staged.count > staged.with_external_id + staged.with_example_id
    if without_id and await steps.read_long(_may_meet_by_content, params):
        await _expect_matches(steps, met, params)
        met += await steps.fill("upload_matches", _MATCHES, _BY_CONTENT, params)
    await _expect_matches(steps, met, params)
    await steps.read_long(_refuse_flawed, staged)
    return await steps.read_long(_outcome, staged, params)


async def _expect_matches(steps: Steps, count: int, params: Params) -> None:
    columns = ("upload_id", "ordinal", "example_id")
    if count > MANY:
        await steps.stage(lambda tx: tx.expect(count, "upload_matches", columns, "upload_id = :upload", params))


def _may_meet_by_content(tx: Transaction, params: Params) -> bool:
    return tx.row(_ANY_BY_CONTENT, params) is not None


def _outcome(tx: Transaction, staged: Staged, params: Params) -> Match:
    counts: dict[int, int] = dict(
        tx.rows("SELECT outcome, COUNT(*) FROM upload_matches WHERE upload_id = :upload GROUP BY outcome", params)
    )
    regrouped = _count_regrouped(tx, params) if staged.with_splits else 0
    return Match(staged, counts.get(SAME, 0), counts.get(CHANGED, 0), counts.get(REVIVED, 0), regrouped)


def _refuse_ids_twice(tx: Transaction, params: Params, column: str, field: str) -> None:
    row = tx.row(
        f"SELECT {column}, MAX(ordinal) FROM staged_examples WHERE upload_id = :upload AND {column} IS NOT NULL"
        f" GROUP BY {column} HAVING COUNT(*) > 1 LIMIT 1",
        params,
    )
    if row is not None:
        raise refuse_twice(field, row[1], row[0])


def refuse_twice(field: str, ordinal: int, value: object) -> Invalid:
    """Two records address the same example, or would make it."""
    return _invalid(field, ordinal, f"the id {_shown(value)} occurs twice")


def _refuse_unmatched_id(tx: Transaction, params: Params, field: str) -> None:
    """Raises for the first record whose DatasetExample id met nothing."""
    row = tx.row(
        "SELECT s.ordinal, s.example_id,"
        " EXISTS (SELECT 1 FROM upload_matches m WHERE m.upload_id = :upload AND m.example_id = s.example_id)"
        " FROM staged_examples s WHERE s.upload_id = :upload AND s.example_id IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM upload_matches m WHERE m.upload_id = :upload AND m.ordinal = s.ordinal)"
        " ORDER BY s.ordinal LIMIT 1",
        params,
    )
    if row is None:
        raise records_lost()
    ordinal, example_id, met = row
    if not met:
        raise refuse_unmatched(field, ordinal, example_id)
    why = "is addressed twice: by this id and by its external id"
    raise _invalid(field, ordinal, f"the example {_shown(example_id)} {why}")


def refuse_unmatched(field: str, ordinal: int, example_id: int) -> Invalid:
    """A record addresses an example that there is not."""
    return _invalid(field, ordinal, f"the example {_shown(example_id)} is not in the dataset's latest version")


def _refuse_flawed(tx: Transaction, staged: Staged) -> None:
    """Raises for the first record with a flaw that no example has as it is."""
    if not staged.flawed:
        return
    row = tx.row(
        "SELECT s.flaw FROM staged_examples s WHERE s.upload_id = :upload AND s.flaw IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM upload_matches m WHERE m.upload_id = :upload AND m.ordinal = s.ordinal AND m.outcome = 0)"
        " ORDER BY s.ordinal LIMIT 1",
        {"upload": staged.upload_id},
    )
    if row is not None:
        raise refuse_flaw(row[0])


def refuse_flaw(text: str) -> InvalidRecord:
    """A record has a flaw (Flaw, as JSON), and no example has it as it is."""
    flaw = msgspec.json.decode(text, type=Flaw)
    return InvalidRecord(flaw.line, flaw.description, part=flaw.part)


def _shown(value: object) -> str:
    return encode_id("DatasetExample", value) if isinstance(value, int) else repr(str(value)[:200])


def _invalid(field: str, ordinal: int, description: str) -> Invalid:
    return Invalid(field, f"record {ordinal}: {description}", Reason.INVALID_RECORD, {"record": str(ordinal)})


def _count_regrouped(tx: Transaction, params: Params) -> int:
    row = tx.one(
        "SELECT COUNT(*) FROM staged_examples s CROSS JOIN upload_matches m"
        " WHERE s.upload_id = :upload AND s.splits IS NOT NULL AND m.upload_id = :upload AND m.ordinal = s.ordinal"
        f" AND m.outcome = 0 AND (EXISTS ({_ENTERS}) OR EXISTS ({_LEAVES}))",
        params,
    )
    return int(row[0])


def example_ids(tx: Transaction, upload_id: int, base_id: int | None) -> list[int | None]:
    """The examples that the records met or became, in the order of the records; None for those that became none.

    Arguments:
        base_id: the record `ordinal` became the example base_id + ordinal; None when nothing was written.
    """
    rows = tx.rows(
        "SELECT COALESCE(m.example_id, :base + s.ordinal) FROM staged_examples s"
        " LEFT JOIN upload_matches m ON m.upload_id = :upload AND m.ordinal = s.ordinal"
        " WHERE s.upload_id = :upload ORDER BY s.ordinal",
        {"upload": upload_id, "base": base_id},
    )
    return [example_id for (example_id,) in rows]
