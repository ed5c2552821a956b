"""Settings of access tokens that others verify."""

from pathlib import Path

from pydantic import Field, field_validator

from phoenix_grpc.config.fields import Group, absolute


class TokenSettings(Group):
    """What signs access tokens, and what they say of where they are from and for whom."""

    signing_keys_dir: Path | None = Field(
        None,
        description="Folder of the private keys that sign access tokens, which others verify by /.well-known/jwks.json;"
        " without it PHOENIX_SECRET signs them.",
    )
    token_audience: str = Field(
        "phoenix_grpc",
        description="Audience of access tokens that such a key signs (aud); their issuer is PHOENIX_ROOT_URL.",
        min_length=1,
        max_length=500,
    )

    @field_validator("signing_keys_dir")
    @classmethod
    def _absolute_keys(cls, path: Path | None) -> Path | None:
        return absolute(path)
