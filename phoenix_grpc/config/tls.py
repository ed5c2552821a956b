"""Settings of TLS."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from phoenix_grpc.config.fields import PREFIX, Group, absolute


class TlsSettings(Group):
    """Which doors speak TLS, and what they show and ask for."""

    tls_enabled: bool = Field(False, description="Whether both doors speak TLS, and nothing else.")
    tls_enabled_for_grpc: bool | None = Field(
        None, description="Whether the gRPC door does; by default as PHOENIX_TLS_ENABLED says."
    )
    tls_enabled_for_http: bool | None = Field(
        None, description="Whether the HTTP door does; by default as PHOENIX_TLS_ENABLED says."
    )
    tls_cert_file: Path | None = Field(
        None, description="File of the certificate and of those between it and the authority (PEM)."
    )
    tls_key_file: Path | None = Field(None, description="File of the certificate's private key (PEM).")
    tls_key_file_password: SecretStr | None = Field(None, description="Password of the key file, if it is encrypted.")
    tls_ca_file: Path | None = Field(
        None, description="File of the authorities that certificates of clients must come from (PEM)."
    )
    tls_verify_client: bool = Field(
        False, description="Whether clients need a certificate of an authority in PHOENIX_TLS_CA_FILE to connect."
    )

    @property
    def tls_for_grpc(self) -> bool:
        """Whether the gRPC door speaks TLS."""
        return self.tls_enabled if self.tls_enabled_for_grpc is None else self.tls_enabled_for_grpc

    @property
    def tls_for_http(self) -> bool:
        """Whether the HTTP door speaks TLS."""
        return self.tls_enabled if self.tls_enabled_for_http is None else self.tls_enabled_for_http

    @field_validator("tls_cert_file", "tls_key_file", "tls_ca_file")
    @classmethod
    def _absolute_file(cls, path: Path | None) -> Path | None:
        return absolute(path)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        speaks = self.tls_for_grpc or self.tls_for_http
        for name in ("CERT_FILE", "KEY_FILE"):
            if speaks and getattr(self, f"tls_{name.lower()}") is None:
                raise ValueError(f"{PREFIX}TLS_{name}: is required for TLS")
        if self.tls_verify_client and not speaks:
            raise ValueError(f"{PREFIX}TLS_VERIFY_CLIENT: needs {PREFIX}TLS_ENABLED=true")
        if self.tls_verify_client and self.tls_ca_file is None:
            raise ValueError(f"{PREFIX}TLS_CA_FILE: is required by {PREFIX}TLS_VERIFY_CLIENT")
        return self
