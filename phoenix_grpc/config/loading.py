"""Reads the settings: the only place that reads the environment."""

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from phoenix_grpc.config.client import ClientSettings
from phoenix_grpc.config.fields import PREFIX
from phoenix_grpc.config.settings import Settings
from phoenix_grpc.errors import ConfigurationError


def prefer_grpc_experiments() -> None:
    """Chooses gRPC's older listener, which takes a fifth less CPU a call (grpcio 1.85), unless GRPC_EXPERIMENTS is set.

    It has an effect only before grpc is imported. Only a process that serves calls it, not one that imports this
    package.
    """
    os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")


def share_metrics(folder: Path) -> None:
    """Has this process, and those that it starts, keep their metrics in a folder (prometheus_client).

    It has an effect only before prometheus_client is imported.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


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
