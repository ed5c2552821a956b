import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import Invalid, InvalidRecord
from phoenix_grpc.formats import canonical
from phoenix_grpc.formats.compression import Compression
from phoenix_grpc.formats.reader import Format, UploadReader
from phoenix_grpc.formats.records import Keys
from phoenix_grpc.ids import encode_id
from tests.formats.readers import contents, read, refusal

numbers = st.integers() | st.integers(-(10**4299), 10**4299) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
objects = st.dictionaries(st.text(), values, max_size=5)


@given(st.lists(st.tuples(objects, objects, objects), max_size=5), st.booleans(), st.integers(1, 50))
def test_any_json_is_kept_whatever_the_borders_of_chunks(
    examples: list[tuple[Any, Any, Any]], ascii_only: bool, step: int
) -> None:
    lines = (
        json.dumps(dict(zip(("input", "output", "metadata"), example, strict=True)), ensure_ascii=ascii_only)
        for example in examples
    )
    assert [contents(record) for record in read("\n".join(lines).encode(), step=step)] == examples


def test_bytes_are_kept_as_they_were_sent() -> None:
    [record] = read(b'{"input":{"n": 1.0e0 ,\t"n2":12345678901234567890.50}}')
    assert record.input == '{"n": 1.0e0 ,\t"n2":12345678901234567890.50}'


def test_nesting_is_taken_to_200_levels() -> None:
    deep = '{"a":' * 199 + "{}" + "}" * 199
    assert read(b'{"input":%b}' % deep.encode())[0].input == deep
    assert "200" in refusal(b'{"input":{"a":%b}}' % deep.encode()).description


@pytest.mark.parametrize(
    ("data", "line", "column", "words"),
    [
        (b'{"input":{}}\n{"input":', 2, 10, "ends in the middle"),
        (b'{"input":{}}\n\n{"input": nope}', 3, 15, "malformed"),
        (b'{"input":{"\xc3\xa9": x}}', 1, 16, "malformed"),
        (b'{"input":{"a":NaN}}', 1, 15, "malformed"),
        (b'{"input":{"a":1e400}}', 1, 0, "out of range"),
        (b'{"input":{"a":"\\ud800"}}', 1, 16, "surrogate"),
        (b'{"input":{"a":"\xff"}}', 1, 16, "UTF-8"),
        (b'{"input":' + b"[" * 100_000, 1, 0, "nesting"),
        (b'["input"]', 1, 0, "JSON object"),
        (b'{"inputs":{},"x":1}', 1, 0, "inputs, x"),
        (b"{}", 1, 0, "none"),
        (b'{"input":null}', 1, 0, "input must be a JSON object"),
        (b'{"input":{},"output":[]}', 1, 0, "output must be a JSON object"),
        (b'{"input":{},"metadata":false}', 1, 0, "metadata must be a JSON object"),
        (b'{"input":{},"id":7}', 1, 0, "id must be a string"),
        (b'{"input":{},"id":"\\u0000"}', 1, 0, "NUL"),
        (b'{"input":{},"span_id":7}', 1, 0, "span id must be a string"),
        (b'{"input":{},"splits":7}', 1, 0, "list of names"),
        (b'{"input":{},"splits":["a",null]}', 1, 0, "list of names"),
        (b'{"input":{},"splits":["a\\nb"]}', 1, 0, "control characters"),
        (json.dumps({"input": {}, "splits": [f"s{n}" for n in range(1001)]}).encode(), 1, 0, "1,000 splits at most"),
        (b'{"input":{},"splits":["' + b"a" * 1001 + b'"]}', 1, 0, "1,000 characters"),
        (b'{"input":{}} {"input":{}}', 1, 15, "trailing"),
        (b'{"input":{"a":1 // one\n}}', 1, 17, "malformed"),
    ],
)
def test_a_bad_record_is_refused_with_line_and_column(data: bytes, line: int, column: int, words: str) -> None:
    error = refusal(data)
    assert isinstance(error, InvalidRecord)
    assert (error.line, error.column) == (line, column)
    assert words in error.description
    assert error.metadata == {"line": str(line), "column": str(column)}


@pytest.mark.parametrize(
    "data",
    [
        b'{"input":{}}\n{"input":{}}',
        b'{"input":{}}\n{"input":{}}\n',
        b'{"input":{}}\r\n{"input":{}}\r\n',
        b'\xef\xbb\xbf{"input":{}}\n\n \t\r\n{"input":{}}\n\n',
        b'{"input":{}}\n{"input":{},"output":null,"metadata":null,"id":null,"splits":null,"span_id":null}',
    ],
)
def test_line_ends_blank_lines_marks_and_nulls_do_not_count(data: bytes) -> None:
    for step in (1, 2, 7, 1000):
        assert [tuple(record) for record in read(data, step=step)] == [
            (None, None, read(b'{"input":{}}')[0].content_hash, "{}", "{}", "{}", None, None, None)
        ] * 2


