import json
import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.formats.canonical import NotJson, content_hash, decode


def hash_of(value: str) -> bytes:
    return content_hash(f'{{"a": {value}}}', "{}", "{}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1", "1e0"),
        ("1", "10e-1"),
        ("0", "-0.0"),
        ("0", "0e99999999999"),
        ("100", "1E+2"),
        ("100000000000000000000000", "1e+23"),
        ("1" + "0" * 308, "1e308"),
        ("-1" + "0" * 308, "-10.0E+307"),
        ("12" + "0" * 20, "12e20"),
        ("12" + "0" * 19, "12e19"),
        ("12" + "0" * 20 + ".0", "12e20"),
        ("0.1", "1e-1"),
        ("0.1", "0.100"),
        ("9007199254740993", "9007199254740993.0"),
        ("1e-400", "10e-401"),
        ("12345678901234567890.5", "123456789012345678905e-1"),
        ('"é"', '"\\u00e9"'),
        ('{"x": 1, "y": 2}', '{"y": 2, "x": 1}'),
    ],
)
def test_equal_values_have_equal_hashes(one: str, other: str) -> None:
    assert hash_of(one) == hash_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("9007199254740992", "9007199254740993"),
        ("9007199254740992.0", "9007199254740993.0"),
        ("1" + "0" * 307 + "1", "1e308"),
        ("1" + "0" * 307, "1e308"),
        ("-1" + "0" * 308, "1e308"),
        ('"1' + "0" * 308 + '"', '"1e308"'),
        ("1", "true"),
        ("0", "false"),
        ("0", "null"),
        ("1", '"1"'),
        ("0.1", "0.10000000000000001"),
        ("0", "1e-400"),
        ("[1, 2]", "[2, 1]"),
        ("{}", "[]"),
    ],
)
def test_different_values_have_different_hashes(one: str, other: str) -> None:
    assert hash_of(one) != hash_of(other)


def test_the_hash_tells_input_output_and_metadata_apart() -> None:
    parts = ('{"a":1}', "{}", "{}")
    assert len({content_hash(*parts), content_hash(*parts[1:], parts[0]), content_hash(parts[2], *parts[:2])}) == 3


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**300), max_value=10**300), st.integers(0, 30))
def test_all_spellings_of_a_number_are_equal(number: Decimal, zeros: int) -> None:
    plain = f"{number:f}"
    padded = plain + "0" * zeros if "." in plain else f"{plain}.{'0' * (zeros + 1)}"
    assert hash_of(plain) == hash_of(padded) == hash_of(f"{number:e}")


@given(st.integers(-(10**12), 10**12), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_integers_are_equal_only_by_value(number: int, zeros: int, power: int, up: int) -> None:
    spellings = (f"{number * 10 ** (zeros + power)}", f"{number}{'0' * (zeros if number else 0)}e{power}")
    assert hash_of(spellings[0]) == hash_of(spellings[1])
    assert (hash_of(f"{number}e{up}") == hash_of(spellings[0])) == (not number or up == zeros + power)


def test_a_record_of_huge_powers_of_ten_takes_no_more_to_compare_than_to_send() -> None:
    text = f'{{"a": [{",".join(["1e308"] * 1000)}]}}'
    tracemalloc.start()
    try:
        content_hash(text, "{}", "{}")
        assert tracemalloc.get_traced_memory()[1] < 30 * len(text)
    finally:
        tracemalloc.stop()


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_are_equal_only_by_exact_value(one: Decimal, other: Decimal) -> None:
    try:
        hashes = hash_of(str(one)), hash_of(str(other))
    except NotJson:
        return  # beyond a double's range
    assert (hashes[0] == hashes[1]) == (one == other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"NaN", "malformed"),
        (b"-Infinity", "malformed"),
        (b"1e400", "out of range"),
        (b"-1e400", "out of range"),
        (b"1.5e-99999999999999999999", "out of range"),
        (b"1" * 4301, "4,300 digits"),
        (b"-" + b"1" * 4301, "4,300 digits"),
        (b"1" + b"0" * 4300, "4,300 digits"),
        (b"[-" + b"1" * 4300 + b"," + b"[" * 3000, "nesting"),
        (b"[-" + b"1" * 4300 + b", NaN]", "malformed"),
        (b"[-" + b"1" * 4300 + b", 1", "malformed"),
        (b"[-" + b"1" * 4300 + b', "\\ud800"]', "surrogate"),
        (b"[-" + b"1" * 4300 + b', "\xff"]', "UTF-8"),
        (b"0." + b"1" * 4301, "4,300 digits"),
        (b'"\\ud800"', "surrogate"),
        (b'"\\udc00 x"', "surrogate"),
        (b'"\\ud83d\\ude00 \\ud83d x"', "surrogate"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'"\xff"', "UTF-8"),
        (b"01", "malformed"),
        (b'{"a":1,}', "malformed"),
        (b'{"a"', "ends in the middle"),
        (b'"\x01"', "malformed"),
        (b"", "ends in the middle"),
        (b"[" * 100_000, "nesting"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(text: bytes, words: str) -> None:
    with pytest.raises(NotJson, match=words):
        decode(text)


def test_numbers_of_4300_digits_pass() -> None:
    assert decode("9" * 4300) == int("9" * 4300)
    assert decode("[1.0, -" + "9" * 4300 + "]") == [1, -int("9" * 4300)]
    assert hash_of("0." + "1" * 4299) != hash_of("0." + "1" * 4298)


@pytest.mark.parametrize(("depth", "passes"), [(200, True), (201, False)])
def test_nesting_ends_at_200(depth: int, passes: bool) -> None:
    text = '{"[": ' * (depth - 1) + "[]" + "}" * (depth - 1)
    if passes:
        content_hash(text, "{}", "{}")
    else:
        with pytest.raises(NotJson, match="200"):
            content_hash(text, "{}", "{}")


def test_brackets_in_strings_and_siblings_are_no_nesting() -> None:
    content_hash(json.dumps({"a": '[\\"{' * 500, "b": [[]] * 500}), "{}", "{}")
