"""Examples at a version, in pages; their history; small changes of them."""

from typing import Any, NamedTuple

from phoenix_grpc.store import datasets
from phoenix_grpc.store.engine import Row, Transaction

_COLUMNS = "e.id, e.external_id, r.input, r.output, r.metadata, e.span_id, r.created_at, r.born"
# The revision of example e that version :version has. Its cost does not depend on how many versions there are.
_AT_VERSION = (
    "r.dataset_id = :dataset AND r.example_id = e.id AND r.born = (SELECT MAX(x.born) FROM revisions x"
    " WHERE x.dataset_id = :dataset AND x.example_id = e.id AND x.born <= :version)"
    " AND (r.died IS NULL OR r.died > :version)"
)
_WINDOW = 1000


class Page(NamedTuple):
    """Some examples of a version in order of their creation, as rows in the order of model.Example without splits.

    Arguments:
        rows: (id, external_id, input, output, metadata, span_id, updated_at, born).
        after: where the next page begins; None when this is the last. A page may be short, even empty, before the last.
    """

    rows: list[Row]
    after: int | None


def read_page(
    tx: Transaction, dataset_id: int, version_id: int, after: int, limit: int, split_ids: tuple[int, ...] = ()
) -> Page:
    """Up to `limit` examples of a version with ids above `after`, in a time that depends on `limit` alone.

    Arguments:
        split_ids: only members of one of these splits; empty means all examples.

    Raises:
        Aborted: DATASET_DELETED, when the dataset was deleted meanwhile.
    """
    latest = datasets.get_dataset(tx, dataset_id).latest_version_id == version_id
    params = {"dataset": dataset_id, "version": version_id, "after": after, "limit": limit}
    if split_ids:
        ids = _members(tx, dataset_id, split_ids, after, limit)
        rows = read_examples(tx, dataset_id, version_id, ids)
        return Page(rows, ids[-1] if len(ids) == limit else None)
    if latest:
        rows = tx.rows(
            f"SELECT {_COLUMNS} FROM revisions r CROSS JOIN examples e WHERE r.dataset_id = :dataset"  # noqa: S608
            " AND r.example_id > :after AND r.died IS NULL AND e.dataset_id = :dataset AND e.id = r.example_id"
            " ORDER BY r.example_id LIMIT :limit",
            params,
        )
        return Page(rows, rows[-1][0] if len(rows) == limit else None)
    return _older_page(tx, params, max(limit, _WINDOW))


def _older_page(tx: Transaction, params: dict[str, int], window: int) -> Page:
    """A page out of the next `window` examples, dead or alive: a dataset may have any number of dead ones in a row."""
    row = tx.row(
        "SELECT id FROM examples WHERE dataset_id = :dataset AND id > :after ORDER BY id LIMIT 1 OFFSET :window",
        {**params, "window": window - 1},
    )
    until = " AND e.id <= :until" if row else ""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM examples e CROSS JOIN revisions r WHERE e.dataset_id = :dataset"  # noqa: S608
        f" AND e.id > :after{until} AND {_AT_VERSION} ORDER BY e.id LIMIT :limit",
        {**params, "until": row[0] if row else 0},
    )
    if len(rows) == params["limit"]:
        return Page(rows, rows[-1][0])
    return Page(rows, row[0] if row else None)


def _members(tx: Transaction, dataset_id: int, split_ids: tuple[int, ...], after: int, limit: int) -> list[int]:
    """The next members of any of the splits: the first of each, merged."""
    members: set[int] = set()
    for split_id in set(split_ids):
        rows = tx.rows(
            "SELECT example_id FROM split_members WHERE dataset_id = :dataset AND split_id = :split"
            " AND example_id > :after ORDER BY example_id LIMIT :limit",
            {"dataset": dataset_id, "split": split_id, "after": after, "limit": limit},
        )
        members.update(example_id for (example_id,) in rows)
    return sorted(members)[:limit]


def read_examples(tx: Transaction, dataset_id: int, version_id: int, ids: list[int]) -> list[Row]:
    """Those of these examples that the version has, in order of their ids, as the rows of a Page."""
    marks, params = numbered("id", ids)
    return tx.rows(
        f"SELECT {_COLUMNS} FROM examples e CROSS JOIN revisions r WHERE e.dataset_id = :dataset"  # noqa: S608
        f" AND e.id IN ({marks}) AND {_AT_VERSION} ORDER BY e.id",
        {**params, "dataset": dataset_id, "version": version_id},
    )


def splits_of(tx: Transaction, dataset_id: int, first_id: int, last_id: int) -> dict[int, tuple[str, ...]]:
    """The names of the splits, sorted, of each example from `first_id` to `last_id` that is in any."""
    rows = tx.rows(
        "SELECT c.example_id, p.name FROM split_members c CROSS JOIN splits p WHERE c.dataset_id = :dataset"
        " AND c.example_id >= :first AND c.example_id <= :last AND p.dataset_id = :dataset AND p.id = c.split_id",
        {"dataset": dataset_id, "first": first_id, "last": last_id},
    )
    names: dict[int, list[str]] = {}
    for example_id, name in rows:
        names.setdefault(example_id, []).append(name)
    return {example_id: tuple(sorted(found)) for example_id, found in names.items()}


def numbered(name: str, values: list[Any]) -> tuple[str, dict[str, Any]]:
    """Marks for a list in SQL (":id0, :id1"; NULL when it is empty) and their parameters."""
    params = {f"{name}{index}": value for index, value in enumerate(values)}
    return ", ".join(f":{key}" for key in params) or "NULL", params
