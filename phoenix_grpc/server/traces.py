"""Traces of calls by OpenTelemetry, sent in batches by a thread of its SDK."""

import random
import threading
from collections.abc import Callable

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from phoenix_grpc import __version__
from phoenix_grpc.errors import Error, LimitExceeded
from phoenix_grpc.guard.call import Call
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.tracing import Span, TraceContext

_FORCED_PER_SECOND = 100
"""How many calls a second are traced because their callers say so: strangers say it too, and a span costs memory."""

_FAILURES = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
"""Statuses that are a server's fault, by OpenTelemetry's conventions for gRPC."""

_UNNAMED = "unknown_service"
"""With what the SDK's name for a service begins that has none."""

_NAME_CHARS = 200
_CLOSE_SECONDS = 2.0


class _Span:
    """A span of OpenTelemetry."""

    __slots__ = ("_span", "_tracer")

    def __init__(self, tracer: Tracer, span: OtelSpan) -> None:
        self._tracer = tracer
        self._span = span

    @property
    def trace_id(self) -> str:
        return format_trace_id(self._span.get_span_context().trace_id)

    def child(self, name: str) -> Span:
        return _Span(self._tracer, self._tracer.start_span(name, set_span_in_context(self._span)))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, name: str, value: str | int) -> None:
        self._span.set_attribute(name, value)

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class Traces:
    """Begins a span for a call that is to be traced, and ends it as an observer of the guard.

    A sampler of the SDK would begin a span for every call to drop most of them, at a tenth of what a call costs.

    Arguments:
        collector: the URL of an OTLP collector, over gRPC.
        share: of the calls that no caller has decided about.
        status_name: the name of the status that a call ends with.
    """

    def __init__(self, collector: str, share: float, status_name: Callable[[Error | None], str]) -> None:
        self._provider = TracerProvider(ALWAYS_ON, _resource(), shutdown_on_exit=False)
        self._exporter = OTLPSpanExporter(endpoint=collector)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("phoenix_grpc", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._share = share
        self._status_name = status_name
        self._forced = RateLimit(_FORCED_PER_SECOND, 60 * _FORCED_PER_SECOND)

    def begin(self, name: str, context: TraceContext) -> Span | None:
        """The span of a call or a request; None when it is not traced."""
        if not self._wanted(context.sampled):
            return None
        parent = self._propagator.extract({"traceparent": context.parent, "tracestate": context.state})
        return _Span(self._tracer, self._tracer.start_span(name, parent, SpanKind.SERVER))

    def _wanted(self, sampled: bool | None) -> bool:
        if sampled is None:
            return random.random() < self._share  # noqa: S311 - nothing to guess
        if not sampled:
            return False
        try:
            self._forced.require("")
        except LimitExceeded:
            return False
        return True

    def __call__(self, call: Call, error: Error | None) -> None:
        """Ends the span of a call that has ended, now."""
        if (span := call.span) is None:
            return
        status = self._status_name(error)
        span.note("rpc.system.name", "grpc")
        span.note("rpc.method", call.path.strip("/")[:_NAME_CHARS])
        span.note("rpc.response.status_code", status)
        span.note("client.address", call.address)
        span.note("phoenix_grpc.request_id", call.request_id)
        span.note("phoenix_grpc.principal", call.principal.kind.value)
        span.end(status if status in _FAILURES else "")

    def close(self) -> None:
        """Sends what is left, within two seconds."""
        # The SDK itself would try for half a minute to reach a collector that is away.
        late = threading.Timer(_CLOSE_SECONDS, self._exporter.shutdown)
        late.start()
        self._provider.shutdown()
        late.cancel()


def _resource() -> Resource:
    """This server, unless OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES name it otherwise."""
    found = Resource.create({SERVICE_VERSION: __version__})
    if str(found.attributes[SERVICE_NAME]).startswith(_UNNAMED):
        found = found.merge(Resource({SERVICE_NAME: "phoenix-grpc"}))
    return found
