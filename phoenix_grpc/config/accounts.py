"""Settings of who gets in, and how."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from phoenix_grpc.config.fields import PREFIX, Group, Minutes, absolute


class AccountSettings(Group):
    """Credentials, what they are worth, and what is recorded of their use."""

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
    disable_rate_limit: bool = Field(
        False, description="Whether logins and /auth/* are not limited by address, nor reset mails by user."
    )
    audit_retention_days: Annotated[float, Field(gt=0, le=36_500)] = Field(
        90, description="Age at which audit events are removed."
    )
    audit_downloads: bool = Field(False, description="Whether downloads are recorded in the audit log, too.")
    audit_file: Path | None = Field(
        None, description="File that audit events are appended to as lines of JSON, for a SIEM; its folder must exist."
    )

    audit_otlp_endpoint: str = Field(
        "",
        description="URL of an OTLP collector, over gRPC, that audit events are sent to as logs (extra otel).",
        pattern="^(https?://.+)?$",
    )

    @field_validator("audit_file")
    @classmethod
    def _absolute_audit_file(cls, path: Path | None) -> Path | None:
        path = absolute(path)
        if path is not None and not path.parent.is_dir():
            raise ValueError("its folder does not exist")
        return path

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

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if self.secret and self.admin_secret and self.secret == self.admin_secret:
            raise ValueError(f"{PREFIX}ADMIN_SECRET must differ from {PREFIX}SECRET")
        return self


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
