"""E-mails, by which users log in."""

import unicodedata

import email_validator

from phoenix_grpc.errors import Invalid

MAX_LENGTH = 254  # RFC 5321

# Users of a server in a private network have such addresses, and the first admin is admin@localhost.
for _name in ("localhost", "local", "test"):
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_name)


def normal_email(text: str) -> str:
    """The form in which e-mails are stored and compared: trimmed, composed (NFC) and in lower case."""
    return unicodedata.normalize("NFC", text.strip().lower())


def checked_email(text: str, field: str) -> str:
    """The e-mail in its normal form; no DNS lookup is made.

    Raises:
        Invalid: naming `field`, when it is no e-mail.
    """
    try:
        found = email_validator.validate_email(text.strip(), check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError as error:
        raise Invalid(field, str(error)) from None
    return normal_email(found.normalized)
