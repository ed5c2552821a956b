"""From the store's SQL to psycopg's, and to PostgreSQL's dialect where the schema is defined."""

import functools
import re

# A literal, a cast, a parameter, or a percent sign, which is psycopg's own mark.
_TOKEN = re.compile(r"'(?:[^']|'')*'|::|:([A-Za-z_][A-Za-z0-9_]*)|%")
_TEXT = re.compile(r"\bTEXT\b")
# What is staged is worth nothing after a crash: its upload is refused, and sent again.
_UNLOGGED = re.compile(r"\bCREATE TABLE (?=staged_examples\b|staged_splits\b|upload_matches\b)")


@functools.lru_cache(maxsize=2048)
def for_psycopg(sql: str) -> str:
    """A statement with `:name` parameters as psycopg takes it, with `%(name)s`."""
    return _TOKEN.sub(_translated, sql)


def _translated(token: re.Match[str]) -> str:
    name = token.group(1)
    return f"%({name})s" if name else token.group(0).replace("%", "%%")


def definition(sql: str) -> str:
    """A statement of the schema in PostgreSQL's dialect: texts are ordered by their bytes, as SQLite orders them."""
    return _UNLOGGED.sub("CREATE UNLOGGED TABLE ", _TEXT.sub('TEXT COLLATE "C"', sql))
