"""An engine that says how long the store takes: to the metrics, and to the trace of the call that asks it."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Concatenate

from phoenix_grpc.store.engine import NO_PARAMS, AuthRevision, Engine, P, Params, T, Transaction
from phoenix_grpc.tracing import step

Note = Callable[[str, float], None]
"""Takes the kind of an access to the store, and its seconds."""


class ObservedEngine:
    """Passes everything on to an engine, and notes each access that succeeds or fails.

    Arguments:
        note: None where only traces are wanted.

    Attributes:
        in_flight: how many accesses run, or wait for a connection, by kind.
    """

    def __init__(self, engine: Engine, note: Note | None = None) -> None:
        self._engine = engine
        self._note = note or _nothing
        self.in_flight: Counter[str] = Counter()
        self.has_replica = engine.has_replica
        self.begin, self.check, self.close = engine.begin, engine.check, engine.close

    async def read(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._observed("read", fn, self._engine.read(fn, *args, **kwargs))

    async def read_many(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._observed("read", fn, self._engine.read_many(fn, *args, **kwargs))

    async def read_replica(
        self,
        fresh: Callable[[Transaction], bool],
        fn: Callable[Concatenate[Transaction, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        return await self._observed("replica", fn, self._engine.read_replica(fresh, fn, *args, **kwargs))

    async def write(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._observed("write", fn, self._engine.write(fn, *args, **kwargs))

    async def stage(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._observed("stage", fn, self._engine.stage(fn, *args, **kwargs))

    async def read_long(self, fn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._observed("long", fn, self._engine.read_long(fn, *args, **kwargs))

    async def fill(self, table: str, columns: Sequence[str], query: str, params: Params = NO_PARAMS) -> int:
        return await self._observed("fill", self._engine.fill, self._engine.fill(table, columns, query, params))

    async def auth_revision(self) -> AuthRevision:
        """As the engine's; not observed, since nearly every call reads it from memory."""
        return await self._engine.auth_revision()

    async def _observed(self, kind: str, fn: Callable[..., object], access: Awaitable[T]) -> T:
        began = time.perf_counter()
        self.in_flight[kind] += 1
        try:
            with step(f"store.{kind} {getattr(fn, '__name__', '')}"):
                return await access
        finally:
            self.in_flight[kind] -= 1
            self._note(kind, time.perf_counter() - began)


def _nothing(_kind: str, _seconds: float) -> None:
    """Notes nothing."""
