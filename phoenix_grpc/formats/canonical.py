"""JSON with exact numbers: the check that every value passes, and the hash by which contents are compared.

The bytes of a value are stored as they were sent; decoding only decides whether they are allowed, and what they are
equal to: 1 equals 1.0 and 1e0, 2^53 is not 2^53+1, the order of keys does not count.
"""

import hashlib
import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

MAX_DEPTH = 200
MAX_DIGITS = 4300
MAX_VALUES = 250_000
HASH_BYTES = 16

# An integer that ends in so many zeros is compared by its digits before them and their number: written out, a few bytes
# like 1e308 would take hundreds.
_ZEROS = "0" * 20
_ZEROS_BYTES = _ZEROS.encode()
_INFINITIES = (float("inf"), float("-inf"))
_TOO_DEEP = f"nesting beyond {MAX_DEPTH} levels"
_TOO_LONG = f"a number of more than {MAX_DIGITS:,} digits"
_NOT_UTF8 = "not UTF-8"
_SURROGATE = "a surrogate without its pair is not a character"
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]')
_OUTSIDE_STRINGS = re.compile(rb'([^"]*+)(?:"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|$))?+', re.DOTALL)
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F])"
)
_OFFSET = re.compile(r" \(byte (\d+)\)$")


class NotJson(Exception):
    """Bytes that are not JSON, or not JSON that we accept; `offset` counts bytes from 0, None if it is not known."""

    def __init__(self, description: str, offset: int | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.offset = offset


def decode(data: bytes | str) -> Any:
    """The value of a JSON document, its numbers by exact value: those equal as numbers are encoded as the same text.

    Raises:
        NotJson: for malformed JSON (RFC 8259), NaN, Infinity, numbers beyond a double's range or 4,300 digits, lone
            surrogates, bytes that are not UTF-8, and nesting far above MAX_DEPTH (which require_depth checks).
    """
    try:
        if _ZEROS in data if isinstance(data, str) else _ZEROS_BYTES in data:
            return _decode_long(data)
        return _decoder.decode(data)
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    except msgspec.ValidationError:  # without a type, decoding raises this only for a long integer
        return _decode_long(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explained(data if isinstance(data, bytes) else data.encode(), error) from None


def _decode_long(data: bytes | str) -> Any:
    """As decode, also for integers that the fast decoder does not take or leaves as they are written.

    It refuses 4,300 digits and a sign, which it counts as a digit, and has no hook for integers that end in many zeros.
    """
    try:
        text = data.decode() if isinstance(data, bytes) else data
        value = json.loads(text, parse_float=_number, parse_int=_integer, parse_constant=_no_constant)
        _encode(value)  # refuses lone surrogates
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise NotJson(f"malformed JSON: {error.msg}", len(text[: error.pos].encode())) from None
    except UnicodeDecodeError as error:
        raise NotJson(_NOT_UTF8, error.start) from None
    except UnicodeEncodeError:
        raise NotJson(_SURROGATE) from None
    except ValueError:
        raise NotJson(_TOO_LONG) from None
    return value


def _no_constant(name: str) -> None:
    raise NotJson(f"malformed JSON: {name} is no JSON number")


def require_depth(text: str) -> None:
    """Requires that a valid JSON document has at most MAX_DEPTH levels of objects and lists.

    Raises:
        NotJson: when it is nested deeper.
    """
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        bracket = match.group()
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotJson(_TOO_DEEP)
        elif bracket in "]}":
            depth -= 1


def has_too_many_values(data: bytes) -> bool:
    """Whether a JSON document has more than MAX_VALUES commas and opening brackets, its strings left out.

    Each stands for a value, which takes many times its bytes in memory: a few megabytes of `[]` half a gigabyte.
    """
    if len(data) <= MAX_VALUES or _count_values(data) <= MAX_VALUES:
        return False
    count = 0
    return any((count := count + _count_values(match[1])) > MAX_VALUES for match in _OUTSIDE_STRINGS.finditer(data))


def _count_values(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


def encode(input: Any, output: Any, metadata: Any) -> bytes:
    """Values that `decode` returned, as the one text that stands for all equal contents."""
    return _encode((input, metadata, output))


def digest(encoded: bytes) -> bytes:
    """The content hash of a result of `encode`."""
    return hashlib.sha256(encoded).digest()[:HASH_BYTES]


def content_hash(input: str, output: str, metadata: str) -> bytes:
    """The content hash of three JSON documents.

    Raises:
        NotJson: when one of them is not valid.
    """
    return digest(encode_texts(input, output, metadata))


def encode_texts(input: str, output: str, metadata: str) -> bytes:
    """As `encode`, of three JSON documents.

    Raises:
        NotJson: when one of them is not valid.
    """
    for text in (input, output, metadata):
        require_depth(text)
    return encode(decode(input), decode(output), decode(metadata))


def _integer(text: str) -> int | msgspec.Raw:
    """An integer, as the one value that stands for all its spellings."""
    if not text.endswith(_ZEROS):
        return int(text)
    if len(text.removeprefix("-")) > MAX_DIGITS:
        raise NotJson(_TOO_LONG)
    significant = text.rstrip("0")
    return msgspec.Raw(f"{significant}e{len(text) - len(significant)}".encode())


def _number(text: str) -> int | float | msgspec.Raw:
    """A number with a fraction or an exponent, as the one value that stands for all its spellings."""
    number = float(text)
    if repr(number) == text:  # as most numbers are written
        if not number.is_integer():
            return number
        if text.endswith(".0"):
            return int(text[:-2])
    if len(text) > MAX_DIGITS and sum(map(str.isdigit, text)) > MAX_DIGITS:
        raise NotJson(_TOO_LONG)
    if number in _INFINITIES:
        raise NotJson(f"the number {text[:50]} is out of range")
    return _exact(text, number)


def _exact(text: str, nearest: float) -> int | float | msgspec.Raw:
    try:
        exact = Decimal(text)
    except InvalidOperation:  # an exponent beyond even Decimal's
        raise NotJson(f"the number {text[:50]} is out of range") from None
    if not exact:
        return 0
    sign, digits, exponent = exact.as_tuple()
    figures = "".join(map(str, digits))
    significant = figures.rstrip("0")
    exponent = int(exponent) + len(figures) - len(significant)
    if 0 <= exponent < len(_ZEROS):
        return int(exact)
    if exponent < 0 and exact == Decimal(repr(nearest)):
        return nearest
    return msgspec.Raw(f"{'-' * sign}{significant}e{exponent}".encode())


_decoder = msgspec.json.Decoder(float_hook=_number)
_encode = msgspec.json.Encoder(order="sorted").encode


def _explained(data: bytes, error: msgspec.DecodeError | UnicodeDecodeError) -> NotJson:
    try:
        data.decode()
    except UnicodeDecodeError as place:
        return NotJson(_NOT_UTF8, place.start)
    message = str(error)
    # The decoder reports a lone surrogate at the end of a string as truncated data.
    if "surrogate" in message or "truncated" in message:
        surrogate = _LONE_SURROGATE.search(data)
        if surrogate:
            return NotJson(_SURROGATE, surrogate.start(1))
    offset = _OFFSET.search(message)
    if offset is None:
        return NotJson("malformed JSON: it ends in the middle of a value", len(data))
    return NotJson(
        f"malformed JSON: {message[: offset.start()].removeprefix('JSON is malformed: ')}", int(offset.group(1))
    )
