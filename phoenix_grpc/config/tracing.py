"""Settings of tracing."""

from typing import Annotated

from pydantic import Field

from phoenix_grpc.config.fields import Group


class TracingSettings(Group):
    """Where traces of calls go (OpenTelemetry); the extra otel has the packages for it."""

    server_instrumentation_otlp_trace_collector_grpc_endpoint: str = Field(
        "",
        description="URL of the OTLP collector, over gRPC, that traces of calls are sent to, such as"
        " http://127.0.0.1:4317; empty sends none.",
        pattern="^(https?://.+)?$",
    )
    trace_sampling: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="Share of calls that are traced; those that a traced caller makes are traced as well."
    )

    @property
    def trace_collector(self) -> str:
        """The URL that traces are sent to, by a shorter name than Phoenix's."""
        return self.server_instrumentation_otlp_trace_collector_grpc_endpoint
