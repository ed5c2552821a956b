"""The console's own JSON reader, in the browser: numbers keep their digits, objects their order."""

import json

import pytest

from tests.console.conftest import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")

EXACT = [
    "9007199254740993",
    "-0",
    "1.0",
    "1e400",
    "0.1000000000000000055511151231257827",
    "true",
    "null",
    '"a\\"b\\\\"',
    '"\\u00e9\\ud83d\\ude00\\n"',
    "[ ]",
    "{ }",
    '{"2": 1, "10": 2, "1": 3}',
    '{"a": [1, {"b": [[], {}]}], "a": 2}',
    "[" * 200 + "]" * 200,
]
BROKEN = ["", "{", "[1,]", '{"a" 1}', "{1: 2}", "01x", '"open', "nul", "[1] 2", "NaN", "-"]

RENDER = """async ([url, text]) => {
  const { parse, stringify } = await import(url);
  return stringify(parse(text)).replace(/\\n\\s*/g, "");
}"""
REFUSE = """async ([url, text]) => {
  const { parse } = await import(url);
  try { parse(text); return "accepted"; } catch (error) { return error.name; }
}"""


def compact(text: str) -> str:
    """The text as the console writes it, on one line."""
    return text.replace("[ ]", "[]").replace("{ }", "{}").replace(", ", ",")


async def test_what_is_read_is_written_unchanged(console: Console) -> None:
    await console.page.goto(f"{console.url}/login")
    module = f"{console.url}/console/json.js"
    for text in EXACT:
        written = await console.page.evaluate(RENDER, [module, text])
        expected = text if text.startswith('"') else compact(text)
        same = json.loads(written) == json.loads(expected) if text.startswith('"') else written == expected
        assert same, (text, written)


async def test_what_is_not_json_is_refused(console: Console) -> None:
    await console.page.goto(f"{console.url}/login")
    for text in BROKEN:
        assert await console.page.evaluate(REFUSE, [f"{console.url}/console/json.js", text]) == "SyntaxError", text
