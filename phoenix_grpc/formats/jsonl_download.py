"""Pages of examples -> the lines of a download. Values pass through as they are stored, never parsed and rebuilt."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from phoenix_grpc.formats import canonical
from phoenix_grpc.formats.records import EXAMPLE_ID_PREFIX
from phoenix_grpc.model import Row

Splits = Mapping[int, tuple[str, ...]]
"""The names of the splits of those examples that are in any."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT = msgspec.Raw(b"null")
_quoted = msgspec.json.Encoder().encode


class _Chat(msgspec.Struct):
    """The parts of an object that OpenAI's formats use."""

    messages: msgspec.Raw = _ABSENT
    tools: msgspec.Raw = _ABSENT


_chat_of = msgspec.json.Decoder(_Chat).decode


def node_id(example_id: int) -> str:
    """The public id of an example: as ids.encode_id makes it, at half the cost."""
    return EXAMPLE_ID_PREFIX + base64.b64encode(b"%d" % example_id).decode()


def jsonl(rows: Sequence[Row], splits: Splits) -> str:
    """Lines {id, node_id, input, output, metadata, splits}.

    Arguments:
        rows: as in examples.Page.
    """
    lists = {names: _text(names) for names in set(splits.values())}
    return "".join(
        f'{{{_ids(number, external)},"input":{input},"output":{output},"metadata":{metadata},'
        f'"splits":{lists[splits[number]] if number in splits else "[]"}}}\n'
        for number, external, input, output, metadata, *_ in rows
    )


def rest_examples(rows: Sequence[Row], splits: Splits) -> str:
    """Lines {id, node_id, input, output, metadata, updated_at, source}: the example objects of the REST API."""
    return "".join(
        f'{{{_ids(number, external)},"input":{input},"output":{output},"metadata":{metadata},'
        f'"updated_at":"{_iso_time(updated)}","source":null}}\n'
        for number, external, input, output, metadata, _, updated, _ in rows
    )


def openai_ft(rows: Sequence[Row], splits: Splits) -> str:
    """Lines {messages, tools?} for fine-tuning: the messages of input and output, the tools of the input if any."""
    return "".join(_fine_tuning(row[2], row[3]) for row in rows)


def openai_evals(rows: Sequence[Row], splits: Splits) -> str:
    """Lines {messages, ideal} for evals: the messages of the input, the content of the last message of the output."""
    return "".join(_evaluation(row[2], row[3]) for row in rows)


def _ids(number: int, external_id: str | None) -> str:
    node = node_id(number)
    return (
        f'"id":"{node}","node_id":"{node}"' if external_id is None else f'"id":{_text(external_id)},"node_id":"{node}"'
    )


def _text(value: object) -> str:
    return _quoted(value).decode()


@lru_cache(maxsize=1000)
def _iso_time(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).isoformat()


def _fine_tuning(input: str, output: str) -> str:
    chat = _chat_of(input)
    parts = filter(None, (_items(chat.messages), _items(_chat_of(output).messages)))
    tools = f',"tools":{str(chat.tools, "utf-8")}' if canonical.decode(bytes(chat.tools)) else ""
    return f'{{"messages":[{",".join(parts)}]{tools}}}\n'


def _evaluation(input: str, output: str) -> str:
    answers = canonical.decode(bytes(_chat_of(output).messages))
    last = answers[-1] if isinstance(answers, list) and answers else None
    ideal = last.get("content") if isinstance(last, dict) else None
    messages = _items(_chat_of(input).messages)
    return f'{{"messages":[{messages}],"ideal":{_text(ideal) if isinstance(ideal, str) else _text("")}}}\n'


def _items(raw: msgspec.Raw) -> str:
    """The text between the brackets of a list; empty if it is not a list."""
    text = str(raw, "utf-8")
    return text[1:-1].strip() if text.startswith("[") else ""
