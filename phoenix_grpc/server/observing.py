"""What is told of calls and of the store: the log, and where they are wanted metrics and traces."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

from phoenix_grpc.beside import beside
from phoenix_grpc.config import Settings
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.guard.admission import Observer
from phoenix_grpc.guard.call_lines import CallLines
from phoenix_grpc.logs import CallLog, LogWriter
from phoenix_grpc.rpc.statuses import status_name
from phoenix_grpc.server.metrics import IN_FLIGHT, Metrics, Reading
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.observed import ObservedEngine
from phoenix_grpc.tracing import Tracer

if TYPE_CHECKING:
    from phoenix_grpc.server.traces import Traces


class Observing:
    """The observers of the guard and of the store.

    Arguments:
        methods: the paths that may be told apart.

    Attributes:
        readings: for the gauges and totals of the metrics, by their names.

    Raises:
        ConfigurationError: when traces are wanted, and the packages for them are missing.
    """

    def __init__(self, settings: Settings, methods: Collection[str], log_writer: LogWriter | None) -> None:
        self.calls = CallLog(settings.log_level, log_writer)
        self.metrics = Metrics(methods, status_name) if settings.admin_port is not None else None
        self.traces = _open_traces(settings)
        self.readings: dict[str, Reading] = {}

    def engine(self, engine: Engine) -> Engine:
        """The engine, observed as far as somebody wants to know."""
        if self.metrics is None:
            return engine if self.traces is None else ObservedEngine(engine)
        observed = ObservedEngine(engine, self.metrics.note_store)
        self.readings[IN_FLIGHT] = lambda: observed.in_flight
        return observed

    @property
    def trace(self) -> Tracer | None:
        """Begins the spans of calls and requests; None where nothing is traced."""
        return self.traces.begin if self.traces else None

    def observers(self) -> tuple[Observer, ...]:
        """Those of the guard."""
        wanted = (CallLines(self.calls, status_name), self.metrics, self.traces)
        return tuple(observer for observer in wanted if observer is not None)

    @contextlib.asynccontextmanager
    async def sampling(self) -> AsyncIterator[None]:
        """Reads what `readings` say for the metrics, if they are wanted, until the block ends."""
        async with beside(*([self.metrics.sample(self.readings)] if self.metrics else ())):
            yield

    async def close(self) -> None:
        """Writes and sends what is left."""
        self.calls.flush()
        if self.traces is not None:
            await asyncio.to_thread(self.traces.close)


def _open_traces(settings: Settings) -> "Traces | None":
    if not settings.trace_collector:
        return None
    try:
        # 40 MB, and half a second of the start, where nobody wants it.
        from phoenix_grpc.server.traces import Traces
    except ImportError:
        raise ConfigurationError(
            "PHOENIX_SERVER_INSTRUMENTATION_OTLP_TRACE_COLLECTOR_GRPC_ENDPOINT: traces take more packages:"
            " pip install 'phoenix-grpc[otel]'"
        ) from None
    return Traces(settings.trace_collector, settings.trace_sampling, status_name)
