"""Settings of the admin port."""

from pydantic import Field

from phoenix_grpc.config.fields import Group, Port


class AdminSettings(Group):
    """Where those who operate the server ask how it is; nobody else should reach it."""

    admin_port: Port | None = Field(
        None,
        description="Port of /metrics, /healthz and /readyz in plain HTTP, without credentials; 0 takes a free one.",
    )
    admin_host: str = Field(
        "127.0.0.1", description="Address that the admin port is on; Kubernetes probes no loopback address."
    )
