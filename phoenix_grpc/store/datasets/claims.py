"""Claims: a dataset has one publication at a time, whose rows are written in steps and not seen before it ends.

The claim stands in the dataset's row, and is renewed as long as the publisher lives. One whose time is over was left by
a publisher that died: what it wrote is undone before the next one begins. A publisher that was only thought dead
finds its claim gone at its next step.
"""

from typing import NamedTuple, NoReturn

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.model import Row, now
from phoenix_grpc.store.datasets.references import deleted_meanwhile
from phoenix_grpc.store.engine import Transaction
from phoenix_grpc.store.steps import Steps
from phoenix_grpc.store.sweeping import MAX_CHARS

CLAIM_MICROS = 8 * 1_000_000
"""How long a claim lasts without being renewed: nobody writes a dataset for so long after its publisher died."""

_WINDOW = 4000


class DatasetBusy(Unavailable):
    """Another publication into the dataset is under way.

    Arguments:
        dead: whether its publisher has died, so that what it wrote is to be undone.
    """

    def __init__(self, dataset_id: int, dead: bool) -> None:
        super().__init__("an upload is being published into this dataset; try again")
        self.dataset_id = dataset_id
        self.dead = dead


class _Leavings(NamedTuple):
    """What a publication has left, claimed by whoever undoes it under an id of its own, as if it were an upload."""

    claim_id: int
    dataset_id: int
    version_id: int | None
    edition: int
    swept: bool


def hold(tx: Transaction, dataset_id: int) -> None:
    """Begins a change: keeps publications from beginning until the transaction ends, and raises the generation.

    Raises:
        Aborted: DATASET_DELETED.
        DatasetBusy: when one is under way.
    """
    # A publication writes the row again and again: whoever waits for its end does not wait for the row as well.
    _require_free(
        dataset_id,
        tx.row(
            "SELECT publishing, publishing_until FROM datasets WHERE id = :id AND deleted_at IS NULL",
            {"id": dataset_id},
        ),
    )
    _require_free(
        dataset_id,
        tx.row(
            "UPDATE datasets SET generation = generation + 1 WHERE id = :id AND deleted_at IS NULL"
            " RETURNING publishing, publishing_until",
            {"id": dataset_id},
        ),
    )


def _require_free(dataset_id: int, row: Row | None) -> None:
    if row is None:
        raise deleted_meanwhile()
    if row[0] is not None:
        raise DatasetBusy(dataset_id, row[1] <= now())


def claim(tx: Transaction, dataset_id: int, upload_id: int) -> None:
    """Claims the dataset for the publication of an upload.

    Raises:
        as `hold`.
    """
    hold(tx, dataset_id)
    tx.run(
        "UPDATE datasets SET publishing = :upload, publishing_version = NULL, publishing_step = 0,"
        " publishing_until = :until WHERE id = :id",
        {"id": dataset_id, "upload": upload_id, "until": now() + CLAIM_MICROS},
    )


def require(tx: Transaction, dataset_id: int, upload_id: int) -> None:
    """Looks whether a claim is still there; `renew` at the end of the transaction makes it sure.

    Raises:
        as `renew`.
    """
    row = tx.row(f"SELECT 1 FROM datasets WHERE {_CLAIMED}", {"id": dataset_id, "upload": upload_id})
    if row is None:
        _refuse_lost(tx, dataset_id)


def renew(
    tx: Transaction, dataset_id: int, upload_id: int, steps: int | None = None, micros: int = CLAIM_MICROS
) -> None:
    """Renews a claim; until the transaction ends nobody else can take it, or change the dataset's row.

    Arguments:
        steps: how many steps the publication has taken, of which this transaction is the next.
        micros: how long it lasts from now on.

    Raises:
        Aborted: DATASET_DELETED.
        Unavailable: when it was taken, or a step was undone: a standby that became the primary had not got it.
    """
    counts = "" if steps is None else " AND publishing_step = :steps"
    renewed = tx.run(
        "UPDATE datasets SET publishing_until = :until, publishing_step = publishing_step + 1"
        f" WHERE {_CLAIMED}{counts}",
        {"id": dataset_id, "upload": upload_id, "until": now() + micros, "steps": steps},
    )
    if not renewed:
        _refuse_lost(tx, dataset_id)


# A dataset that was never published is marked as deleted until it is.
_CLAIMED = "id = :id AND publishing = :upload AND (deleted_at IS NULL OR latest_version_id = 0)"


def _refuse_lost(tx: Transaction, dataset_id: int) -> NoReturn:
    if not tx.row("SELECT 1 FROM datasets WHERE id = :id AND deleted_at IS NULL", {"id": dataset_id}):
        raise deleted_meanwhile()
    raise Unavailable("publishing was interrupted, or another upload took its turn; send it again")


def renew_all(tx: Transaction, upload_id: int) -> None:
    """Renews the claim of an upload on whichever dataset it has claimed."""
    tx.run(
        "UPDATE datasets SET publishing_until = :until WHERE publishing = :upload",
        {"upload": upload_id, "until": now() + CLAIM_MICROS},
    )


