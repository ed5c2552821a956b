"""API keys: `phgrpc_`, 256 random bits and a checksum, so that scanners find leaked keys and mistyped ones are refused.

Only the digest of a key is stored (secrets.digest).
"""

import re
import secrets
import string
import zlib

PREFIX = "phgrpc_"
_PREFIXES = (PREFIX, "phx_")  # the first keys verify until they are rotated; `phx_` is PostHog's
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_WIDTH = 43  # 62**43 > 2**256
_CHECKSUM_WIDTH = 6  # 62**6 > 2**32
_HINT_WIDTH = len(PREFIX) + 4
_PATTERN = re.compile(f"(?:{'|'.join(_PREFIXES)})[0-9A-Za-z]{{{_SECRET_WIDTH + _CHECKSUM_WIDTH}}}")


def new_api_key() -> str:
    """A new random key."""
    body = PREFIX + _base62(secrets.randbits(256), _SECRET_WIDTH)
    return body + _checksum(body)


def claims_to_be_api_key(text: str) -> bool:
    """Whether `text` has the prefix of a key."""
    return text.startswith(_PREFIXES)


def is_api_key(text: str) -> bool:
    """Whether `text` has the form of a key: prefix, alphabet, length and checksum."""
    return bool(_PATTERN.fullmatch(text)) and _checksum(text[:-_CHECKSUM_WIDTH]) == text[-_CHECKSUM_WIDTH:]


def api_key_hint(key: str) -> str:
    """The first characters of a key, by which its owner recognizes it."""
    return key[:_HINT_WIDTH]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_WIDTH)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
