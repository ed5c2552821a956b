"""Removing many rows a piece at a time, bounded by rows and by characters, so that no other write waits for long."""

from collections.abc import Sequence
from typing import Any

from phoenix_grpc.store.engine import Params, Transaction

MAX_CHARS = 4 << 20


def remove_rows(
    tx: Transaction, table: str, where: str, params: Params, key: Sequence[str], limit: int, texts: Sequence[str] = ()
) -> int:
    """Removes the first rows in the order of a key; returns how many went, 0 when none is left.

    Arguments:
        where: which rows may go, with their `params`.
        key: columns, unique among those rows.
        limit: how many rows at most.
        texts: columns that may be long; the row that takes them beyond 4 Mi characters is the last to go.
    """
    columns = ", ".join(key)
    size = " + ".join(f"COALESCE(LENGTH({text}), 0)" for text in texts) or "0"
    last: list[Any] = []
    chars = 0
    rows = tx.scan(
        f"SELECT {columns}, {size} FROM {table} WHERE {where} ORDER BY {columns} LIMIT :limit",
        {**params, "limit": limit},
    )
    for *last, length in rows:  # noqa: B007 - the last one is what counts
        chars += length
        if chars > MAX_CHARS:
            break
    if not last:
        return 0
    ends = {f"end{place}": value for place, value in enumerate(last)}
    return tx.run(
        f"DELETE FROM {table} WHERE {where} AND ({columns}) <= ({', '.join(f':{end}' for end in ends)})",
        {**params, **ends},
    )
