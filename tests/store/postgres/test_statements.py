"""SQL of the store as psycopg and PostgreSQL take it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.store.postgres.statements import definition, for_psycopg
from tests.postgres import new_database

CASES = [
    ("SELECT :a", "SELECT %(a)s"),
    ("WHERE a = :a AND b > :b1", "WHERE a = %(a)s AND b > %(b1)s"),
    ("SELECT ':a'", "SELECT ':a'"),
    ("SELECT 'it''s :a', :a", "SELECT 'it''s :a', %(a)s"),
    ("SELECT a::text", "SELECT a::text"),
    ("LIKE '%' || :a", "LIKE '%%' || %(a)s"),
    ("SELECT 7 % :a", "SELECT 7 %% %(a)s"),
]


@pytest.mark.parametrize(("ours", "theirs"), CASES)
def test_parameters_are_marked_as_psycopg_wants(ours: str, theirs: str) -> None:
    assert for_psycopg(ours) == theirs


@given(st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=50))
def test_a_literal_stays_what_it_is(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    assert for_psycopg(f"SELECT {literal}, :a") == f"SELECT {literal.replace('%', '%%')}, %(a)s"


def test_a_definition_orders_texts_by_their_bytes_and_logs_nothing_staged() -> None:
    assert definition("CREATE TABLE t (a TEXT NOT NULL)") == 'CREATE TABLE t (a TEXT COLLATE "C" NOT NULL)'
    assert definition("CREATE TABLE staged_splits (a BIGINT)") == "CREATE UNLOGGED TABLE staged_splits (a BIGINT)"
    assert definition("ALTER TABLE staged_splits ADD b BIGINT") == "ALTER TABLE staged_splits ADD b BIGINT"


@pytest.mark.parametrize("value", [0, -1, 2**31, 2**63 - 1, "'; DROP TABLE users --", "%(a)s", b"\x00\xff", None])
async def test_a_value_arrives_as_it_was_sent(value: object) -> None:
    from phoenix_grpc.store.opening import open_engine

    engine = open_engine(new_database())
    try:
        cast = {int: "bigint", bytes: "bytea"}.get(type(value), "text")
        row = await engine.read(lambda tx: tx.one(f"SELECT CAST(:a AS {cast})", {"a": value}))
        assert row == (value,)
    finally:
        await engine.close()
