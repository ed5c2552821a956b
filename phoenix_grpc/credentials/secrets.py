"""Random secrets, and the digests that stand for them in the store."""

import hashlib
import secrets


def new_token() -> str:
    """A URL-safe secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def new_password() -> str:
    """A password of 16 random characters that meets the strong policy, short enough to be typed once."""
    while True:
        password = secrets.token_urlsafe(12)
        if all(any(map(has, password)) for has in (str.isupper, str.islower, str.isdigit, "-_".__contains__)):
            return password


def digest(secret: str) -> bytes:
    """What is stored instead of `secret`: SHA-256, since a secret of 256 random bits cannot be guessed from it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
