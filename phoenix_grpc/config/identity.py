"""Settings of who calls without a credential of ours."""

from pathlib import Path

from pydantic import Field, field_validator

from phoenix_grpc.config.fields import Group, absolute


class IdentitySettings(Group):
    """Where it says which workloads there are."""

    identity_file: Path | None = Field(
        None,
        description="TOML file of workloads that are known by a client certificate, or by a proxy that has verified"
        " one; a changed one is taken up.",
    )

    @field_validator("identity_file")
    @classmethod
    def _absolute_file(cls, path: Path | None) -> Path | None:
        return absolute(path)
