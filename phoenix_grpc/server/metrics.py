"""What Prometheus is told: of calls as they end, and of the process every second.

Each label has few values: methods of the contract, statuses, kinds of callers. With several workers, each writes to a
folder that the supervisor reads them all from (prometheus_client's multiprocess mode).
"""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from phoenix_grpc import __version__
from phoenix_grpc.errors import Error, LimitExceeded, PermissionDenied, Unauthenticated
from phoenix_grpc.guard.call import Call
from phoenix_grpc.model import PrincipalKind

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_COUNT_SECONDS = 0.1
_TICKS_A_SAMPLE = 10
"""How often calls are counted, and after how many times gauges are read."""
_UNKNOWN = "unknown"

Reading = Callable[[], float | Mapping[str, float] | None]
"""Returns a value as it is now, or one for each value of its label; None when there is none."""

_Counting = tuple[Callable[[], None], Callable[[float], None], Callable[[], None]]

GAUGES: Mapping[str, tuple[str, str]] = {
    "serving": ("Whether it serves: 1, or 0 while the store is away or it stops.", "livemin"),
    "calls_in_flight": ("Calls being served that need a credential.", "livesum"),
    "loop_lag_seconds": ("How late the event loop was, when last measured.", "livemax"),
    "shedding": ("Whether new calls are refused because it is overloaded.", "livemax"),
    "identity_file_valid": ("Whether the identity file is right; 0 while an earlier one counts.", "livemin"),
    "certificate_seconds_left": ("Seconds until the TLS certificate ends.", "livemin"),
}
"""What is read every second, by name: its meaning, and how the values of several workers become one."""

TOTALS: Mapping[str, tuple[str, str]] = {
    "credential_lookups": ("Credentials of calls, by how they were found.", "result"),
    "forwarded_certificates": ("Calls with x-forwarded-client-cert, by what became of it.", "result"),
    "examples": ("Examples of files that were published, or read to the end.", "direction"),
    "file_bytes": ("Bytes of files, of uploads as they are sent.", "direction"),
}
"""What is read as it grows, by name: its meaning and its label."""

IN_FLIGHT = "store_in_flight"
"""The gauge of accesses to the store that run, or wait for a connection, by kind."""


class Metrics:
    """Counts calls, and samples the process; an observer of the guard.

    Arguments:
        methods: the paths that may be a label.
        status_name: the name of the status that a call ends with.
    """

    def __init__(self, methods: Collection[str], status_name: Callable[[Error | None], str]) -> None:
        self._methods = methods
        self._status_name = status_name
        self._ended: list[tuple[str, PrincipalKind, Error | None, float]] = []
        self._counting: dict[tuple[str, str, PrincipalKind], _Counting] = {}
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
        self._gauges[IN_FLIGHT] = Gauge(
            f"phoenix_grpc_{IN_FLIGHT}",
            "Accesses to the store that run, or wait for a connection.",
            ["kind"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._store_seconds = Histogram(
            "phoenix_grpc_store_seconds", "How long the store took.", ["kind"], registry=registry, buckets=_SECONDS
        )
        self._observing: dict[str, Callable[[float], None]] = {}
        self._accesses: list[tuple[str, float]] = []
        self._totals = {
            name: Counter(f"phoenix_grpc_{name}", meaning, [label], registry=registry)
            for name, (meaning, label) in TOTALS.items()
        }
        self._read_before: defaultdict[tuple[str, str], float] = defaultdict(float)

    def __call__(self, call: Call, error: Error | None) -> None:
        """Notes a call that has ended, now. It is counted with others soon, which costs less than alone."""
        self._ended.append((call.path, call.principal.kind, error, time.perf_counter() - call.started))

    def note_store(self, kind: str, seconds: float) -> None:
        """Notes an access to the store, which is counted as calls are."""
        self._accesses.append((kind, seconds))

    def _count_ended(self) -> None:
        accesses, self._accesses = self._accesses, []
        for kind, seconds in accesses:
            observe = self._observing.get(kind) or self._observing.setdefault(
                kind, self._store_seconds.labels(kind).observe
            )
            observe(seconds)
        noted, self._ended = self._ended, []
        for path, kind, error, seconds in noted:
            key = (path, self._status_name(error), kind)
            ended, took, called = self._counting.get(key) or self._count(*key)
            ended()
            took(seconds)
            called()
            if isinstance(error, Unauthenticated | PermissionDenied | LimitExceeded):
                self._refusals.labels(error.reason.value).inc()

    def _count(self, path: str, status: str, kind: PrincipalKind) -> _Counting:
        """What counts such a call; to ask prometheus_client for it each time costs as much as to count."""
        method = path if path in self._methods else _UNKNOWN
        counting = (
            self._calls.labels(method, status).inc,
            self._seconds.labels(method).observe,
            self._callers.labels(kind.value).inc,
        )
        if method is not _UNKNOWN:
            self._counting[path, status, kind] = counting
        return counting

    async def sample(self, readings: Mapping[str, Reading]) -> None:
        """Counts the calls that ended, and reads gauges and totals, by their names, until it is cancelled."""
        for tick in itertools.count():
            self._count_ended()
            for name, read in readings.items() if tick % _TICKS_A_SAMPLE == 0 else ():
                self._take(name, read())
            await asyncio.sleep(_COUNT_SECONDS)

    def _take(self, name: str, value: float | Mapping[str, float] | None) -> None:
        if isinstance(value, float | int):
            self._gauges[name].set(value)
        for label, number in value.items() if isinstance(value, Mapping) else ():
            if name in self._totals:
                grown = number - self._read_before[name, label]
                self._totals[name].labels(label).inc(grown)
                self._read_before[name, label] = number
            else:
                self._gauges[name].labels(label).set(number)

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
