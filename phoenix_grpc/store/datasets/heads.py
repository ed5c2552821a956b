"""Reads from a replica: the head of a dataset is read from the primary, and tells what the replica must have of it.

So a caller sees what it has written, and what was committed before its call began, wherever the rows come from.
"""

import functools
from collections.abc import Awaitable, Callable
from typing import Concatenate, NamedTuple

from phoenix_grpc.errors import dataset_not_found
from phoenix_grpc.store.datasets.references import DatasetRef
from phoenix_grpc.store.engine import Engine, NoReplica, P, T, Transaction


class Head(NamedTuple):
    """How far a dataset had come.

    Arguments:
        generation: grows with every change of its examples, versions and splits.
    """

    dataset_id: int
    generation: int


def find_head(tx: Transaction, ref: DatasetRef) -> Head:
    """The head of a dataset.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    which = "id = :id" if ref.id is not None else "name = :name"
    row = tx.row(
        f"SELECT id, generation FROM datasets WHERE {which} AND deleted_at IS NULL", {"id": ref.id, "name": ref.name}
    )
    if row is None:
        raise dataset_not_found(ref.shown)
    return Head(*row)


def has(head: Head, tx: Transaction) -> bool:
    """Whether the database has all that the head has."""
    row = tx.row("SELECT generation FROM datasets WHERE id = :id AND deleted_at IS NULL", {"id": head.dataset_id})
    return row is not None and int(row[0]) >= head.generation


async def read_rows(
    engine: Engine,
    ref: DatasetRef,
    fn: Callable[Concatenate[Transaction, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Calls `fn(tx, ...)`, which reads rows of the dataset, where they are.

    Raises:
        NotFound: DATASET_NOT_FOUND.
    """
    if not engine.has_replica:
        return await engine.read(fn, *args, **kwargs)
    head = await engine.read(find_head, ref)
    return await read_rows_of(engine, head, engine.read, fn, *args, **kwargs)


async def read_rows_of(
    engine: Engine,
    head: Head,
    otherwise: Callable[..., Awaitable[T]],
    fn: Callable[Concatenate[Transaction, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """As read_rows, of a dataset whose head is known.

    Arguments:
        otherwise: the engine's method that reads what no replica has.
    """
    try:
        return await engine.read_replica(functools.partial(has, head), fn, *args, **kwargs)
    except NoReplica:
        return await otherwise(fn, *args, **kwargs)
