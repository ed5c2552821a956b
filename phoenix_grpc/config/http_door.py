"""Settings of the HTTP door."""

import re
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from phoenix_grpc.config.fields import Group, Port, Seconds


class HttpSettings(Group):
    """Where HTTP is served, to how many, and to the pages of which origins."""

    port: Port = Field(6006, description="Port of the HTTP door; 0 takes a free one.")
    host_root_path: str = Field(
        "",
        description="Path under which a proxy serves the HTTP door, such as /phoenix.",
        pattern="^(/[A-Za-z0-9._~-]+)*/?$",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins whose pages may call the HTTP door (CORS), separated by commas."
    )
    csrf_trusted_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Additional origins whose pages may send unsafe requests with a cookie, separated by commas."
    )
    use_secure_cookies: bool = Field(
        False,
        description="Whether cookies are marked Secure; they always are over TLS, and if PHOENIX_ROOT_URL begins with"
        " https.",
    )
    cookies_path: str = Field("/", description="Path of the cookies.", pattern="^/[A-Za-z0-9._~/-]*$")
    http_max_json_bytes: Annotated[int, Field(ge=65_536, le=1 << 32)] = Field(
        256 << 20,
        description="Maximum size of the JSON body of an upload, decompressed; it waits on disk until it is complete.",
    )
    http_max_upload_bytes: Annotated[int, Field(ge=65_536)] = Field(
        8 << 30,
        description="Maximum size of the multipart body of an upload, decompressed; it waits on disk as well.",
    )
    http_max_header_bytes: Annotated[int, Field(ge=4096, le=1 << 20)] = Field(
        32 << 10, description="Maximum size of the head of an HTTP request."
    )
    http_max_connections: Annotated[int, Field(ge=1)] = Field(
        1000,
        description="Maximum number of open HTTP connections, of each worker; a new one then closes the one that is"
        " idle longest.",
    )
    http_max_connections_per_address: Annotated[int, Field(ge=1)] = Field(
        200, description="Maximum number of these from one address; trusted proxies may have more."
    )
    http_idle_seconds: Seconds = Field(
        60, description="How long an HTTP request may send nothing, or less than 1 KiB/s, before it is ended."
    )

    @field_validator("host_root_path")
    @classmethod
    def _without_slash(cls, path: str) -> str:
        return path.rstrip("/")

    @field_validator("allowed_origins", "csrf_trusted_origins", mode="before")
    @classmethod
    def _origins(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        origins = [origin.strip().rstrip("/").lower() for origin in text.split(",") if origin.strip()]
        if any(not re.fullmatch(r"https?://[^/?#\s@*]+", origin) for origin in origins):
            raise ValueError("must be origins like https://example.com:8443, separated by commas")
        return origins
