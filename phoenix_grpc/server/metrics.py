"""What Prometheus is told: of calls as they end, and of the process every second.

Each label has few values: methods of the contract, statuses, kinds of callers. With several workers, each writes to a
folder that the supervisor reads them all from (prometheus_client's multiprocess mode).
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from phoenix_grpc import __version__
from phoenix_grpc.errors import Error, LimitExceeded, PermissionDenied, Unauthenticated
from phoenix_grpc.guard.call import Call

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SAMPLE_SECONDS = 1.0
_UNKNOWN = "unknown"

Reading = Callable[[], float | None]
"""Returns a value as it is now; None when there is none."""

GAUGES: Mapping[str, tuple[str, str]] = {
    "serving": ("Whether it serves: 1, or 0 while the store is away or it stops.", "livemin"),
    "calls_in_flight": ("Calls being served that need a credential.", "livesum"),
    "loop_lag_seconds": ("How late the event loop was, when last measured.", "livemax"),
    "shedding": ("Whether new calls are refused because it is overloaded.", "livemax"),
    "certificate_seconds_left": ("Seconds until the TLS certificate ends.", "livemin"),
}
"""What is read every second, by name: its meaning, and how the values of several workers become one."""


class Metrics:
    """Counts calls, and samples the process; an observer of the guard.

    Arguments:
        methods: the paths that may be a label.
        status_name: the name of the status that a call ends with.
    """

    def __init__(self, methods: Collection[str], status_name: Callable[[Error | None], str]) -> None:
        self._methods = methods
        self._status_name = status_name
        self._children: dict[tuple[Any, tuple[str, ...]], Any] = {}
        self._registry = registry = CollectorRegistry()
        self._calls = Counter("phoenix_grpc_calls", "Calls that ended.", ["method", "code"], registry=registry)
        self._seconds = Histogram(
            "phoenix_grpc_call_seconds", "How long calls took.", ["method"], registry=registry, buckets=_SECONDS
        )
        self._callers = Counter("phoenix_grpc_callers", "Calls by kind of caller.", ["kind"], registry=registry)
        self._refusals = Counter(
            "phoenix_grpc_refusals", "Calls refused by the guard, by reason.", ["reason"], registry=registry
        )
        build = Gauge(
            "phoenix_grpc_build_info", "The release.", ["version"], registry=registry, multiprocess_mode="livemax"
        )
        build.labels(__version__).set(1)
        self._gauges = {
            name: Gauge(f"phoenix_grpc_{name}", meaning, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]
            for name, (meaning, mode) in GAUGES.items()
        }

    def __call__(self, call: Call, error: Error | None) -> None:
        """Counts a call that has ended, now."""
        method = call.path if call.path in self._methods else _UNKNOWN
        self._child(self._calls, method, self._status_name(error)).inc()
        self._child(self._seconds, method).observe(time.perf_counter() - call.started)
        self._child(self._callers, call.principal.kind.value).inc()
        if isinstance(error, Unauthenticated | PermissionDenied | LimitExceeded):
            self._refusals.labels(error.reason.value).inc()

    def _child(self, metric: Any, *labels: str) -> Any:
        """The part of a metric that has these labels; to ask prometheus_client each time costs as much as to count."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    async def sample(self, readings: Mapping[str, Reading]) -> None:
        """Reads the gauges, by their names, every second until it is cancelled."""
        while True:
            for name, read in readings.items():
                if (value := read()) is not None:
                    self._gauges[name].set(value)
            await asyncio.sleep(_SAMPLE_SECONDS)

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self._registry)


class SharedMetrics:
    """The metrics of all workers, from the folder that they write to."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)

    def text(self) -> bytes:
        """All of them, added up, as Prometheus reads it."""
        return generate_latest(self._collected())

    def serving(self) -> bool:
        """Whether every worker that lives serves."""
        return self._collected().get_sample_value("phoenix_grpc_serving") == 1

    def forget(self, pid: int) -> None:
        """Leaves out what a worker that has ended was; what it has counted stays."""
        mark_process_dead(pid, self._folder)  # type: ignore[no-untyped-call]

    def _collected(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        return registry
