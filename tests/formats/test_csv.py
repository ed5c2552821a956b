import csv
import io
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.errors import FailedPrecondition, InvalidRecord, LimitExceeded
from phoenix_grpc.formats import canonical
from phoenix_grpc.formats.csv_download import CsvTable
from phoenix_grpc.formats.reader import Format
from phoenix_grpc.formats.records import Keys
from phoenix_grpc.ids import encode_id
from phoenix_grpc.model import Record
from tests.formats.readers import contents, read, refusal

QA = Keys(input=("q",), output=("a",))


def read_csv(text: str, keys: Keys | None = None, **options: Any) -> list[Record]:
    return read(text.encode(), Format.CSV, keys, **options)


def written(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def test_columns_go_where_the_keys_say_and_values_stay_strings() -> None:
    keys = Keys(input=("q", "n"), output=("a",), metadata=("n",), splits=("s",), example_id="id", span_id="span")
    [record] = read_csv('id,q,a,n,s,span,x\r\ni1,"What, ""now""?",[1],7, train ,sp,ignored\r\n', keys)
    assert contents(record) == ({"q": 'What, "now"?', "n": "7"}, {"a": "[1]"}, {"n": "7"})
    assert (record.external_id, record.splits, record.span_id) == ("i1", '["train"]', "sp")


def test_blank_cells_are_left_out() -> None:
    keys = Keys(input=("q", "a"), splits=("s",), example_id="id", span_id="span")
    [record] = read_csv("id,q,a,s,span\n nan ,, ,,\n", keys)
    assert record[3:] == ('{"a":" "}', "{}", "{}", None, None, None)
    assert record.external_id is None


@pytest.mark.parametrize(
    ("cell", "splits"), [("a", '["a"]'), ('["b","a"]', '["a","b"]'), ("[]", "[]"), ("", None), ("[a", '["[a"]')]
)
def test_splits_are_a_name_or_a_json_list(cell: str, splits: str | None) -> None:
    assert read_csv(written([["q", "s"], ["x", cell]]), Keys(input=("q",), splits=("s",)))[0].splits == splits


def test_dotted_columns_nest_and_json_cells_are_taken_as_such() -> None:
    text = written(
        [
            ["id", "node_id", "input.a.b", "input.a.c", "input.list", "output.x", "metadata.", "splits"],
            ["k", "ignored", "1", "2", "[1.0,\n{}]", "{not json}", "m", '["s"]'],
        ]
    )
    [record] = read_csv(text)
    assert record.input == '{"a":{"b":"1","c":"2"},"list":[1.0, {}]}'
    assert contents(record)[1:] == ({"x": "{not json}"}, {"": "m"})
    assert (record.external_id, record.splits) == ("k", '["s"]')


def test_named_keys_that_are_dotted_nest_too() -> None:
    keys = Keys(input=("input.a.b", "input.c"), output=("output.x",))
    [record] = read_csv("input.a.b,input.c,output.x\n1,[2],3\n", keys)
    assert contents(record)[:2] == ({"a": {"b": "1"}, "c": [2]}, {"x": "3"})


def test_flattened_cells_are_spread() -> None:
    keys = Keys(input=("input.o", "q"), flatten=frozenset({"input.o"}))
    [record] = read_csv(written([["input.o", "q"], ['{"a": 1.0, "b": null}', "x"]]), keys)
    assert record.input == '{"a":1.0,"b":null,"q":"x"}'


@pytest.mark.parametrize(
    ("data", "keys", "line", "words"),
    [
        (b"q,a,q\n1,2,3\n", QA, 1, "'q' comes twice"),
        (b"q,b\n1,2\n", QA, 1, "no column 'a'; the columns are: q, b"),
        (b"q,a\n1,2\n3\n", QA, 3, "has 1 cells, the header has 2"),
        (b'q,a\n"1\n1",2\n3,4,5\n', QA, 4, "has 3 cells, the header has 2"),
        (b"q,a\n1,2\n3,\xff\n", QA, 3, "not UTF-8"),
        (b'q,a\n1,2\n"3,4\n5,6\n', QA, 3, "not closed"),
        (b'q,a\n"1"x,2\n', QA, 2, "malformed CSV"),
        (b"q,a\r1,2\r", QA, 1, "malformed CSV"),
        (b",".join(b"%d" % n for n in range(10_001)) + b"\n", QA, 1, "10,000 columns at most, this one has 10,001"),
        (b"input" + b".a" * 201 + b"\n1\n", Keys(), 1, "column 1: nesting beyond 200 levels"),
        (b"q,a\n1,2\n", Keys(), 1, "name the columns in input_keys"),
        (b"input.a,input.a.b\n1,2\n", Keys(), 2, "'a.b'"),
        (b"input.a.b,input.a\n1,2\n", Keys(), 2, "'a'"),
        (b"q\n5\n", Keys(input=("q",), flatten=frozenset({"q"})), 2, "JSON objects"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_bad_file_is_refused_with_the_line(data: bytes, keys: Keys, line: int, words: str, step: int) -> None:
    error = refusal(data, Format.CSV, keys, step=step)
    assert isinstance(error, InvalidRecord)
    assert error.line == line
    assert words in error.description


@pytest.mark.parametrize("step", [100, 1 << 20])
def test_a_quote_that_is_not_closed_ends_at_the_limit_of_a_record(step: int) -> None:
    error = refusal(b'q,a\n1,2\n"' + b"x\n" * 3000, Format.CSV, QA, limit=2000, step=step)
    assert error.metadata["line"] == "3"
    assert "2,000 bytes" in error.description


def test_a_cell_may_be_longer_than_the_limit_of_the_csv_module() -> None:
    assert len(read_csv("q,a\n" + "x" * 500_000 + ",\n", QA)[0].input) > 500_000


def test_a_wide_file_is_read_in_a_time_that_grows_with_its_width_alone() -> None:
    names = [f"c{number}" for number in range(10_000)]
    text = written([names, names])
    began = time.process_time()
    [record] = read_csv(text, Keys(input=tuple(names)))
    assert time.process_time() - began < 1
    assert contents(record)[0] == {name: name for name in names}


def test_a_header_without_rows_and_an_empty_file_have_no_records() -> None:
    assert read_csv("") == read_csv("anything\n") == read_csv("input.a\n") == []


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3), max_size=6), st.integers(1, 40), st.booleans())
def test_any_text_is_kept_whatever_the_borders_of_chunks(rows: list[list[str]], step: int, mark: bool) -> None:
    text = written([["a", "b", "c"], *rows])
    records = read(text.encode("utf-8-sig" if mark else "utf-8"), Format.CSV, Keys(input=("a", "b", "c")), step=step)
    assert [json.loads(record.input) for record in records] == [
        {name: cell for name, cell in zip("abc", row, strict=True) if cell} for row in rows
    ]


# What CSV can carry: texts that are not empty and no JSON lists or objects, keys without dots, lists, objects.
keys = st.text().filter(lambda text: "." not in text)
texts = st.text(min_size=1).filter(lambda text: text[0] not in "[{")
lists = st.lists(
    st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.booleans(), max_size=2), max_size=3
)
carried = st.recursive(texts | lists, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)
buckets = st.dictionaries(keys, carried, max_size=3)
examples = st.tuples(
    buckets, buckets, buckets, st.sets(st.sampled_from("abc")), st.none() | st.sampled_from(["x", "é,"])
)


