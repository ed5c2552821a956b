"""`phoenix-grpc keys`: API keys for programs."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from phoenix_grpc.cli.output import (
    counted,
    items,
    json_option,
    note,
    plain,
    print_json,
    print_table,
    time_text,
)
from phoenix_grpc.cli.remote import Server, server_options

if TYPE_CHECKING:
    from phoenix_grpc.client import Client
    from phoenix_grpc.v1 import auth_pb2

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_MAX_SECONDS = 100 * 365 * 86_400


class _Duration(click.ParamType[timedelta]):
    """A duration such as 30d, 12h, 90m or 45s."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"([0-9]{1,10})([smhdw])", str(value))
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not 0 < seconds <= _MAX_SECONDS:
            self.fail(f"{value!r} is not a duration: use 45s, 90m, 12h, 30d or 4w", param, ctx)
        return timedelta(seconds=seconds)


DURATION = _Duration()

_system_option = click.option("--system", is_flag=True, help="A system key, for a workload; requires an admin.")


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke API keys.

    \b
    Examples:
      phoenix-grpc keys create laptop --expires 30d
      phoenix-grpc keys list
    """


@keys.command("list")
@_system_option
@click.option("--all-users", is_flag=True, help="Everybody's personal keys; requires an admin.")
@click.option("--idle", type=DURATION, help="Only keys that were neither used nor created within this time: 90d.")
@server_options
@json_option
def list_keys(server: Server, system: bool, all_users: bool, idle: timedelta | None, as_json: bool) -> None:
    """List your keys, newest first.

    The secrets are never shown again. Keys that were created before the server limited their lifetime, and that
    outlive this limit, are marked.

    \b
    Examples:
      phoenix-grpc keys list
      phoenix-grpc keys list --system --json
      phoenix-grpc keys list --all-users --idle 90d
    """
    from phoenix_grpc.v1 import auth_pb2

    if system and all_users:
        raise click.UsageError("--system and --all-users exclude each other")
    with server.connect() as client:
        if system:
            pages = items(client.auth.ListSystemApiKeys, auth_pb2.ListSystemApiKeysRequest(idle=idle), "api_keys")
        else:
            request = auth_pb2.ListApiKeysRequest(all_users=all_users, idle=idle)
            pages = items(client.auth.ListApiKeys, request, "api_keys")
        found = list(pages)
    if as_json:
        return print_json([plain(key) for key in found])
    columns = ["ID", "NAME", "KEY", "CREATED", "EXPIRES", "LAST USED", "LIMITS"]
    print_table(columns + ["OWNER"] * all_users, (_row(key) + [key.user_email] * all_users for key in found))
    if outliving := sum(key.exceeds_max_lifetime for key in found):
        note(
            f"{counted(outliving, 'key')} marked * may live longer than this server allows now: rotate or revoke them."
        )
    return None


def _row(key: "auth_pb2.ApiKey") -> list[str]:
    limits = ["read-only"] * key.read_only + list(key.dataset_ids)
    if key.dataset_limited and not key.dataset_ids:
        limits.append("no dataset")
    created, expires, used = (time_text(time) for time in (key.create_time, key.expire_time, key.last_use_time))
    expires = (expires or "never") + " *" * key.exceeds_max_lifetime
    return [key.api_key_id, key.name, f"{key.hint}…", created, expires, used or "never", ", ".join(limits)]


@keys.command()
@click.argument("name")
@_system_option
@click.option("--description", help="The purpose of the key.")
@click.option(
    "--expires",
    type=DURATION,
    help="Lifetime of the key: 30d, 12h, 90m. [default: never, or as late as the server allows]",
)
@click.option("--read-only", is_flag=True, help="Create a key that can only read.")
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="Limit it to this dataset; may be repeated.")
@server_options
@json_option
def create(
    server: Server, system: bool, expires: timedelta | None, datasets: tuple[str, ...], as_json: bool, **fields: Any
) -> None:
    """Create an API key and print it once.

    An API key cannot create keys: log in, or use the admin secret.

    \b
    Examples:
      phoenix-grpc keys create laptop --expires 30d
      phoenix-grpc keys create nightly --system --read-only --dataset qa
      export PHOENIX_API_KEY=$(phoenix-grpc keys create ci)
    """
    from phoenix_grpc.v1 import auth_pb2

    expire_time = datetime.now(UTC) + expires if expires else None
    with server.connect() as client:
        dataset_ids = [_dataset_id(client, dataset) for dataset in datasets]
        request = auth_pb2.CreateApiKeyRequest(expire_time=expire_time, dataset_ids=dataset_ids, **fields)
        method = client.auth.CreateSystemApiKey if system else client.auth.CreateApiKey
        _print_secret(method(request), as_json)


def _dataset_id(client: "Client", name: str) -> str:
    from phoenix_grpc.v1 import datasets_pb2

    dataset: datasets_pb2.Dataset = client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name=name))
    return dataset.dataset_id


@keys.command()
@click.argument("key_id", metavar="ID")
@_system_option
@click.option(
    "--overlap", type=DURATION, help="How long the old secret keeps working, 1w at most. [default: not at all]"
)
@server_options
@json_option
def rotate(server: Server, key_id: str, system: bool, overlap: timedelta | None, as_json: bool) -> None:
    """Replace the secret of the key ID and print the new one once.

    \b
    Examples:
      phoenix-grpc keys rotate VXNlckFwaUtleTox
      phoenix-grpc keys rotate VXNlckFwaUtleTox --overlap 1h
    """
    from phoenix_grpc.v1 import auth_pb2

    request = auth_pb2.RotateApiKeyRequest(api_key_id=key_id, overlap=overlap)
    with server.connect() as client:
        method = client.auth.RotateSystemApiKey if system else client.auth.RotateApiKey
        _print_secret(method(request), as_json)


def _print_secret(made: "auth_pb2.ApiKeySecret", as_json: bool) -> None:
    """Prints only the key on stdout, so that scripts can capture it."""
    if as_json:
        return print_json(plain(made))
    note(f"API key {made.api_key.name} ({made.api_key.api_key_id}). It is shown only this once:")
    return click.echo(made.key)


@keys.command()
@click.argument("key_id", metavar="ID")
@_system_option
@server_options
def revoke(server: Server, key_id: str, system: bool) -> None:
    """Revoke the key ID.

    It is refused from the next call on.

    \b
    Examples:
      phoenix-grpc keys revoke VXNlckFwaUtleTox
      phoenix-grpc keys revoke U3lzdGVtQXBpS2V5OjE= --system
    """
    from phoenix_grpc.v1 import auth_pb2

    with server.connect() as client:
        method = client.auth.RevokeSystemApiKey if system else client.auth.RevokeApiKey
        method(auth_pb2.RevokeApiKeyRequest(api_key_id=key_id))
    note(f"Revoked {key_id}.")
