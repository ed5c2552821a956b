"""Settings of mails."""

from pydantic import Field, SecretStr

from phoenix_grpc.config.fields import Group, Port


class MailSettings(Group):
    """The mail server, and the sender."""

    smtp_hostname: str = Field("", description="Mail server; without one, no mail is sent.")
    smtp_port: Port = Field(587, description="Port of the mail server.")
    smtp_username: str = Field("", description="User name at the mail server.")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail server.")
    smtp_mail_from: str = Field("noreply@localhost", description="Sender address of mails.")
    smtp_validate_certs: bool = Field(True, description="Whether the mail server's certificate is checked.")
