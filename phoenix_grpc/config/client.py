"""Settings of clients."""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from platformdirs import user_config_path
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from phoenix_grpc.config.fields import PREFIX, Group, Port


class ClientSettings(Group):
    """The settings of clients: the server's address and the credential. docs/reference.md lists these, too."""

    grpc_address: str = Field("", description="Server to call: host:port, https://host[:port] or unix:/path.")
    collector_endpoint: str = Field(
        "", description="URL of a Phoenix server; its host is called if PHOENIX_GRPC_ADDRESS is not set."
    )
    grpc_port: Port = Field(50051, description="Port to call on this machine if neither of these is set.")
    api_key: SecretStr | None = Field(None, description="API key, access token or admin secret to send.")
    api_key_file: Path | None = Field(
        None,
        description="File of the credential, read at every call: a token that is renewed there, such as that of a"
        " Kubernetes service account. PHOENIX_API_KEY comes first.",
    )
    client_headers: Annotated[dict[str, str], NoDecode] = Field(
        {},
        repr=False,
        description="Metadata to send with every call, as key=value,key=value with URL-encoded values.",
    )
    client_ca_file: Path | None = Field(
        None,
        description="File of the authorities that the server's certificate must come from (PEM); by default those of"
        " this machine.",
    )
    client_cert_file: Path | None = Field(
        None, description="File of the certificate that the client shows, and of those between (PEM)."
    )
    client_key_file: Path | None = Field(None, description="File of its private key (PEM).")
    config_dir: Path = Field(
        default_factory=lambda: user_config_path("phoenix-grpc"),
        description="Folder of the logins that the command line keeps; by default the settings folder of this system.",
    )

    @field_validator("collector_endpoint")
    @classmethod
    def _url(cls, url: str) -> str:
        if url and not urlsplit(url).hostname:
            raise ValueError("must be a URL like http://localhost:6006")
        return url

    @field_validator("config_dir", "api_key_file", "client_ca_file", "client_cert_file", "client_key_file")
    @classmethod
    def _home(cls, path: Path | None) -> Path | None:
        return path and path.expanduser()

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError(f"{PREFIX}CLIENT_CERT_FILE, {PREFIX}CLIENT_KEY_FILE: one needs the other")
        return self

    @field_validator("client_headers", mode="before")
    @classmethod
    def _headers(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        pairs = [entry.partition("=") for entry in text.split(",") if entry.strip()]
        if not all(name.strip() and equals for name, equals, _ in pairs):
            raise ValueError("must be key=value,key=value with URL-encoded values")
        return {unquote(name.strip()).lower(): unquote(value.strip()) for name, _, value in pairs}

    @property
    def address(self) -> str:
        """The address of the server."""
        url = urlsplit(self.collector_endpoint)
        host = f"[{url.hostname}]" if url.hostname and ":" in url.hostname else url.hostname
        return self.grpc_address or (f"{url.scheme}://{host}" if host else f"127.0.0.1:{self.grpc_port}")
