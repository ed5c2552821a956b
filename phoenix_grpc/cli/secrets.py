"""`phoenix-grpc secrets`: the keys that sign access tokens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phoenix_grpc.cli.keys import DURATION
from phoenix_grpc.cli.output import json_option, note, print_json, print_table

if TYPE_CHECKING:
    from phoenix_grpc.credentials.signing_keys import SigningKey

_FOLDER = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the keys. [default: PHOENIX_SIGNING_KEYS_DIR]",
)
_ALGORITHMS = ("ES256", "EdDSA")


@click.group()
def secrets() -> None:
    """Rotate and list the keys that sign access tokens.

    \b
    Examples:
      phoenix-grpc secrets rotate
      phoenix-grpc secrets list
    """


@secrets.command()
@_FOLDER
@click.option(
    "--in", "lead", type=DURATION, default="1h", show_default=True, help="How long the key is published first."
)
@click.option("--now", "at_once", is_flag=True, help="Sign by it at once: whoever has the old keys cached refuses it.")
@click.option(
    "--algorithm", type=click.Choice(_ALGORITHMS), default="ES256", show_default=True, help="Kind of the key."
)
def rotate(folder: Path | None, lead: timedelta, at_once: bool, algorithm: str) -> None:
    """Make a key that signs access tokens from a while on, and remove those whose tokens have ended.

    Servers take it up within a second, publish it at once, and sign by it when its time has come; so that no call
    fails, that must be longer than anybody caches /.well-known/jwks.json. The first key of a folder signs at once.

    \b
    Examples:
      phoenix-grpc secrets rotate
      phoenix-grpc secrets rotate --dir /etc/phoenix-grpc/keys --in 1d
    """
    from phoenix_grpc.config import load_settings
    from phoenix_grpc.credentials.signing_keys import make_key, read_keys, retired

    settings = load_settings(signing_keys_dir=folder)
    folder = _required(settings.signing_keys_dir)
    keys = read_keys(folder) if folder.is_dir() and any(folder.glob("*.pem")) else ()
    begins = datetime.now(UTC) + (lead if keys and not at_once else timedelta())
    key = make_key(folder, begins, algorithm)
    note(f"{key.path.name}: {key.algorithm} key {key.kid} signs from {begins:%Y-%m-%d %H:%M:%S} UTC on.")
    for old in retired(keys, int(settings.access_token_expiry_minutes * 60_000_000)):
        old.path.unlink()
        note(f"{old.path.name}: removed; its tokens have ended.")


@secrets.command("list")
@_FOLDER
@json_option
def list_keys(folder: Path | None, as_json: bool) -> None:
    """List the keys, the oldest first.

    \b
    Examples:
      phoenix-grpc secrets list
      phoenix-grpc secrets list --dir /etc/phoenix-grpc/keys --json
    """
    from phoenix_grpc.config import load_settings
    from phoenix_grpc.credentials.signing_keys import SigningKeys

    keys = SigningKeys(_required(load_settings(signing_keys_dir=folder).signing_keys_dir))
    rows = [_facts(key, keys.current()) for key in keys.keys]
    if as_json:
        print_json(rows)
    else:
        print_table(["FILE", "KEY", "ALGORITHM", "SIGNS FROM", "STATE"], [list(row.values()) for row in rows])


def _facts(key: "SigningKey", current: "SigningKey") -> dict[str, str]:
    state = "verifies" if key.begins < current.begins else "signs" if key is current else "is next"
    begins = datetime.fromtimestamp(key.begins / 1_000_000, UTC).isoformat().replace("+00:00", "Z")
    return {"file": key.path.name, "kid": key.kid, "algorithm": key.algorithm, "signs_from": begins, "state": state}


def _required(folder: Path | None) -> Path:
    from phoenix_grpc.errors import ConfigurationError

    if folder is None:
        raise ConfigurationError("PHOENIX_SIGNING_KEYS_DIR is not set; --dir names a folder, too")
    return folder
