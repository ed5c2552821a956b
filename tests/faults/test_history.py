"""The checker of histories must be able to fail: bad histories, made by hand."""

from dataclasses import replace

import pytest

from tests.faults.history import Operation, Outcome, Unfit, Version, check

FIRST = Version(1, "", 0)
ADD = Operation("add", 0, 1, version=2, puts={"a": "1", "b": "1"})
CHANGE = Operation("change", 2, 3, version=3, puts={"a": "2"})
REMOVE = Operation("remove", 4, 5, version=4, removes=frozenset("b"))
VERSIONS = [FIRST, Version(2, "add", 2), Version(3, "change", 2), Version(4, "remove", 1)]
OPERATIONS = [ADD, CHANGE, REMOVE]
BOTH = {"a": "2", "b": "1"}


def read(begin: float, end: float, version: int, **contents: str) -> Operation:
    return Operation(f"read at {begin}", begin, end, version=version, read=contents)


def told_missing(begin: float, end: float, key: str) -> Operation:
    return Operation(f"update at {begin}", begin, end, Outcome.FAILED, missing=key)


def changed(name: str, **fields: object) -> list[Operation]:
    return [replace(one, **fields) if one.name == name else one for one in OPERATIONS]  # type: ignore[arg-type]


GOOD = {
    "nothing was done": ([FIRST], []),
    "one after the other": (VERSIONS, OPERATIONS),
    "reads of each version in time": (
        VERSIONS,
        [*OPERATIONS, read(0.5, 0.6, 1), read(1.5, 1.6, 2, a="1", b="1"), read(3, 4, 3, **BOTH), read(6, 7, 4, a="2")],
    ),
    "a read beside a write sees it or does not": (
        VERSIONS,
        [*OPERATIONS, read(2.5, 2.8, 3, **BOTH), read(2.2, 2.6, 2, a="1", b="1")],
    ),
    "writes at the same time take either order": (VERSIONS, changed("change", begin=4, end=6)),
    "an unknown outcome that is there": (VERSIONS, changed("change", outcome=Outcome.UNKNOWN, version=0)),
    "an unknown outcome that took effect after its caller gave up": (
        VERSIONS,
        [*changed("change", begin=0.0, end=0.1, outcome=Outcome.UNKNOWN, version=0), read(1.5, 1.6, 2, a="1", b="1")],
    ),
    "an unknown outcome that is not there": (
        VERSIONS,
        [*OPERATIONS, Operation("lost", 0, 9, Outcome.UNKNOWN, puts={"c": "1"})],
    ),
    "an example missing before it came, and after it went": (
        VERSIONS,
        [*OPERATIONS, told_missing(0.2, 0.9, "b"), told_missing(4.5, 9, "b")],
    ),
}

BAD = {
    "a lost write": (VERSIONS[:3], OPERATIONS),
    "a lost write whose number another has": (
        [*VERSIONS[:3], Version(4, "remove", 1)],
        [*OPERATIONS, replace(REMOVE, name="x")],
    ),
    "a write done twice": ([*VERSIONS, Version(5, "change", 1)], OPERATIONS),
    "an unknown write done twice": (
        [FIRST, Version(2, "add", 2), Version(3, "add", 2)],
        [replace(ADD, outcome=Outcome.UNKNOWN, version=0)],
    ),
    "a write that failed and is there": (VERSIONS, changed("change", outcome=Outcome.FAILED)),
    "a write that nobody sent": ([*VERSIONS, Version(5, "ghost", 1)], OPERATIONS),
    "a write told another version": (VERSIONS, changed("change", version=4)),
    "a torn write": (VERSIONS, [*OPERATIONS, read(1.5, 1.6, 2, a="1")]),
    "a torn write by its count": ([FIRST, Version(2, "add", 1)], [ADD]),
    "a read of what comes later": (VERSIONS, [*OPERATIONS, read(1.5, 1.6, 2, **BOTH)]),
    "a read of a deleted example": (VERSIONS, [*OPERATIONS, read(6, 7, 4, **BOTH)]),
    "a read of a version that there is not": (VERSIONS, [*OPERATIONS, read(6, 7, 9, a="2")]),
    "a stale read after a write": (VERSIONS, [*OPERATIONS, read(3.5, 3.6, 2, a="1", b="1")]),
    "a read of a write before it was sent": (VERSIONS, [*OPERATIONS, read(1.2, 1.3, 3, **BOTH)]),
    "a read that goes back behind another": (
        VERSIONS,
        [*OPERATIONS, read(2.2, 2.3, 3, **BOTH), read(2.5, 2.6, 2, a="1", b="1")],
    ),
    "an unknown write seen before it was sent": (
        VERSIONS,
        [*changed("change", outcome=Outcome.UNKNOWN, version=0), read(1.2, 1.3, 3, **BOTH)],
    ),
    "writes against the clock": (VERSIONS, changed("add", begin=3.1, end=3.2)),
    "versions that go down": ([FIRST, VERSIONS[2], VERSIONS[1], VERSIONS[3]], OPERATIONS),
    "a deletion of what is not there": (
        [*VERSIONS, Version(5, "again", 1)],
        [*OPERATIONS, replace(REMOVE, name="again", begin=6, end=7, version=5)],
    ),
    "an example not found that was there throughout": (VERSIONS, [*OPERATIONS, told_missing(1.2, 3.9, "b")]),
    "an example not found that was there from before the question": (
        VERSIONS,
        [*OPERATIONS, told_missing(1.2, 9, "a")],
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_history_that_fits_is_accepted(name: str) -> None:
    check(*GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_history_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(Unfit):
        check(*BAD[name])