def claimed_by(tx: Transaction, upload_id: int) -> list[int]:
    """The datasets that an upload has claimed."""
    return [row[0] for row in tx.rows("SELECT id FROM datasets WHERE publishing = :upload", {"upload": upload_id})]


def abandoned(tx: Transaction) -> list[int]:
    """The datasets whose publishers have died."""
    rows = tx.rows(
        "SELECT id FROM datasets WHERE publishing IS NOT NULL AND publishing_until <= :now LIMIT 10", {"now": now()}
    )
    return [row[0] for row in rows]


async def undo(steps: Steps, dataset_id: int, upload_id: int | None = None) -> None:
    """Undoes what a publication wrote that did not end, and gives its claim up.

    Arguments:
        upload_id: whose claim is undone even before its time is over.
    """
    left = await steps.stage(_take_over, dataset_id, upload_id)
    if left is None:
        return
    # A dataset that is deleted, or was never published, is swept with all it has.
    after: int | None = None if left.version_id is None or left.swept else 0
    taken = 0
    while after is not None:
        after = await steps.stage(_undo_window, left, after, taken)
        taken += 1
    await steps.stage(_give_up, left, taken)


def _take_over(tx: Transaction, dataset_id: int, upload_id: int | None) -> _Leavings | None:
    moment = now()
    row = tx.row(
        "UPDATE datasets SET publishing = :undoing, publishing_until = :until, publishing_step = 0"
        " WHERE id = :id AND publishing IS NOT NULL"
        " AND (publishing = :upload OR publishing_until <= :now)"
        " RETURNING publishing, id, publishing_version, edition, deleted_at IS NOT NULL",
        {
            "id": dataset_id,
            "undoing": tx.take_ids("Upload"),
            "upload": -1 if upload_id is None else upload_id,
            "now": moment,
            "until": moment + CLAIM_MICROS,
        },
    )
    return _Leavings(*row) if row else None


def _undo_window(tx: Transaction, left: _Leavings, after: int, taken: int) -> int | None:
    """Returns where the next window begins; None after the last.

    Arguments:
        taken: how many windows were undone; a failover may have taken one back.
    """
    require(tx, left.dataset_id, left.claim_id)
    until = _end_of_window(tx, left, after)
    params = {
        "dataset": left.dataset_id,
        "version": left.version_id,
        "edition": left.edition + 1,
        "after": after,
        "until": until,
    }
    for table, column, rest in _UNDONE:
        where = f"dataset_id = :dataset AND {column} > :after" + (f" AND {column} <= :until" if until else "")
        tx.run(rest.format(table=table, where=where), params)
    renew(tx, left.dataset_id, left.claim_id, taken)
    return until


def _end_of_window(tx: Transaction, left: _Leavings, after: int) -> int | None:
    """The last example of a window; None when all that follow are in it. Its revisions that go are not too long."""
    rows = tx.scan(
        "SELECT example_id, CASE WHEN born = :version THEN LENGTH(input) + LENGTH(output) + LENGTH(metadata) ELSE 0 END"
        " FROM revisions WHERE dataset_id = :dataset AND example_id > :after ORDER BY example_id LIMIT :limit",
        {"dataset": left.dataset_id, "version": left.version_id, "after": after, "limit": _WINDOW},
    )
    count = chars = 0
    example_id: int | None = None
    for count, (example_id, length) in enumerate(rows, 1):  # noqa: B007 - the last one is what counts
        chars += length
        if chars > MAX_CHARS:
            return example_id
    return example_id if count == _WINDOW else None


# In this order: a revision of the version goes before the one that it replaced lives again.
_UNDONE = (
    ("revisions", "example_id", "DELETE FROM {table} WHERE {where} AND born = :version"),
    ("revisions", "example_id", "UPDATE {table} SET died = NULL WHERE {where} AND died = :version"),
    (
        "examples",
        "id",
        "DELETE FROM {table} WHERE {where} AND NOT EXISTS"
        " (SELECT 1 FROM revisions r WHERE r.dataset_id = :dataset AND r.example_id = examples.id)",
    ),
    ("split_members", "example_id", "DELETE FROM {table} WHERE {where} AND born = :edition"),
    ("split_members", "example_id", "UPDATE {table} SET died = NULL WHERE {where} AND died = :edition"),
)


def _give_up(tx: Transaction, left: _Leavings, taken: int) -> None:
    params = {"dataset": left.dataset_id, "edition": left.edition + 1, "undoing": left.claim_id, "taken": taken}
    given = tx.run(
        "UPDATE datasets SET publishing = NULL, publishing_version = NULL"
        " WHERE id = :dataset AND publishing = :undoing AND publishing_step = :taken",
        params,
    )
    # Otherwise the end of the claim's time leads to the same.
    if given:
        tx.run("DELETE FROM splits WHERE dataset_id = :dataset AND born = :edition", params)
