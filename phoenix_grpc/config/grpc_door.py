"""Settings of the gRPC door."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from phoenix_grpc.config.fields import Group, Port, Seconds, absolute


class GrpcSettings(Group):
    """Where gRPC is served, and to how many."""

    grpc_port: Port = Field(50051, description="Port of the gRPC door; 0 takes a free one.")
    grpc_max_connections: Annotated[int, Field(ge=1)] = Field(
        4000,
        description="Maximum number of open connections on the gRPC port, of each worker; further ones are closed.",
    )
    grpc_max_connections_per_address: Annotated[int, Field(ge=1)] = Field(
        200, description="Maximum number of these from one address; trusted proxies may have more."
    )
    grpc_max_connection_age_seconds: Seconds = Field(
        1800,
        description="How long a gRPC connection takes new calls; clients then open another, which another worker may"
        " get. Calls that run are not cut off.",
    )
    grpc_unix_socket: Path | None = Field(None, description="Path of a Unix socket on which gRPC is served as well.")
    grpc_reflection: bool = Field(True, description="Whether server reflection is open to callers without credentials.")

    @field_validator("grpc_unix_socket")
    @classmethod
    def _short(cls, path: Path | None) -> Path | None:
        path = absolute(path)
        if path and len(str(path).encode()) > 107:
            raise ValueError("the path of a socket has 107 bytes at most")
        return path