@given(st.lists(examples, max_size=5))
def test_a_download_comes_back_as_it_was(made: list[tuple[Any, ...]]) -> None:
    rows = [
        (number, external and f"{external}{number}", *map(json.dumps, parts), None, 0, 1)
        for number, (*parts, _, external) in enumerate(made, 1)
    ]
    splits = {number: tuple(sorted(names)) for number, (*_, names, _) in enumerate(made, 1) if names}
    table = CsvTable()
    table.survey(rows, splits)
    records = read_csv(table.header() + table.page(rows[:2], splits) + table.page(rows[2:], splits))
    assert [contents(record) for record in records] == [parts[:3] for parts in made]
    assert [record.external_id for record in records] == [row[1] for row in rows]
    assert [record.example_id for record in records] == [row[0] if row[1] is None else None for row in rows]
    if splits:
        assert [json.loads(record.splits or "") for record in records] == [sorted(names) for *_, names, _ in made]


def row(input: str) -> tuple[Any, ...]:
    return (1, None, input, "{}", "{}", None, 0, 1)


def test_a_download_keeps_numbers_and_puts_splits_last() -> None:
    rows = [row('{"n": 1, "f": 1.0, "big": 12345678901234567890, "t": true, "z": null, "e": {}, "d": {"x.y": 1}}')]
    table = CsvTable()
    table.survey(rows, {1: ("b", "c")})
    node = encode_id("DatasetExample", 1)
    assert list(csv.reader(io.StringIO(table.header() + table.page(rows, {1: ("b", "c")})))) == [
        ["id", "node_id", *(f"input.{name}" for name in ("n", "f", "big", "t", "z", "e", "d")), "splits"],
        [node, node, "1", "1.0", "12345678901234567890", "true", "", "{}", '{"x.y": 1}', '["b","c"]'],
    ]


def test_a_download_of_nothing_is_its_header() -> None:
    assert CsvTable().header() == "id,node_id\r\n"


def test_a_download_refuses_two_values_for_one_column() -> None:
    with pytest.raises(FailedPrecondition, match=r"input\.a\.b"):
        CsvTable().survey([row('{"a.b": 1, "a": {"b": 2}}')], {})


def test_a_download_refuses_too_many_columns() -> None:
    wide = json.dumps({str(number): 1 for number in range(10_001)})
    with pytest.raises(LimitExceeded, match="10,000"):
        CsvTable().survey([row(wide)], {})


def test_a_key_that_comes_twice_in_a_cell_is_a_flaw_or_refused() -> None:
    cell = '{"k":1,"k":2}'
    [record] = read_csv(written([["input.a"], [cell]]), Keys())
    assert json.loads(record.flaw or "")["description"] == "input: the key 'k' comes twice in one object"
    keys = Keys(input=("a",), flatten=frozenset("a"))
    error = refusal(written([["a"], ["{}"], [cell]]).encode(), Format.CSV, keys)
    assert error.description == "line 3: 'a': the key 'k' comes twice"


def test_cells_are_bounded_by_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "MAX_VALUES", 50)
    assert read_csv(written([["input.a"], [",[" * 60]]), Keys())[0].flaw is None
    many = json.dumps([0] * 60)
    for header in ("input.a", "splits"):
        error = refusal(written([["input.b", header], ["x", many]]).encode(), Format.CSV)
        assert "a record has 250,000 values at most" in error.description
