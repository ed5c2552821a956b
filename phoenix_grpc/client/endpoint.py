"""The address of a server, and the channel to it: encryption, retries, keepalive, limits."""

import ipaddress
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import grpc

from phoenix_grpc import __version__
from phoenix_grpc.client.renewal import RenewedChannel, fits
from phoenix_grpc.config import ClientSettings
from phoenix_grpc.contract import METHODS
from phoenix_grpc.errors import ConfigurationError

DEFAULT_PORT = 50051
MAX_RECEIVED_BYTES = 64 << 20


class Retries(NamedTuple):
    """How often a call is attempted, and the seconds between (gRFC A6)."""

    attempts: int = 4
    first_pause: float = 0.2
    longest_pause: float = 2.0
    growth: float = 2.0


RETRIES = Retries()
"""Of the methods that may run twice: they change nothing, or carry a request_id."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a server.

    Arguments:
        target: as gRPC names it, "host:port" or "unix:/path".
        tls: whether the connection is encrypted.
        local: whether it stays on this machine.
    """

    target: str
    tls: bool
    local: bool

    def __str__(self) -> str:
        return f"https://{self.target}" if self.tls else self.target


def parse_endpoint(address: str, tls: bool = False) -> Endpoint:
    """The endpoint of `host:port`, `http://host[:port]`, `https://host[:port]` or `unix:/path`.

    The default port is 50051, and 443 for https.

    Raises:
        ConfigurationError: when `address` is none of these.
    """
    if address.startswith("unix:"):
        return Endpoint(address, tls=False, local=True)
    try:
        url = urlsplit(address if "://" in address else f"//{address}")
        host, port = url.hostname, url.port
    except ValueError as error:
        raise _bad_address(address) from error
    if not host or url.scheme not in ("", "http", "https") or url.path.strip("/") or url.username or url.query:
        raise _bad_address(address)
    port = port or (443 if url.scheme == "https" else DEFAULT_PORT)
    bracketed = f"[{host}]" if ":" in host else host
    return Endpoint(f"{bracketed}:{port}", tls or url.scheme == "https", _is_loopback(host))


def _bad_address(address: str) -> ConfigurationError:
    # The part before an @ may be a password.
    return ConfigurationError(
        f"not a server's address: {address.split('@')[-1]!r}; it must be host:port, https://host[:port] or unix:/path"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_channel(endpoint: Endpoint, settings: ClientSettings) -> grpc.Channel:
    """A channel to `endpoint` that retries what is safe to retry, and takes up changed certificates.

    Arguments:
        settings: which certificates are trusted and shown.

    Raises:
        ConfigurationError: when a file of certificates cannot be read.
    """
    options = (
        ("grpc.service_config", service_config()),
        ("grpc.primary_user_agent", f"phoenix-grpc/{__version__}"),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", MAX_RECEIVED_BYTES),
        ("grpc.max_send_message_length", -1),  # the server limits it
        ("grpc.max_metadata_size", 32 << 10),
    )
    if not endpoint.tls:
        return grpc.insecure_channel(endpoint.target, options)
    cert, key, roots = settings.client_cert_file, settings.client_key_file, settings.client_ca_file
    return RenewedChannel(
        lambda: grpc.secure_channel(endpoint.target, _credentials(settings), options),
        tuple(file for file in (cert, key, roots) if file is not None),
        lambda: fits(cert, key, roots),
    )


def _credentials(settings: ClientSettings) -> grpc.ChannelCredentials:
    roots = _read(settings.client_ca_file, "PHOENIX_CLIENT_CA_FILE") or _system_roots()
    key = _read(settings.client_key_file, "PHOENIX_CLIENT_KEY_FILE")
    return grpc.ssl_channel_credentials(roots, key, _read(settings.client_cert_file, "PHOENIX_CLIENT_CERT_FILE"))


def _read(path: Path | None, setting: str) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise ConfigurationError(f"{setting}: cannot read {path}: {error.strerror}") from None


def _system_roots() -> bytes | None:
    """The machine's certificate authorities; gRPC itself would trust only its own list."""
    file = ssl.get_default_verify_paths().cafile
    return Path(file).read_bytes() if file else None


def service_config() -> str:
    """The retries of UNAVAILABLE that gRPC makes: all but those of streams, see calls.persistent."""
    unary = [method for method in METHODS.values() if not (method.reads_stream or method.writes_stream)]
    names = [{"service": method.service, "method": method.name} for method in unary if method.may_run_twice]
    policy = {
        "maxAttempts": RETRIES.attempts,
        "initialBackoff": f"{RETRIES.first_pause}s",
        "maxBackoff": f"{RETRIES.longest_pause}s",
        "backoffMultiplier": RETRIES.growth,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": names, "retryPolicy": policy}]})
