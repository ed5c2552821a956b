"""Versions against a plain model: whatever is done to a dataset, every version reads as it was made."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from phoenix_grpc.errors import Invalid, NotFound
from phoenix_grpc.store.datasets import changes, examples, splits, uploads, versions
from phoenix_grpc.store.datasets.changes import Change, ExampleUpdate
from phoenix_grpc.store.datasets.examples import ExampleRef, Page
from phoenix_grpc.store.opening import open_engine
from tests.store.keeper import Keeper, named, numbered, record

CONTENTS = st.integers(0, 2)
SPLITS = st.none() | st.sets(st.sampled_from(["train", "test"]))


@dataclass(frozen=True)
class Item:
    """A record to come: by which id, with what."""

    content: int
    external_id: str | None = None
    known: int | None = None  # addresses the known-th example that there ever was
    splits: frozenset[str] | None = None


ITEMS = st.builds(
    Item,
    CONTENTS,
    st.none() | st.sampled_from("abc"),
    splits=SPLITS.map(lambda names: None if names is None else frozenset(names)),
) | st.builds(Item, CONTENTS, known=st.integers(0, 6))


@dataclass
class Model:
    """What the dataset must have."""

    live: dict[int, int] = field(default_factory=dict)  # example -> content
    external: dict[str, int] = field(default_factory=dict)
    members: dict[int, frozenset[str]] = field(default_factory=dict)
    history: dict[int, dict[int, int]] = field(default_factory=dict)  # version -> live
    ever: list[int] = field(default_factory=list)

    def match(self, records: Sequence[tuple[Item, int | None]]) -> list[int | None] | None:
        """The example that each record meets; None for the whole when it must be refused."""
        met: list[int | None] = []
        for item, example_id in records:
            if example_id is not None and example_id not in self.live:
                return None
            met.append(example_id if example_id is not None else self.external.get(item.external_id or ""))
        named_ids = [item.external_id for item, _ in records if item.external_id]
        if max(Counter(named_ids + [example for example in met if example is not None]).values(), default=1) > 1:
            return None
        for index, (item, example_id) in enumerate(records):
            if item.external_id is None and example_id is None:
                free = (one for one, content in sorted(self.live.items()) if content == item.content and one not in met)
                met[index] = next(free, None)
        return met


class VersionsMachine(RuleBasedStateMachine):
    """Uploads and small changes in any order, by any ids."""

    made = Bundle("made")

    def __init__(self, url: str) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.keeper = Keeper(open_engine(url))
        self.model = Model()

    def do(self, call: Any) -> Any:
        return self.loop.run_until_complete(call)

    def teardown(self) -> None:
        self.do(self.keeper.engine.close())
        self.loop.close()

    @initialize(items=st.lists(CONTENTS, max_size=4))
    def create(self, items: list[int]) -> None:
        self._upload([Item(content) for content in items], "CREATE", False)

    @rule(items=st.lists(ITEMS, max_size=5), dry=st.booleans())
    def append(self, items: list[Item], dry: bool) -> None:
        self._upload(items, "APPEND", dry)

    @rule(items=st.lists(ITEMS, max_size=5), dry=st.booleans())
    def mirror(self, items: list[Item], dry: bool) -> None:
        self._upload(items, "UPDATE", dry)

    @rule(known=st.integers(0, 6), content=CONTENTS)
    def update(self, known: int, content: int) -> None:
        example_id = self._known(known)
        values = [ExampleUpdate(ExampleRef(example_id, None, "x"), input=json.dumps({"value": content}))]
        if example_id not in self.model.live:
            with pytest.raises(NotFound):
                self._change(changes.update_examples, values)
            return
        changed = self._change(changes.update_examples, values)
        assert changed.updated == (self.model.live[example_id] != content)
        self.model.live[example_id] = content
        self._remember(changed.version.id)

    @rule(known=st.integers(0, 6))
    def delete(self, known: int) -> None:
        example_id = self._known(known)
        names = [ExampleRef(example_id, None, "x")] * 2
        if example_id not in self.model.live:
            with pytest.raises(NotFound):
                self._change(changes.delete_examples, names)
            return
        changed = self._change(changes.delete_examples, names)
        assert changed.deleted == 1
        del self.model.live[example_id]
        self.model.members.pop(example_id, None)
        self._remember(changed.version.id)

    @invariant()
    def every_version_reads_as_it_was_made(self) -> None:
        dataset = self.do(self.keeper.dataset())
        assert dataset.example_count == len(self.model.live)
        for version_id, live in self.model.history.items():
            rows = self.do(self.keeper.rows(dataset.id, version_id, limit=2))
            assert [(row[0], json.loads(row[2])["value"]) for row in rows] == sorted(live.items())

    @invariant()
    def splits_have_their_members(self) -> None:
        dataset = self.do(self.keeper.dataset())
        page = Page([(example_id,) for example_id in sorted(self.model.ever)], None)
        _, names = self.do(self.keeper.engine.read(examples.read_splits, dataset.id, page))
        assert names == {one: tuple(sorted(found)) for one, found in self.model.members.items() if found}
        counts = Counter(name for found in self.model.members.values() for name in found)
        for split in self.do(self.keeper.engine.read(splits.list_splits, numbered(dataset.id), None, 10)):
            assert split.example_count == counts[split.name]
            rows = self.do(self.keeper.rows(dataset.id, dataset.latest_version_id, 2, [split.id]))
            assert len(rows) == counts[split.name]

    def _known(self, known: int) -> int:
        return self.model.ever[known] if known < len(self.model.ever) else 10**6 + known

    def _change(self, work: Callable[..., Any], values: Sequence[Any]) -> Any:
        return self.do(self.keeper.engine.write(work, Change(named("d")), values))

    def _upload(self, items: list[Item], action: uploads.Action, dry: bool) -> None:
        known = [(item, None if item.known is None else self._known(item.known)) for item in items]
        records = [record(item.content, item.external_id, number, item.splits) for item, number in known]
        upload = self.keeper.upload(records, action, validate_only=dry, allow_empty=True)
        met = self.model.match(known)
        if met is None:
            with pytest.raises(Invalid):
                self.do(upload)
            return
        published = self.do(upload)
        expected = self._expected(items, met, action)
        assert (published.created, published.updated, published.deleted) == expected
        if dry:
            assert not published.version or published.version.id == max(self.model.history)
            return
        self._apply(items, met, action, published.base_id or 0)
        self._remember(published.version.id)

    def _expected(self, items: list[Item], met: list[int | None], action: str) -> tuple[int, int, int]:
        live, members = self.model.live, self.model.members
        created = sum(example not in live for example in met)
        updated = sum(
            live[example] != item.content
            or (item.splits is not None and item.splits != members.get(example, frozenset()))
            for item, example in zip(items, met, strict=True)
            if example in live
        )
        return created, updated, len(live.keys() - set(met)) if action == "UPDATE" else 0

    def _apply(self, items: list[Item], met: list[int | None], action: str, base_id: int) -> None:
        model = self.model
        ids = [base_id + ordinal if one is None else one for ordinal, one in enumerate(met, 1)]
        if action == "UPDATE":
            for gone in model.live.keys() - set(ids):
                del model.live[gone]
                model.members.pop(gone, None)
        for item, example_id in zip(items, ids, strict=True):
            model.live[example_id] = item.content
            if item.external_id:
                model.external[item.external_id] = example_id
            if item.splits is not None:
                model.members[example_id] = item.splits
        model.ever = sorted({*model.ever, *ids})

    def _remember(self, version_id: int) -> None:
        """A version is new exactly when the contents are."""
        history = self.model.history
        if version_id in history:
            assert history[version_id] == self.model.live
        else:
            assert version_id > max(history, default=0)
            assert not history or history[max(history)] != self.model.live
            history[version_id] = dict(self.model.live)
        dataset = self.do(self.keeper.dataset())
        version = self.do(self.keeper.engine.read(versions.find_version, numbered(dataset.id), version_id))
        assert version.live_count == len(history[version_id])


def test_every_version_reads_as_it_was_made(new_url: Callable[[], str]) -> None:
    run_state_machine_as_test(
        lambda: VersionsMachine(new_url()), settings=settings(max_examples=40, stateful_step_count=15)
    )
