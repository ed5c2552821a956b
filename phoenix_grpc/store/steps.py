"""Work in steps, each a transaction of its own; or all of them within one."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Concatenate, Protocol

from phoenix_grpc.store.engine import NO_PARAMS, P, Params, T, Transaction


class Steps(Protocol):
    """What an engine offers to work in steps; see engine.Engine for the methods."""

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Reads."""
        ...

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Writes what nobody sees yet."""
        ...

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        """Adds the rows of a query."""
        ...


class Within:
    """Steps that are all taken in one transaction; nothing is awaited."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Reads what the transaction sees."""
        return fn(self._tx, *args, **kwargs)

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Writes."""
        return fn(self._tx, *args, **kwargs)

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        """Adds the rows of a query."""
        return self._tx.run(f"INSERT INTO {table} ({', '.join(columns)}) {query} ON CONFLICT DO NOTHING", params)


def take(steps: Coroutine[Any, Any, T]) -> T:
    """What steps within one transaction come to."""
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return] # what the coroutine returned
    raise RuntimeError("a step within a transaction waits for something")
