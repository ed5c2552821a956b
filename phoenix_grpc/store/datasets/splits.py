"""Splits: named subsets of a dataset's live examples, not versioned; an example that is deleted leaves them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from phoenix_grpc.errors import AlreadyExists, Invalid, NotFound, Reason
from phoenix_grpc.ids import encode_id, parse_id
from phoenix_grpc.model import MAX_SPLITS, Dataset, Split, now
from phoenix_grpc.store.datasets.claims import hold
from phoenix_grpc.store.datasets.examples import ExampleRef, find_examples
from phoenix_grpc.store.datasets.references import DatasetRef, find_dataset
from phoenix_grpc.store.engine import Params, Transaction, numbered
from phoenix_grpc.store.sweeping import remove_rows

DEFAULT_COLOR = "#33c5e8"
"""The colour of a split that is created without one."""
UPLOADED_COLOR = "#808080"
"""The colour of a split that an upload creates by naming it."""

# A split that a publication brings is there when it is published.
_VISIBLE = "born <= (SELECT d.edition FROM datasets d WHERE d.id = :dataset)"
_COLUMNS = "id, name, description, color, metadata, created_at, updated_at, example_count"


class SplitChange(NamedTuple):
    """A split before and after a change, in which dataset, and how many examples came and went."""

    dataset: Dataset
    before: Split
    after: Split
    came: int
    went: int


def create_split(
    tx: Transaction,
    ref: DatasetRef,
    name: str,
    description: str | None,
    color: str,
    metadata: str,
    members: Sequence[ExampleRef],
) -> tuple[Dataset, Split]:
    """Adds a split with these live examples; returns its dataset and itself.

    Raises:
        NotFound: DATASET_NOT_FOUND, EXAMPLE_NOT_FOUND.
        AlreadyExists: SPLIT_EXISTS.
        Invalid: when an example would be in more than 1,000 splits.
    """
    dataset = find_dataset(tx, ref)
    hold(tx, dataset.id)
    example_ids = find_examples(tx, dataset.id, members, dataset.latest_version_id)
    tx.require_room()
    row = tx.row(
        f"INSERT INTO splits (dataset_id, {_COLUMNS})"
        " VALUES (:dataset, :id, :name, :description, :color, :metadata, :now, :now, 0)"
        " ON CONFLICT DO NOTHING RETURNING id",
        {
            "dataset": dataset.id,
            "id": tx.take_ids("DatasetSplit"),
            "name": name,
            "description": description,
            "color": color,
            "metadata": metadata,
            "now": now(),
        },
    )
    if row is None:
        raise AlreadyExists("DatasetSplit", name, Reason.SPLIT_EXISTS)
    _add_examples(tx, dataset.id, row[0], example_ids, "example_ids")
    return dataset, get_split(tx, dataset.id, row[0])


def update_split(
    tx: Transaction,
    ref: DatasetRef,
    split_id: int,
    changes: Mapping[str, str | None],
    add: Sequence[ExampleRef],
    remove: Sequence[ExampleRef],
) -> SplitChange:
    """Changes columns of a split, adds live examples, then removes others.

    Arguments:
        changes: new values of name, description, color and metadata; what is absent stays.

    Raises:
        NotFound: DATASET_NOT_FOUND, EXAMPLE_NOT_FOUND, SPLIT_NOT_FOUND.
        AlreadyExists: SPLIT_EXISTS.
        Invalid: when an example would be in more than 1,000 splits.
    """
    dataset = find_dataset(tx, ref)
    hold(tx, dataset.id)
    added = find_examples(tx, dataset.id, add, dataset.latest_version_id)
    removed = find_examples(tx, dataset.id, remove, dataset.latest_version_id)
    tx.require_room()
    split = get_split(tx, dataset.id, split_id)
    name = changes.get("name")
    if name is not None and name != split.name and _by_name(tx, dataset.id, name):
        raise AlreadyExists("DatasetSplit", name, Reason.SPLIT_EXISTS)
    settings = "".join(f"{column} = :{column}, " for column in changes)
    tx.run(
        f"UPDATE splits SET {settings}updated_at = :now WHERE dataset_id = :dataset AND id = :id",
        {**changes, "dataset": dataset.id, "id": split_id, "now": now()},
    )
    came = _add_examples(tx, dataset.id, split_id, added, "add_example_ids")
    marks, params = numbered("example", set(removed))
    went = remove_members(
        tx, dataset.id, f"split_id = :split AND example_id IN ({marks})", {**params, "split": split_id}
    )
    return SplitChange(dataset, split, get_split(tx, dataset.id, split_id), came, went)


def delete_split(tx: Transaction, ref: DatasetRef, split_id: int) -> tuple[Dataset, Split]:
    """Deletes a split; returns its dataset and itself, as they were. Its examples stay.

    Raises:
        NotFound: DATASET_NOT_FOUND, SPLIT_NOT_FOUND.
    """
    dataset = find_dataset(tx, ref)
    hold(tx, dataset.id)
    split = get_split(tx, dataset.id, split_id)
    params = {"dataset": dataset.id, "split": split_id}
    tx.run("DELETE FROM split_members WHERE dataset_id = :dataset AND split_id = :split", params)
    tx.run("DELETE FROM splits WHERE dataset_id = :dataset AND id = :split", params)
    return dataset, split


def find_split(tx: Transaction, ref: DatasetRef, split_id: int) -> Split:
    """A split of the dataset.

    Raises:
        NotFound: DATASET_NOT_FOUND, SPLIT_NOT_FOUND.
    """
    return get_split(tx, find_dataset(tx, ref).id, split_id)


def get_split(tx: Transaction, dataset_id: int, split_id: int) -> Split:
    """A split of a dataset that was found before.

    Raises:
        NotFound: SPLIT_NOT_FOUND.
    """
    return find_splits(tx, dataset_id, [encode_id("DatasetSplit", split_id)])[0]


def find_splits(tx: Transaction, dataset_id: int, names: Sequence[str]) -> list[Split]:
    """Splits by public id or by name, in the order of `names`.

    Raises:
        NotFound: SPLIT_NOT_FOUND, for the first that is missing.
    """
    found = []
    for name in names:
        parsed = parse_id(name)
        is_id = parsed is not None and parsed[0] == "DatasetSplit"
        split = _by_id(tx, dataset_id, parsed[1]) if parsed and is_id else _by_name(tx, dataset_id, name.strip())
        if split is None:
            raise NotFound("DatasetSplit", name, Reason.SPLIT_NOT_FOUND)
        found.append(split)
    return found


def list_splits(tx: Transaction, ref: DatasetRef, before: int | None, limit: int) -> list[Split]:
    """Up to `limit` splits of the dataset older than split `before` (None: all), newest first.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    dataset = find_dataset(tx, ref)
    older = "" if before is None else " AND id < :before"
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM splits WHERE dataset_id = :dataset{older} AND {_VISIBLE}"
        " ORDER BY id DESC LIMIT :limit",
        {"dataset": dataset.id, "before": before, "limit": limit},
    )
    return [Split(*row) for row in rows]


