"""Random secrets, and the digests that are stored in their place."""

import hashlib
import secrets


def new_token() -> str:
    """A URL-safe secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """A password of 16 random characters that meets the strong policy."""
    while True:
        password = secrets.token_urlsafe(12)
        if all(any(map(has, password)) for has in (str.isupper, str.islower, str.isdigit, "-_".__contains__)):
            return password


def digest(secret: str) -> bytes:
    """The digest to store in place of `secret`: SHA-256, from which a secret of 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
