"""Decides whether what clients saw of one dataset fits one order (linearizability).

Every write makes a version that carries the name of its operation, and every read says its version, so the order is
given, and only has to be checked: against what each version must contain, and against the clock.
"""

import enum
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

Contents = Mapping[str, str]
"""What a dataset has: by external id, a value."""


class Outcome(enum.Enum):
    """What a client knows of its operation."""

    OK = enum.auto()
    FAILED = enum.auto()
    """It was told that nothing was done."""
    UNKNOWN = enum.auto()


@dataclass(frozen=True)
class Operation:
    """What one client did.

    Arguments:
        name: the operation's own; a write's version carries it.
        begin, end: when it was sent and answered, in seconds of one clock.
        version: the one that it read or made; 0 when it was not told.
        puts: the values it wrote.
        removes: the examples it deleted.
        read: what it read; None for a write.
        missing: an example that the server said is not there.
    """

    name: str
    begin: float
    end: float
    outcome: Outcome = Outcome.OK
    version: int = 0
    puts: Contents = field(default_factory=dict)
    removes: frozenset[str] = frozenset()
    read: Contents | None = None
    missing: str = ""


@dataclass(frozen=True)
class Version:
    """One of a dataset's versions in the end, and the operation that made it ("" for the first)."""

    number: int
    made_by: str
    live_count: int


class Unfit(AssertionError):
    """No order fits the history."""


def check(versions: Sequence[Version], operations: Sequence[Operation]) -> None:
    """Returns if the operations fit the versions, which are given in their order.

    Raises:
        Unfit: with what does not fit.
    """
    writes = {operation.name: operation for operation in operations if operation.read is None}
    _check_made_once(versions, writes)
    contents = dict(_contents(versions, writes))
    groups: dict[int, list[Operation]] = {version.number: [] for version in versions}
    for operation in operations:
        if operation.read is not None and operation.outcome is Outcome.OK:
            _check_read(operation, contents)
            groups[operation.version].append(operation)
    makers = {version.number: writes.get(version.made_by) for version in versions}
    _check_clock(makers, groups)
    _check_missing(operations, makers, contents)


def _check_made_once(versions: Sequence[Version], writes: Mapping[str, Operation]) -> None:
    """Each acknowledged write has its version, and no write has two, or one although it failed."""
    for before, after in itertools.pairwise(versions):
        if after.number <= before.number:
            raise Unfit(f"version {after.number} comes after {before.number}")
    made: dict[str, int] = {}
    for version in versions[1:]:
        operation = writes.get(version.made_by)
        if operation is None:
            raise Unfit(f"version {version.number} was made by nobody: {version.made_by!r}")
        if version.made_by in made:
            raise Unfit(f"{version.made_by} was done twice: versions {made[version.made_by]} and {version.number}")
        if operation.outcome is Outcome.FAILED:
            raise Unfit(f"{version.made_by} failed, and made version {version.number}")
        made[version.made_by] = version.number
    for operation in writes.values():
        if operation.outcome is Outcome.OK and made.get(operation.name) != operation.version:
            raise Unfit(f"{operation.name} was told version {operation.version}, made {made.get(operation.name)}")


def _contents(versions: Sequence[Version], writes: Mapping[str, Operation]) -> Iterator[tuple[int, Contents]]:
    """What each version must contain."""
    live: dict[str, str] = {}
    for version in versions:
        if (operation := writes.get(version.made_by)) is not None:
            live.update(operation.puts)
            for key in operation.removes:
                if live.pop(key, None) is None:
                    raise Unfit(f"{operation.name} deleted {key}, which version {version.number} had not")
        if len(live) != version.live_count:
            raise Unfit(f"version {version.number} has {version.live_count} examples in place of {len(live)}")
        yield version.number, dict(live)


def _check_read(operation: Operation, contents: Mapping[int, Contents]) -> None:
    expected = contents.get(operation.version)
    if expected is None:
        raise Unfit(f"{operation.name} read version {operation.version}, which there is not")
    if operation.read != expected:
        wrong = set(expected.items()) ^ set((operation.read or {}).items())
        raise Unfit(f"{operation.name} read version {operation.version} wrong: {sorted(wrong)[:6]}")


def _check_clock(makers: Mapping[int, Operation | None], groups: Mapping[int, Sequence[Operation]]) -> None:
    """Nothing that ended before another began comes after it in the order."""
    latest: Operation | None = None  # of all so far, what began last

    def place(operation: Operation) -> None:
        # A write without an answer may have taken effect at any time after.
        if latest is not None and operation.outcome is Outcome.OK and operation.end < latest.begin:
            raise Unfit(f"{operation.name} ended before {latest.name} began, and comes after it")

    for number, maker in makers.items():
        if maker is not None:
            place(maker)
            latest = _later(latest, maker)
        for read in groups[number]:
            place(read)
        for read in groups[number]:
            latest = _later(latest, read)


def _later(one: Operation | None, two: Operation) -> Operation:
    return two if one is None or two.begin > one.begin else one


def _check_missing(
    operations: Sequence[Operation], makers: Mapping[int, Operation | None], contents: Mapping[int, Contents]
) -> None:
    """Whoever was told that an example is missing could have looked when it was."""
    placed = [operation for operation in operations if operation.version]
    placed += [
        Operation(maker.name, maker.begin, float("inf"), version=number)
        for number, maker in makers.items()
        if maker is not None and maker.outcome is Outcome.UNKNOWN
    ]
    for operation in operations:
        if not operation.missing:
            continue
        first = max((one.version for one in placed if one.end < operation.begin), default=0)
        # What a later write made was not there yet; what a later read saw may have been.
        later = (one.version - (one.read is None) for one in placed if one.begin > operation.end)
        last = min(later, default=max(contents))
        if all(operation.missing in contents[number] for number in contents if first <= number <= last):
            raise Unfit(f"{operation.name} did not find {operation.missing}, in versions {first} to {last}")
