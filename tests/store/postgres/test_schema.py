"""The properties by which the schema can be spread over machines; see docs/scaling.md."""

from phoenix_grpc.store import moving
from phoenix_grpc.store.engine import Engine

# What grows with the examples.
BIG = {"versions", "examples", "revisions", "splits", "split_members"}


async def keys(engine: Engine, where: str) -> list[tuple[str, list[str]]]:
    """The indexes that meet a condition: the table, and the columns in their order."""
    return await engine.read(
        lambda tx: tx.rows(
            "SELECT t.relname, ARRAY(SELECT a.attname::text FROM UNNEST(i.indkey) WITH ORDINALITY AS k (number, place)"
            " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number ORDER BY k.place)"
            f" FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid WHERE t.relkind = 'r' AND {where}"
        )
    )


async def test_every_key_of_a_big_table_begins_with_the_dataset(engine: Engine) -> None:
    found = [(table, columns) for table, columns in await keys(engine, "i.indisunique") if table in BIG]
    assert {table for table, _ in found} == BIG
    assert [key for key in found if key[1][0] != "dataset_id"] == []


async def test_so_does_every_other_index_of_one(engine: Engine) -> None:
    found = [(table, columns) for table, columns in await keys(engine, "NOT i.indisunique") if table in BIG]
    assert found
    assert [key for key in found if key[1][0] != "dataset_id"] == []


async def test_nothing_refers_to_a_big_table_or_from_one(engine: Engine) -> None:
    rows = await engine.read(
        lambda tx: tx.rows(
            "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
        )
    )
    assert rows
    assert [row for row in rows if BIG & set(row)] == []


async def test_there_are_no_sequences_of_the_database(engine: Engine) -> None:
    assert await engine.read(lambda tx: tx.rows("SELECT relname FROM pg_class WHERE relkind = 'S'")) == []


async def test_texts_are_ordered_by_their_bytes(engine: Engine) -> None:
    rows = await engine.read(
        lambda tx: tx.rows(
            "SELECT table_name, column_name, collation_name FROM information_schema.columns"
            " WHERE table_schema = CURRENT_SCHEMA() AND data_type = 'text'"
        )
    )
    assert {name for name, _, _ in rows} >= {name for name, _ in moving.TABLES} & BIG - {"split_members"}
    assert [row for row in rows if row[2] != "C"] == []