def test_a_carriage_return_within_a_record_becomes_a_space() -> None:
    assert read(b'{"input":{\r"a":1}}')[0].input == '{ "a":1}'


@pytest.mark.parametrize(
    ("given", "external_id", "example_id"),
    [
        ("q-1", "q-1", None),
        ("", "", None),
        (encode_id("DatasetExample", 7), None, 7),
        (encode_id("Dataset", 7), encode_id("Dataset", 7), None),
        (encode_id("DatasetExample", 7)[:-1], encode_id("DatasetExample", 7)[:-1], None),
    ],
)
def test_an_id_is_an_external_one_or_addresses_an_example(
    given: str, external_id: str | None, example_id: int | None
) -> None:
    [record] = read(json.dumps({"id": given, "node_id": "ignored", "input": {}}).encode())
    assert (record.external_id, record.example_id) == (external_id, example_id)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("test", '["test"]'),
        ([" b ", "a", "b", " "], '["a","b"]'),
        ([], "[]"),
        ("", "[]"),
        (None, None),
    ],
)
def test_splits_are_names_trimmed_sorted_and_each_once(given: Any, names: str | None) -> None:
    assert read(json.dumps({"input": {}, "splits": given}).encode())[0].splits == names


def test_unknown_keys_are_collected_up_to_a_hundred() -> None:
    reader = UploadReader(Format.JSONL, Compression.NONE, Keys(), 1 << 20)
    record = {"input": {}, "node_id": "x", **{f"k{number}": number for number in range(150)}}
    assert len(list(reader.feed(json.dumps(record).encode() + b"\n"))) == 1
    assert reader.ignored_keys == [f"k{number}" for number in range(100)]


TASK = b'{"task": "t/1", "prompt": 1.0, "extra": {"a": 1, "b": null}, "split": "x", "splits": ["y"], "span": "s"}'


@pytest.mark.parametrize(
    ("keys", "buckets"),
    [
        (Keys(input=("prompt", "missing"), allow_missing=True), ('{"prompt":1.0}', "{}", "{}")),
        (Keys(input=("extra",), output=("prompt",)), ('{"extra":{"a": 1, "b": null}}', '{"prompt":1.0}', "{}")),
        (
            Keys(metadata=("extra", "prompt"), flatten=frozenset({"extra"})),
            ("{}", "{}", '{"a":1,"b":null,"prompt":1.0}'),
        ),
        (Keys(input=("prompt",), metadata=("prompt",)), ('{"prompt":1.0}', "{}", '{"prompt":1.0}')),
    ],
)
def test_named_keys_go_where_they_are_told_byte_for_byte(keys: Keys, buckets: tuple[str, str, str]) -> None:
    [record] = read(TASK, keys=keys)
    assert record[3:6] == buckets
    assert (record.external_id, record.splits, record.span_id) == (None, None, None)


def test_named_keys_of_id_splits_and_span_are_read() -> None:
    [record] = read(TASK, keys=Keys(input=("prompt",), splits=("split", "splits"), example_id="task", span_id="span"))
    assert (record.external_id, record.splits, record.span_id) == ("t/1", '["x","y"]', "s")


def test_named_keys_of_id_go_with_the_usual_record() -> None:
    [record] = read(b'{"input":{"a":1},"key":"k"}', keys=Keys(example_id="key"))
    assert (record.external_id, record.input) == ("k", '{"a":1}')


