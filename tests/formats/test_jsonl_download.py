import json
from typing import Any

import pytest

from phoenix_grpc.formats import jsonl_download
from phoenix_grpc.ids import encode_id
from tests.formats.readers import read

NODE = encode_id("DatasetExample", 7)
MICROS = 1_763_866_413_000_000


def row(input: str = '{"q": 1.0}', output: str = '{"a":2}', external_id: str | None = None) -> tuple[Any, ...]:
    return (7, external_id, input, output, '{"m":12345678901234567890}', "span", MICROS, 3)


def test_a_line_of_jsonl_has_the_values_as_they_are_stored() -> None:
    assert jsonl_download.jsonl([row(external_id='a"é')], {7: ("test", "train")}) == (
        f'{{"id":"a\\"é","node_id":"{NODE}","input":{{"q": 1.0}},"output":{{"a":2}},'
        '"metadata":{"m":12345678901234567890},"splits":["test","train"]}\n'
    )


@pytest.mark.parametrize("external_id", [None, "x"])
def test_a_line_of_jsonl_uploads_as_the_same_example(external_id: str | None) -> None:
    [record] = read(jsonl_download.jsonl([row(external_id=external_id)], {}).encode())
    assert (record.external_id, record.example_id) == ((external_id, None) if external_id else (None, 7))
    assert record[3:] == (*row()[2:5], "[]", None, None)


@pytest.mark.parametrize("number", [1, 99, 12345, 2**63 - 1])
def test_node_ids_are_public_ids(number: int) -> None:
    assert jsonl_download.node_id(number) == encode_id("DatasetExample", number)


def test_a_rest_example_has_its_time_with_an_offset_and_no_source() -> None:
    assert list(json.loads(jsonl_download.rest_examples([row()], {7: ("a",)})).items()) == [
        ("id", NODE),
        ("node_id", NODE),
        ("input", {"q": 1}),
        ("output", {"a": 2}),
        ("metadata", {"m": 12345678901234567890}),
        ("updated_at", "2025-11-23T02:53:33+00:00"),
        ("source", None),
    ]


ASK = '{"messages": [ {"role":"user","content":"q"} ], "tools": [{"n":1.0}]}'
ANSWER = '{"messages": [{"role":"assistant","content":"a"}]}'


@pytest.mark.parametrize(
    ("input", "output", "line"),
    [
        (
            ASK,
            ANSWER,
            '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"tools":[{"n":1.0}]}\n',
        ),
        ("{}", ANSWER, '{"messages":[{"role":"assistant","content":"a"}]}\n'),
        ('{"messages":"none","tools":[]}', '{"messages":[]}', '{"messages":[]}\n'),
        ('{"messages":[ ],"tools":0.0}', "{}", '{"messages":[]}\n'),
    ],
)
def test_fine_tuning_lines_join_the_messages(input: str, output: str, line: str) -> None:
    assert jsonl_download.openai_ft([row(input, output)], {}) == line


@pytest.mark.parametrize(
    ("input", "output", "line"),
    [
        (ASK, ANSWER, '{"messages":[{"role":"user","content":"q"}],"ideal":"a"}\n'),
        (
            ASK,
            '{"messages":[{"content":"a"},{"content":["b"]}]}',
            '{"messages":[{"role":"user","content":"q"}],"ideal":""}\n',
        ),
        ('{"messages":{}}', '{"messages":["x"]}', '{"messages":[],"ideal":""}\n'),
        ("{}", '{"messages":[]}', '{"messages":[],"ideal":""}\n'),
    ],
)
def test_evals_lines_have_the_last_answer(input: str, output: str, line: str) -> None:
    assert jsonl_download.openai_evals([row(input, output)], {}) == line
