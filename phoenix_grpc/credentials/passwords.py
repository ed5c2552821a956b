"""Passwords: their policy, and argon2id hashes of them (RFC 9106).

Hashing takes 64 MiB and about 0.1 s: call it in a thread, one at a time.
"""

import base64
import unicodedata
from typing import NamedTuple

import argon2
from argon2.profiles import RFC_9106_LOW_MEMORY

from phoenix_grpc.errors import Invalid

MIN_LENGTH = 8
STRONG_MIN_LENGTH = 12
MAX_LENGTH = 1000

hasher = argon2.PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class Verified(NamedTuple):
    """Whether a password is right, and whether its hash was made with parameters other than the current ones."""

    ok: bool
    needs_rehash: bool = False


def hash_password(password: str) -> str:
    """The hash to store, with its parameters and its salt (PHC string format)."""
    return hasher.hash(_prepared(password))


def verify_password(stored: str | None, password: str) -> Verified:
    """Compares with a stored hash; None (no such user, or one without a password) is never right.

    None takes as long as a hash, so the time does not reveal whether a user exists.
    """
    try:
        hasher.verify(stored or _dummy(), _prepared(password))
    except argon2.exceptions.VerifyMismatchError:
        return Verified(ok=False)
    return Verified(ok=stored is not None, needs_rehash=stored is not None and hasher.check_needs_rehash(stored))


def checked_password(password: str, field: str, strong: bool) -> str:
    """The password, if it meets the policy.

    Arguments:
        strong: requires 12 characters with upper case, lower case, digit and symbol, instead of any 8 characters.

    Raises:
        Invalid: naming `field`; says what is missing, never what was sent.
    """
    least = STRONG_MIN_LENGTH if strong else MIN_LENGTH
    if not least <= len(password) <= MAX_LENGTH:
        raise Invalid(field, f"must have {least} to {MAX_LENGTH:,} characters")
    if strong and (missing := _missing_classes(password)):
        raise Invalid(field, f"must have {missing}")
    return password


def _missing_classes(password: str) -> str:
    """The classes of characters that a strong password lacks, in words."""
    classes = {
        "an upper-case letter": str.isupper,
        "a lower-case letter": str.islower,
        "a digit": str.isdigit,
        "a symbol": lambda char: not char.isalnum(),
    }
    return ", ".join(name for name, has in classes.items() if not any(map(has, password)))


def _prepared(password: str) -> bytes:
    """Composed as RFC 8265 requires, since keyboards differ in how they encode the same letter."""
    return unicodedata.normalize("NFC", password).encode()


def _dummy() -> str:
    """A hash that no password has, with the current parameters."""
    salt, result = (base64.b64encode(bytes(size)).rstrip(b"=").decode() for size in (hasher.salt_len, hasher.hash_len))
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${result}"
