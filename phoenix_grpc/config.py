"""The settings: one frozen object, read from `PHOENIX_*` variables and flags; the only reader of the environment."""

import ipaddress
import os
import re
import socket
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import unquote, urlsplit

from platformdirs import user_config_path
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from phoenix_grpc.errors import ConfigurationError

PREFIX = "PHOENIX_"

Port = Annotated[int, Field(ge=0, le=65535)]
Minutes = Annotated[float, Field(gt=0, le=5_256_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Settings(BaseSettings):
    """All settings of the server. The description of a field is its documentation; docs/reference.md lists them all."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="Number of processes that serve the ports together."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
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
    working_dir: Path = Field(
        Path("~/.phoenix_grpc"),
        validate_default=True,
        description="Folder of the database and of the generated secret.",
    )
    sql_database_url: str = Field(
        "",
        repr=False,
        description="Database: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME; by default a file in the working"
        " folder.",
    )
    sql_replica_url: str = Field(
        "",
        repr=False,
        description="Streaming replica of the PostgreSQL database, from which downloads and pages of examples and"
        " versions are read.",
    )
    sql_migration_url: str = Field(
        "",
        repr=False,
        description="The PostgreSQL database for migrations, if that takes another way or another role: past a pooler,"
        " or as the owner of the tables.",
    )
    sql_pool_size: Annotated[int, Field(ge=1, le=1000)] = Field(
        8,
        description="Maximum number of connections to PostgreSQL for reads; as many for writes and as many for the work"
        " of uploads; seven are extra.",
    )
    sql_prepared_statements: bool = Field(
        True, description="Whether statements are prepared on PostgreSQL; PgBouncer before 1.21 cannot pass them on."
    )
    sqlite_busy_seconds: Seconds = Field(30, description="How long a write waits for a write of another process.")
    disk_reserve_bytes: Annotated[int, Field(ge=0)] = Field(
        256 << 20,
        description="Space on the database's disk that uploads and other additions leave free for deletes,"
        " revocations and logins; a twentieth of the disk at most.",
    )

    enable_auth: bool = Field(True, description="Whether callers must authenticate.")
    secret: SecretStr | None = Field(
        None,
        description="Secret that signs tokens; by default generated at the first start and kept in the working folder.",
    )
    secret_previous: SecretStr | None = Field(
        None, description="Previous secret, which still verifies tokens after PHOENIX_SECRET has changed."
    )
    admin_secret: SecretStr | None = Field(None, description="A bearer credential with the permissions of an admin.")
    default_admin_initial_password: SecretStr | None = Field(
        None, description="Password of the first admin, admin@localhost; by default random, and printed once."
    )
    admins: Annotated[tuple[tuple[str, str], ...], NoDecode] = Field(
        (), description="Admins to create at the start, as name=email;name=email; existing users are not changed."
    )
    disable_basic_auth: bool = Field(False, description="Whether password login is switched off.")
    enable_strong_password_policy: bool = Field(
        False, description="Whether passwords require 12 characters with upper case, lower case, a digit and a symbol."
    )
    access_token_expiry_minutes: Minutes = Field(10, description="Lifetime of access tokens.")
    refresh_token_expiry_minutes: Minutes = Field(10080, description="Lifetime of refresh tokens.")
    password_reset_token_expiry_minutes: Minutes = Field(15, description="Lifetime of password reset links.")
    api_key_max_days: Annotated[float, Field(gt=0, le=36_500)] | None = Field(
        None,
        description="Maximum lifetime of API keys and system keys; existing keys keep theirs and are reported.",
    )
    disable_brute_force_login_protection: bool = Field(
        False, description="Whether failed logins are not limited by e-mail."
    )
    brute_force_login_protection_max_attempts: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="Number of failed logins after which an e-mail is locked for 5 minutes."
    )

    root_url: str = Field(
        "",
        description="Public URL of the server: links in mails lead there, pages of its origin are trusted, and without"
        " authentication requests for its name are served.",
    )
    smtp_hostname: str = Field("", description="Mail server; without one, no mail is sent.")
    smtp_port: Port = Field(587, description="Port of the mail server.")
    smtp_username: str = Field("", description="User name at the mail server.")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail server.")
    smtp_mail_from: str = Field("noreply@localhost", description="Sender address of mails.")
    smtp_validate_certs: bool = Field(True, description="Whether the mail server's certificate is checked.")

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
    shutdown_grace_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        10, description="How long running calls may continue after SIGTERM."
    )
    audit_retention_days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        90, description="Age at which audit events are removed."
    )
    audit_downloads: bool = Field(False, description="Whether downloads are recorded in the audit log, too.")
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
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted,"
        " separated by commas; unix means every caller on PHOENIX_GRPC_UNIX_SOCKET.",
    )
    use_secure_cookies: bool = Field(
        False, description="Whether cookies are marked Secure; they always are if PHOENIX_ROOT_URL begins with https."
    )
    cookies_path: str = Field("/", description="Path of the cookies.", pattern="^/[A-Za-z0-9._~/-]*$")
    disable_rate_limit: bool = Field(
        False, description="Whether logins and /auth/* are not limited by address, nor reset mails by user."
    )
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

    log_level: str = Field(
        "INFO",
        description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR.",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
    )

    @field_validator("working_dir", "grpc_unix_socket")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @field_validator("secret", "secret_previous", "admin_secret")
    @classmethod
    def _strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            _require_strong(secret.get_secret_value())
        return secret

    @field_validator("admins", mode="before")
    @classmethod
    def _pairs(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        pairs = [tuple(part.strip() for part in entry.split("=")) for entry in text.split(";") if entry.strip()]
        if any(len(pair) != 2 or not all(pair) for pair in pairs):
            raise ValueError("must be name=email;name=email")
        return pairs

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

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        try:
            entries = [entry.strip() for entry in text.split(",") if entry.strip()]
            return [entry if entry == "unix" else str(ipaddress.ip_network(entry)) for entry in entries]
        except ValueError:
            raise ValueError("must be addresses, networks like 10.0.0.0/8, or unix, separated by commas") from None

    @field_validator("grpc_unix_socket")
    @classmethod
    def _short(cls, path: Path | None) -> Path | None:
        if path and len(str(path).encode()) > 107:
            raise ValueError("the path of a socket has 107 bytes at most")
        return path

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.secret and self.admin_secret and self.secret == self.admin_secret:
            raise ValueError(f"{PREFIX}ADMIN_SECRET must differ from {PREFIX}SECRET")
        return self

    @property
    def shares_database(self) -> bool:
        """Whether servers on other machines may use the same database."""
        return not self.database_url.startswith("sqlite:")

    @property
    def database_url(self) -> str:
        """The URL of the database."""
        return self.sql_database_url or f"sqlite:///{self.working_dir / 'phoenix_grpc.db'}"

    @property
    def dual_stack(self) -> bool:
        """Whether one socket listens on all addresses of IPv6 and of IPv4."""
        return self.host == "::" and socket.has_dualstack_ipv6()

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers should send the cookies over TLS only."""
        return self.use_secure_cookies or self.root_url.lower().startswith("https://")


def _require_strong(secret: str) -> None:
    if not (
        len(secret) >= 32
        and secret.isascii()
        and secret.isprintable()
        and " " not in secret
        and any(c.isdigit() for c in secret)
        and any(c.islower() for c in secret)
    ):
        raise ValueError(
            "must have at least 32 ASCII characters without white space, including a digit and a lower-case letter"
        )


class ClientSettings(BaseSettings):
    """The settings of clients: the server's address and the credential. docs/reference.md lists these, too."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    grpc_address: str = Field("", description="Server to call: host:port, https://host[:port] or unix:/path.")
    collector_endpoint: str = Field(
        "", description="URL of a Phoenix server; its host is called if PHOENIX_GRPC_ADDRESS is not set."
    )
    grpc_port: Port = Field(50051, description="Port to call on this machine if neither of these is set.")
    api_key: SecretStr | None = Field(None, description="API key, access token or admin secret to send.")
    client_headers: Annotated[dict[str, str], NoDecode] = Field(
        {},
        repr=False,
        description="Metadata to send with every call, as key=value,key=value with URL-encoded values.",
    )
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

    @field_validator("config_dir")
    @classmethod
    def _home(cls, path: Path) -> Path:
        return path.expanduser()

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


def prefer_grpc_experiments() -> None:
    """Chooses gRPC's older listener, which takes a fifth less CPU a call (grpcio 1.85), unless GRPC_EXPERIMENTS is set.

    It has an effect only before grpc is imported. Only a process that serves calls it, not one that imports this
    package.
    """
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")


def load_settings(**flags: Any) -> Settings:
    """The settings of the environment, overridden by the flags that are not None.

    Raises:
        ConfigurationError: names each variable with a bad value and says what would be right; never shows the value.
    """
    return _load(Settings, flags)


def load_client_settings(**flags: Any) -> ClientSettings:
    """As `load_settings`, for clients."""
    return _load(ClientSettings, flags)


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def _load(kind: type[AnySettings], flags: dict[str, Any]) -> AnySettings:
    try:
        return kind(**{name: value for name, value in flags.items() if value is not None})
    except ValidationError as error:
        problems = (
            f"{PREFIX}{'_'.join(str(part) for part in problem['loc'][:1]).upper()}: {problem['msg']}"
            if problem["loc"]
            else problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError("; ".join(problems)) from None
