"""Terminal sessions as documents print them: what is typed, and what is printed, in which "…" stands for anything."""

import re
from collections.abc import Iterator


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Each command of a console block, with its output."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def pattern(output: str) -> str:
    """A regular expression for an output; the space of tables does not count."""
    parts = (re.sub(r"(?:\\ )+", r"\\s+", re.escape(part)) for part in output.strip().split("…"))
    return r"\s*" + ".*?".join(parts) + r"\s*"
