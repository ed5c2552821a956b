"""What fields of settings are made of."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "PHOENIX_"

Port = Annotated[int, Field(ge=0, le=65535)]
Minutes = Annotated[float, Field(gt=0, le=5_256_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Group(BaseSettings):
    """Some of the settings. The description of a field is its documentation; docs/reference.md lists them all."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)


def absolute(path: Path | None) -> Path | None:
    """A path from the root of the file system; ~ is the home of the user."""
    return path and path.expanduser().absolute()
