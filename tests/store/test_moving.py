"""Moving a store: every row arrives, whatever interrupts it, and only one of the two databases is ever in use."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from phoenix_grpc.errors import ConfigurationError, Unavailable
from phoenix_grpc.store import moving
from phoenix_grpc.store.datasets import datasets
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from tests.postgres import new_database
from tests.store.accounts.test_api_keys import add as add_key
from tests.store.accounts.test_users import add as add_user
from tests.store.conftest import files
from tests.store.keeper import Keeper, record


@pytest.fixture(params=["sqlite", "postgresql"])
def other_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Makes URLs of databases for the target."""
    if request.param == "postgresql":
        return new_database
    (tmp_path / "other").mkdir()
    return files(tmp_path / "other")


@pytest_asyncio.fixture
async def target(other_url: Callable[[], str]) -> AsyncIterator[Engine]:
    """An engine on an empty database."""
    engine = open_engine(other_url())
    yield engine
    await engine.close()


@pytest_asyncio.fixture
async def source(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """A store with something in every table that can have it, moved in small pages."""
    monkeypatch.setattr(moving, "_PAGE_ROWS", 3)
    user = await add_user(keeper.engine)
    await add_key(keeper.engine, user.id)
    texts = ["\u00e9\U0001f600", "\\N\t", "x" * 1000, *map(str, range(20))]
    await keeper.upload([record(text, external_id=f"e{n}", splits=["s"]) for n, text in enumerate(texts)])
    await keeper.upload([record("changed", external_id=f"e{n}") for n in range(5)], "UPDATE")
    return keeper


async def move(source: Engine, target: Engine, progress: Any = lambda *_: None) -> int:
    """Moves the store."""
    return await moving.move(source, target, "the source", "the target", progress)


async def test_every_row_arrives(source: Keeper, target: Engine) -> None:
    before = await source.contents(), await source.splits(), await source.dataset()
    assert await move(source.engine, target) > 60
    there = Keeper(target)
    assert (await there.contents(), await there.splits(), await there.dataset()) == before
    await target.read(moving.require_here)
    await there.upload([record("after")])
    new = await target.write(datasets.create_dataset, "new", None, "{}", None)
    assert new.id > before[2].id


async def test_the_source_takes_no_writes_and_names_the_target(source: Keeper, target: Engine) -> None:
    async def refuse() -> None:
        with pytest.raises(Unavailable, match="takes no writes"):
            await source.engine.write(datasets.create_dataset, "late", None, "{}", None)
        with pytest.raises(Unavailable, match="takes no writes"):
            await source.upload([record("late")])

    await move(source.engine, target)
    await refuse()
    assert len(await source.contents()) == 5
    with pytest.raises(ConfigurationError, match="was moved to the target"):
        await source.engine.read(moving.require_here)
    with pytest.raises(ConfigurationError, match="was moved to the target"):
        await move(source.engine, target)
    assert await moving.give_up(source.engine)
    assert not await moving.give_up(source.engine)
    await source.upload([record("late")])


class Killed(BaseException):
    """The process is gone."""


async def test_a_move_that_is_killed_goes_on(source: Keeper, other_url: Callable[[], str]) -> None:
    step, moved = 0, False
    target = open_engine(other_url())
    try:
        while not moved:
            step += 7
            seen = 0

            def die(_table: str, _done: int, _total: int, step: int = step) -> None:
                nonlocal seen
                seen += 1
                if seen == step:
                    raise Killed

            try:
                await move(source.engine, target, die)
                moved = True
            except Killed:
                with pytest.raises(ConfigurationError, match="is being copied from the source"):
                    await target.read(moving.require_here)
                with pytest.raises(Unavailable):
                    await source.upload([record("meanwhile")])
        assert step > 40
        assert await Keeper(target).contents() == await source.contents()
    finally:
        await target.close()


async def test_a_target_that_is_in_use_or_changed_is_refused(source: Keeper, target: Engine) -> None:
    await target.write(datasets.create_dataset, "mine", None, "{}", None)
    with pytest.raises(ConfigurationError, match="not empty"):
        await move(source.engine, target)


async def test_a_row_that_differs_is_found(source: Keeper, target: Engine) -> None:
    calls = 0

    async def change(table: str) -> None:
        await target.write(lambda tx: tx.run("UPDATE revisions SET input = '{}' WHERE example_id = 3"))

    names = [name for name, _ in moving.TABLES]

    class Changing:
        def __getattr__(self, name: str) -> Any:
            return getattr(target, name)

        async def stage(self, fn: Any, *args: Any) -> Any:
            nonlocal calls
            calls += 1
            result = await target.stage(fn, *args)
            await change(names[0])
            return result

    changing: Any = Changing()
    with pytest.raises(ConfigurationError, match="revisions: the source has 28 rows and the target 28"):
        await move(source.engine, changing)
    with pytest.raises(ConfigurationError, match="is being copied"):
        await target.read(moving.require_here)
    assert await moving.give_up(source.engine)


async def test_every_table_is_moved_or_left_behind_on_purpose(engine: Engine, kind: str) -> None:
    sql = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA()",
    }[kind]
    found = {name for (name,) in await engine.read(lambda tx: tx.rows(sql))}
    assert found == {name for name, _ in moving.TABLES} | moving.LEFT_BEHIND