def move_counts(tx: Transaction, dataset_id: int, moved: Mapping[int, int]) -> None:
    """Adds to the counts of splits, by their id, the examples that came, or went."""
    for split_id, count in sorted(moved.items()):
        if count:
            tx.run(
                "UPDATE splits SET example_count = example_count + :count, updated_at = :now"
                " WHERE dataset_id = :dataset AND id = :split",
                {"dataset": dataset_id, "split": split_id, "count": count, "now": now()},
            )


def remove_members(tx: Transaction, dataset_id: int, which: str, params: Params) -> int:
    """Takes examples out of splits; returns how many memberships ended.

    Arguments:
        which: a condition on split_members, with its parameters.
    """
    left = tx.rows(
        f"DELETE FROM split_members WHERE dataset_id = :dataset AND died IS NULL AND {which} RETURNING split_id",
        {**params, "dataset": dataset_id},
    )
    moved = Counter(row[0] for row in left)
    move_counts(tx, dataset_id, {split_id: -count for split_id, count in moved.items()})
    return len(left)


def sweep_memberships(tx: Transaction, limit: int) -> int:
    """Removes up to `limit` memberships that publications ended; returns how many."""
    dataset_id = 0
    # From one dataset that has any to the next: what a publication under way has marked is not read through.
    while row := tx.row(
        "SELECT c.dataset_id, d.edition, d.publishing FROM split_members c"
        " LEFT JOIN datasets d ON d.id = c.dataset_id"
        " WHERE c.died IS NOT NULL AND c.dataset_id > :after ORDER BY c.dataset_id LIMIT 1",
        {"after": dataset_id},
    ):
        dataset_id, edition, publishing = row
        if edition is None or publishing is not None:
            continue
        params = {"dataset": dataset_id, "edition": edition}
        ended = "dataset_id = :dataset AND died IS NOT NULL AND died <= :edition"
        removed = remove_rows(tx, "split_members", ended, params, ("split_id", "example_id"), limit)
        if removed:
            return removed
    return 0


def _add_examples(tx: Transaction, dataset_id: int, split_id: int, example_ids: Sequence[int], field: str) -> int:
    """Returns how many were not in the split before."""
    marks, params = numbered("example", set(example_ids))
    values = {**params, "dataset": dataset_id, "split": split_id, "now": now()}
    added = tx.run(
        "INSERT INTO split_members (dataset_id, split_id, example_id) SELECT :dataset, :split, id FROM examples"
        f" WHERE dataset_id = :dataset AND id IN ({marks}) ON CONFLICT (dataset_id, split_id, example_id)"
        " DO UPDATE SET born = 0, died = NULL WHERE split_members.died IS NOT NULL",
        values,
    )
    tx.run(
        "UPDATE splits SET example_count = example_count + :added WHERE dataset_id = :dataset AND id = :split",
        {**values, "added": added},
    )
    crowded = tx.row(
        f"SELECT example_id FROM split_members WHERE dataset_id = :dataset AND example_id IN ({marks})"
        " AND died IS NULL GROUP BY example_id HAVING COUNT(*) > :most LIMIT 1",
        {**values, "most": MAX_SPLITS},
    )
    if crowded:
        example = encode_id("DatasetExample", crowded[0])
        raise Invalid(field, f"an example is in {MAX_SPLITS:,} splits at most; {example} is in as many already")
    return added


def _by_id(tx: Transaction, dataset_id: int, split_id: int) -> Split | None:
    row = tx.row(
        f"SELECT {_COLUMNS} FROM splits WHERE dataset_id = :dataset AND id = :id AND {_VISIBLE}",
        {"dataset": dataset_id, "id": split_id},
    )
    return Split(*row) if row else None


def _by_name(tx: Transaction, dataset_id: int, name: str) -> Split | None:
    row = tx.row(
        f"SELECT {_COLUMNS} FROM splits WHERE dataset_id = :dataset AND name = :name AND {_VISIBLE}",
        {"dataset": dataset_id, "name": name},
    )
    return Split(*row) if row else None
