"""The files of the console, read as text."""

import re
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[2] / "phoenix_grpc" / "console"


@pytest.mark.parametrize("file", sorted(CONSOLE.rglob("*.*")), ids=lambda file: file.name)
def test_nothing_comes_from_another_host_and_no_data_becomes_markup(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert file.suffix != ".html" or not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text)
    assert file.suffix != ".js" or len(text.splitlines()) < 300
