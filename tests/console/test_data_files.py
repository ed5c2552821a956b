"""A look into files, in the browser: the same table of cases as for the command line and the Python client."""

import base64
import json
from typing import Any

import pytest

from tests.client.test_data_files import CASES, content
from tests.console.conftest import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOK = """async ([url, cases]) => {
  const { UnfitFile, inspect } = await import(`${url}/data_file.js`);
  const { guessRoles, mappingFields } = await import(`${url}/column_mapping.js`);
  const look = async ([name, content]) => {
    const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
    try {
      const { content: sent, format, gzip, columns } = await inspect(new File([bytes], name));
      const roles = guessRoles(columns);
      return {
        format, gzip, fields: mappingFields(columns, roles),
        roles: columns.map(({ name }, index) => [name, roles[index]]),
        sent: btoa(String.fromCharCode(...new Uint8Array(await sent.arrayBuffer()))),
      };
    } catch (failure) {
      if (!(failure instanceof UnfitFile)) throw failure;
      return { refused: failure.message };
    }
  };
  return Promise.all(cases.map(look));
}"""
FIELDS = {"split_key": "split_keys"}


def mapping_of(fields: list[list[str]]) -> dict[str, Any]:
    """The fields of the form as those of a gRPC header."""
    found: dict[str, Any] = {}
    for name, value in fields:
        if name.endswith("[]"):
            found.setdefault(name.removesuffix("[]"), []).append(value)
        else:
            found[FIELDS.get(name, name)] = [value] if name in FIELDS else value
    return found


async def test_a_file_is_taken_or_refused_as_the_table_says(console: Console) -> None:
    await console.page.goto(f"{console.url}/login")
    files = [(case["name"], base64.b64encode(content(case)).decode()) for case in CASES]
    wrong = []
    for case, found in zip(CASES, await console.page.evaluate(LOOK, [f"{console.url}/console", files]), strict=True):
        if "refused" in case:
            same = case["refused"] in found.get("refused", "")
        else:
            sent = case["sent"].encode() if "sent" in case else content(case)
            same = "refused" not in found and (
                found["format"],
                found["gzip"],
                dict(found["roles"]),
                mapping_of(found["fields"]),
                base64.b64decode(found["sent"]),
            ) == (case["format"], bool(case.get("gzip")) and "sent" not in case, case["roles"], case["mapping"], sent)
        if not same:
            wrong.append(f"{json.dumps(case)}\n  -> {json.dumps(found)}")
    assert not wrong, "\n".join(wrong)
