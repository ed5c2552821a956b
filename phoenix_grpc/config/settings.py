"""All settings of the server."""

import ipaddress
import socket
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from phoenix_grpc.config.accounts import AccountSettings
from phoenix_grpc.config.admin_port import AdminSettings
from phoenix_grpc.config.database import DatabaseSettings
from phoenix_grpc.config.grpc_door import GrpcSettings
from phoenix_grpc.config.http_door import HttpSettings
from phoenix_grpc.config.identity import IdentitySettings
from phoenix_grpc.config.limits import LimitSettings
from phoenix_grpc.config.mail import MailSettings
from phoenix_grpc.config.tls import TlsSettings
from phoenix_grpc.config.tokens import TokenSettings
from phoenix_grpc.config.tracing import TracingSettings


# The settings of the last base come first.
class Settings(
    TracingSettings,
    AdminSettings,
    LimitSettings,
    MailSettings,
    HttpSettings,
    GrpcSettings,
    TlsSettings,
    IdentitySettings,
    TokenSettings,
    AccountSettings,
    DatabaseSettings,
):
    """All settings of the server: those of its parts, and those of the whole."""

    workers: Annotated[int, Field(ge=1, le=256)] = Field(
        1, description="Number of processes that serve the ports together."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    root_url: str = Field(
        "",
        description="Public URL of the server: links in mails lead there, pages of its origin are trusted, and without"
        " authentication requests for its name are served.",
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted,"
        " separated by commas; unix means every caller on PHOENIX_GRPC_UNIX_SOCKET.",
    )
    log_level: str = Field(
        "INFO",
        description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR.",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

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

    @property
    def dual_stack(self) -> bool:
        """Whether one socket listens on all addresses of IPv6 and of IPv4."""
        return self.host == "::" and socket.has_dualstack_ipv6()

    @property
    def secure_cookies(self) -> bool:
        """Whether browsers should send the cookies over TLS only."""
        return self.use_secure_cookies or self.tls_for_http or self.root_url.lower().startswith("https://")
