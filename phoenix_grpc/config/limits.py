"""Settings of what one caller may take, and all of them together."""

from typing import Annotated

from pydantic import Field

from phoenix_grpc.config.fields import Group, Seconds


class LimitSettings(Group):
    """Bounds of memory and time, at both doors."""

    max_message_bytes: Annotated[int, Field(ge=65_536, le=1 << 30)] = Field(
        4 << 20, description="Maximum size of a gRPC message; a larger one is RESOURCE_EXHAUSTED."
    )
    max_inflight_bytes: Annotated[int, Field(ge=1 << 20)] = Field(
        128 << 20,
        description="Memory for all requests that are being read and served; while it is used up, a request waits "
        "2 seconds and is then RESOURCE_EXHAUSTED.",
    )
    max_record_bytes: Annotated[int, Field(ge=1024, le=1 << 28)] = Field(
        16 << 20, description="Maximum size of a record of an upload, decompressed."
    )
    upload_idle_seconds: Seconds = Field(
        60, description="How long an upload may send nothing, or less than 1 KiB/s, before it is ended."
    )
    download_stall_seconds: Seconds = Field(
        60,
        description="How long a client may not read from a download, or from any HTTP response, before it is cut off.",
    )
    max_downloads_per_caller: Annotated[int, Field(ge=1)] = Field(
        100,
        description="Maximum number of open downloads of one caller, of each worker; further ones are"
        " RESOURCE_EXHAUSTED, or 429.",
    )
    max_concurrent_calls: Annotated[int, Field(ge=1)] = Field(
        10_000, description="Maximum number of calls served at once; further ones are RESOURCE_EXHAUSTED."
    )
    max_calls_per_second_per_caller: Annotated[float, Field(ge=0)] = Field(
        0, description="How many calls a second one user or system key may begin in the long run; 0 is without limit."
    )
    max_calls_per_second_per_address: Annotated[float, Field(ge=0)] = Field(
        0, description="How many calls a second may come from one address in the long run; 0 is without limit."
    )
    call_burst_seconds: Annotated[float, Field(ge=1, le=3600)] = Field(
        10, description="How many seconds' worth of these calls may come at once."
    )
    max_loop_lag_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        1,
        description="How late the server may be, again and again, before it refuses new calls until it has caught up; 0"
        " never does.",
    )
    shutdown_delay_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        0,
        description="How long a server that was told to stop goes on serving while health says that it does not, so"
        " that load balancers turn to others first.",
    )
    shutdown_grace_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        10, description="How long running calls may continue after that."
    )