@pytest.mark.parametrize("blank", ["", " ", "nan", None])
def test_a_blank_named_id_is_none(blank: str | None) -> None:
    keys = Keys(input=("a",), example_id="key")
    assert read(json.dumps({"a": 1, "key": blank}).encode(), keys=keys)[0].external_id is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a": {"x": 1}, "x": 2}', "'x'"),
        (b'{"a": 5}', "flatten_keys"),
        (b'{"a": "{}"}', "flatten_keys"),
    ],
)
def test_what_cannot_be_flattened_is_refused(data: bytes, words: str) -> None:
    assert words in refusal(data, keys=Keys(input=("a", "x"), flatten=frozenset({"a"}))).description


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        (Keys(input=("a", "a")), "input_keys"),
        (Keys(input=("a",), splits=("s", "s")), "split_keys"),
        (Keys(input=("a",), flatten=frozenset({"b"})), "flatten_keys"),
    ],
)
def test_keys_must_be_consistent(keys: Keys, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        keys.validate()
    assert caught.value.field == field


@pytest.mark.parametrize("step", [100, 1 << 20])
def test_a_record_beyond_the_limit_is_refused_with_its_line(step: int) -> None:
    data = b'{"input":{}}\n\n{"input":{"a":"' + b"x" * 3000 + b'"}}\n{"input":{}}\n'
    error = refusal(data, limit=2000, step=step)
    assert error.metadata["line"] == "3"
    assert "2,000 bytes" in error.description


def test_a_file_without_records_has_none() -> None:
    assert read(b"") == read(b"\n\n") == read(b"\xef\xbb\xbf") == []


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        (Keys(input=("prompt",), output=("anwser",)), "output_keys"),
        (Keys(input=("anwser",)), "input_keys"),
        (Keys(metadata=("prompt", "anwser")), "metadata_keys"),
        (Keys(input=("prompt",), splits=("anwser",)), "split_keys"),
        (Keys(input=("prompt",), example_id="anwser"), "example_id_key"),
        (Keys(input=("prompt",), span_id="anwser"), "span_id_key"),
    ],
)
def test_a_key_that_no_record_has_is_refused_at_the_end(keys: Keys, field: str) -> None:
    refused = refusal(TASK + b"\n" + TASK, keys=keys)
    assert (refused.field, refused.reason) == (field, "INVALID_FIELD")
    assert "no record has the key 'anwser'; the keys of the first one are: task, prompt, extra" in refused.message
    assert len(read(TASK + b'\n{"anwser": "x", "prompt": 1}', keys=keys)) == 2
    assert read(b"\n", keys=keys) == []


@pytest.mark.parametrize(
    ("record", "part", "key"),
    [
        (b'{"input":{"k":1,"k":2}}', "input", "k"),
        (b'{"input":{"a":{"k":[{"x":1,"x":2}]}}}', "input", "x"),
        (b'{"input":{"k":1,"\\u006b":1}}', "input", "k"),
        (b'{"input":{"a\\u003ab":1,"a:b":2}}', "input", "a:b"),
        (b'{"input":{},"output":{"":1,"":2}}', "output", ""),
        (b'{"input":{},"metadata":{"k" :1,"k"\t: "a:b"}}', "metadata", "k"),
    ],
)
def test_a_key_that_comes_twice_is_a_flaw_of_the_record(record: bytes, part: str, key: str) -> None:
    for line in (record, record[:-1] + b',"id":"a:b","splits":["c:d"]}'):
        [found] = read(b"\n" + line)
        flaw = json.loads(found.flaw or "")
        assert flaw == {"line": 2, "description": f"{part}: the key {key!r} comes twice in one object", "part": part}


@pytest.mark.parametrize("keys", [Keys(), Keys(input=("a",)), Keys(input=("a",), flatten=frozenset("a"))])
def test_a_record_with_a_key_twice_is_refused_at_once(keys: Keys) -> None:
    error = refusal(b'{"input":{},"a":{}}\n{"input":{},"a":{},"a":{"x":1}}', keys=keys)
    assert error.description == "line 2: the key 'a' comes twice"


def test_an_object_that_is_spread_has_each_key_once() -> None:
    error = refusal(b'{"a":{"k":1,"k":2}}', keys=Keys(input=("a",), flatten=frozenset("a")))
    assert error.description == "line 1: a: the key 'k' comes twice"
    [found] = read(b'{"a":{"k":{"x":1,"x":2}}}', keys=Keys(input=("a",), flatten=frozenset("a")))
    assert json.loads(found.flaw or "")["part"] == "input"


@pytest.mark.parametrize(
    "record",
    [
        b'{"input":{"a":"x: y","b":{"a": ":"}},"id":"a:b"}',
        b'{"input":{"a":"\\u003a"},"output":{"a":1},"metadata":{"a":1}}',
        b'{"input":{"a":1},"unknown":{"a":1,"a":2}}',
    ],
)
def test_colons_elsewhere_and_what_is_not_kept_are_no_flaw(record: bytes) -> None:
    assert read(record)[0].flaw is None


def test_a_record_with_too_many_values_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MAX_VALUES", 50)
    few = b'{"input":{"text":"%s","list":[%s0]}}' % (b'[{,\\"' * 50, b"0," * 30)
    assert read(few)[0].flaw is None
    many = b'{"id":"x","input":{"list":[%s0]},"splits":["a"]}' % (b"0," * 50)
    [found] = read(many)
    assert json.loads(found.flaw or "")["line"] == 1
    assert (found.external_id, found.input, found.splits) == ("x", many[18:-16].decode(), '["a"]')
    [found] = read(b'{"a":[%s0]}' % (b"0," * 40), keys=Keys(input=("a",)))
    assert found.flaw is None
    for refused in (many.replace(b'"id":"x"', b'"id":[%s0]' % (b"0," * 60)), many[:-1]):
        assert "a record has 250,000 values at most" in refusal(refused).description
    assert "a record has 250,000 values at most" in refusal(many, keys=Keys(input=("input",))).description
