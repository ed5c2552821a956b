"""The server that a command calls: its address, the credentials for it, and a client."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from phoenix_grpc.cli.failures import failure_of
from phoenix_grpc.cli.logins import Login, Logins

if TYPE_CHECKING:
    from phoenix_grpc.client import Client
    from phoenix_grpc.config import ClientSettings
    from phoenix_grpc.v1 import auth_pb2

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Server:
    """A server as the options of a command name it.

    Arguments:
        address: None means the one in the environment.
        api_key: None means PHOENIX_API_KEY or PHOENIX_API_KEY_FILE, or else the stored login.
    """

    address: str | None
    api_key: str | None
    insecure: bool

    @functools.cached_property
    def settings(self) -> "ClientSettings":
        """The settings of the environment, overridden by the options."""
        from phoenix_grpc.config import load_client_settings

        return load_client_settings(grpc_address=self.address, api_key=self.api_key)

    @functools.cached_property
    def name(self) -> str:
        """The normalized address, under which the login is kept."""
        from phoenix_grpc.client.endpoint import parse_endpoint

        return str(parse_endpoint(self.settings.address))

    @property
    def logins(self) -> Logins:
        """The stored logins."""
        return Logins(self.settings.config_dir)

    @contextlib.contextmanager
    def connect(self) -> Iterator["Client"]:
        """A client with the credentials for this server. Its errors end the command."""
        from phoenix_grpc.client import Client, PhoenixError

        settings = self.settings
        has_key = settings.api_key or settings.api_key_file or "authorization" in settings.client_headers
        source = None if has_key else functools.partial(self.logins.token, self.name, refresh=self._refresh)
        try:
            with Client(self.address, self.api_key, token_source=source, insecure=self.insecure) as client:
                yield client
        except PhoenixError as error:
            raise failure_of(error, self.name) from None

    def _refresh(self, login: Login) -> Login:
        from phoenix_grpc.client import Client
        from phoenix_grpc.v1 import auth_pb2

        with Client(self.address, insecure=self.insecure) as client:
            pair = client.auth.RefreshToken(auth_pb2.RefreshTokenRequest(refresh_token=login.refresh_token))
        return login_of(login.email, pair)


def login_of(email: str, pair: "auth_pb2.TokenPair") -> Login:
    """The login to keep of a pair of tokens."""
    expires_at = pair.access_token_expire_time.ToMicroseconds() / 1e6
    return Login(email, pair.access_token, pair.refresh_token, expires_at)


_ADDRESS = click.option(
    "--address",
    metavar="ADDRESS",
    help="Server: host:port, https://host[:port] or unix:/path. "
    "[default: PHOENIX_GRPC_ADDRESS, the host of PHOENIX_COLLECTOR_ENDPOINT, or 127.0.0.1 at "
    "PHOENIX_GRPC_PORT or 50051]",
)
_INSECURE = click.option("--insecure", is_flag=True, help="Send credentials unencrypted to another machine.")
_API_KEY = click.option(
    "--api-key",
    metavar="KEY",
    help="API key or admin secret. Others on this machine see options: prefer PHOENIX_API_KEY. "
    "[default: PHOENIX_API_KEY, then PHOENIX_API_KEY_FILE, then the stored login]",
)


def address_options(command: F) -> F:
    """Adds the options that name a server to a command, as its parameter `server`."""

    @functools.wraps(command)
    def named(address: str | None, insecure: bool, api_key: str | None = None, **options: Any) -> Any:
        return command(server=Server(address, api_key, insecure), **options)

    return _ADDRESS(_INSECURE(named))  # type: ignore[return-value]


def server_options(command: F) -> F:
    """As `address_options`, with the option for a credential in place of the stored login."""
    return _API_KEY(address_options(command))
