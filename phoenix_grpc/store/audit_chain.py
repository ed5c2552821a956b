"""The chain of the audit log: each event is sealed by a hash over itself and the hash before it.

Events are written with their change, and sealed soon after in the order of their commits. Who changes, removes or adds
a sealed event must change every hash after it, and the head, which is signed with the server's secret.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from phoenix_grpc.model import AuditEvent, now
from phoenix_grpc.store.audit import COLUMNS, event_of
from phoenix_grpc.store.engine import Engine, Transaction, numbered

GENESIS = "0" * 64
"""The hash before the first event."""

BATCH = 500
_TABLE = "audit_events"
_FINAL = "OLD.seq IS NOT NULL OR NEW.seq IS NULL OR " + " OR ".join(
    f"NEW.{c} IS DISTINCT FROM OLD.{c}" for c in COLUMNS
)

Sign = Callable[[str], str]
"""Signs a text with the server's secret."""

Verify = Callable[[str, str], bool]
"""Whether a signature is that of a text."""


class Mark(NamedTuple):
    """A place in the chain, signed: the head, which was sealed last, or the anchor, up to which events are removed.

    Arguments:
        seq: the number of the event there; 0 before the first.
        hash: of that event, hexadecimal.
        time: when the mark was made, microseconds.
    """

    seq: int
    hash: str
    time: int
    signature: str

    def text(self, name: str) -> str:
        """What is signed."""
        return f"{name} {self.seq} {self.hash} {self.time}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """An event in the chain, numbered without a gap from 1 on; `hash` is hexadecimal."""

    seq: int
    hash: str
    event: AuditEvent

    def facts(self) -> dict[str, object]:
        """What is sealed: the fields of the event, its time in RFC 3339, and its number."""
        fields = asdict(self.event)
        moment = datetime.fromtimestamp(fields.pop("created_at") / 1_000_000, UTC)
        return {"seq": self.seq, "time": moment.isoformat(timespec="microseconds"), **fields}

    def follows(self, before: str) -> bool:
        """Whether its hash is the one that comes after the hash `before`."""
        return self.hash == link(before, self.facts())

    def line(self, before: str) -> bytes:
        """The event as a line of JSON: its facts, and the hash `before` it and its own."""
        return _json({**self.facts(), "before": before, "hash": self.hash}) + b"\n"


def link(before: str, facts: dict[str, object]) -> str:
    """SHA-256 over the hash before, a newline, and the facts as JSON with sorted keys and without spaces."""
    return hashlib.sha256(before.encode() + b"\n" + _json(facts)).hexdigest()


def _json(facts: dict[str, object]) -> bytes:
    return json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def make_append_only(tx: Transaction) -> None:
    """Makes the database refuse to change an event that is sealed, or to remove one that is not."""
    message = "the audit log is append-only"
    tx.forbid(_TABLE, "UPDATE", _FINAL, message)
    tx.forbid(_TABLE, "DELETE", "OLD.seq IS NULL", message)


def end_append_only(tx: Transaction) -> None:
    """Ends make_append_only, for a restore that takes another log."""
    tx.permit(_TABLE, "UPDATE")
    tx.permit(_TABLE, "DELETE")


def has_unsealed(tx: Transaction) -> bool:
    """Whether any event is not sealed yet."""
    return tx.row(f"SELECT 1 FROM {_TABLE} WHERE seq IS NULL LIMIT 1") is not None


def seal(tx: Transaction, sign: Sign, limit: int = BATCH) -> int:
    """Seals events that are not; returns how many. One process does it at a time, the others wait for their turn."""
    seq, head = tx.one("UPDATE audit_chain SET head_seq = head_seq RETURNING head_seq, head_hash")
    rows = tx.rows(
        f"SELECT {', '.join(COLUMNS)} FROM {_TABLE} WHERE seq IS NULL ORDER BY id LIMIT :limit", {"limit": limit}
    )
    if not rows:
        return 0
    values: list[object] = []
    for row in rows:
        seq += 1
        sealed = Sealed(seq, "", event_of(row))
        head = link(head, sealed.facts())
        values += (sealed.event.id, seq, head)
    names, params = numbered("v", values)
    marks = names.split(", ")
    lists = ", ".join(f"({', '.join(marks[place : place + 3])})" for place in range(0, len(marks), 3))
    tx.run(
        f"UPDATE {_TABLE} SET seq = v.column2, hash = v.column3 FROM (VALUES {lists}) AS v"
        f" WHERE {_TABLE}.id = v.column1",
        params,
    )
    _write(tx, "head", Mark(seq, head, now(), ""), sign)
    return len(rows)


def _write(tx: Transaction, name: str, mark: Mark, sign: Sign) -> None:
    tx.run(
        f"UPDATE audit_chain SET {name}_seq = :seq, {name}_hash = :hash, {name}_time = :time,"
        f" {name}_signature = :signature",
        {**mark._asdict(), "signature": sign(mark.text(name))},
    )


def read_mark(tx: Transaction, name: str) -> Mark:
    """The "head" or the "anchor"."""
    return Mark(*tx.one(f"SELECT {name}_seq, {name}_hash, {name}_time, {name}_signature FROM audit_chain"))


def read_sealed(tx: Transaction, after: int, limit: int = BATCH) -> list[Sealed]:
    """The sealed events behind a number, in their order."""
    rows = tx.rows(
        f"SELECT {', '.join(COLUMNS)}, seq, hash FROM {_TABLE} WHERE seq > :after ORDER BY seq LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [Sealed(row[-2], row[-1], event_of(row[:-2])) for row in rows]


def hash_of(tx: Transaction, seq: int) -> str | None:
    """The hash of the event with a number, which may be that of the anchor; None when there is none."""
    anchor = read_mark(tx, "anchor")
    if seq == anchor.seq:
        return anchor.hash
    row = tx.row(f"SELECT hash FROM {_TABLE} WHERE seq = :seq", {"seq": seq})
    return str(row[0]) if row else None


def find_range(tx: Transaction, start: int | None, end: int | None) -> tuple[int, int]:
    """The numbers of the first event at or after `start` and of the last before `end`, microseconds; None is open."""
    first, last = read_mark(tx, "anchor").seq + 1, read_mark(tx, "head").seq
    if start is not None:
        sql = f"SELECT MIN(seq) FROM {_TABLE} WHERE created_at >= :time"
        first = tx.one(sql, {"time": start})[0] or last + 1
    if end is not None:
        last = tx.one(f"SELECT MAX(seq) FROM {_TABLE} WHERE created_at < :time", {"time": end})[0] or 0
    return first, last


async def lines(engine: Engine, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
    """The sealed events from one number to another as lines of JSON, many at once, with the number of the last.

    Raises:
        Broken: when the event before the first is not there.
    """
    seq = first - 1
    before = await engine.read(hash_of, seq)
    while seq < last and (events := await engine.read_long(read_sealed, seq, min(BATCH, last - seq))):
        if before is None:
            raise Broken(f"event {seq:,} is missing")
        parts = []
        for event in events:
            parts.append(event.line(before))
            seq, before = event.seq, event.hash
        yield seq, b"".join(parts)


def verify_lines(texts: Iterable[str]) -> int:
    """Follows the chain through lines of JSON as `lines` makes them; returns how many there are.

    Raises:
        Broken: naming the first line where it does not hold.
    """
    count, seq, last = 0, None, None
    for count, text in enumerate(texts, 1):
        try:
            facts = json.loads(text)
            before, found, number = facts.pop("before"), facts.pop("hash"), facts["seq"]
            made = link(before, facts)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise Broken(f"line {count:,} is no event") from None
        if found != made:
            raise Broken(f"line {count:,}: event {number} was changed")
        if seq is not None and (number != seq + 1 or before != last):
            raise Broken(f"line {count:,}: event {number} does not follow event {seq}")
        seq, last = number, found
    return count


def remove(tx: Transaction, before: int, limit: int, sign: Sign) -> int:
    """Removes sealed events older than `before` (microseconds) from the begin of the chain; returns how many.

    The anchor keeps what the chain goes on from.
    """
    (after,) = tx.one("UPDATE audit_chain SET anchor_seq = anchor_seq RETURNING anchor_seq")
    rows = tx.rows(
        f"SELECT seq, hash, created_at FROM {_TABLE} WHERE seq > :after ORDER BY seq LIMIT :limit",
        {"after": after, "limit": limit},
    )
    old = list(_while_older(rows, before))
    if not old:
        return 0
    seq, last = old[-1]
    _write(tx, "anchor", Mark(seq, last, now(), ""), sign)
    return tx.run(f"DELETE FROM {_TABLE} WHERE seq <= :seq", {"seq": seq})


def _while_older(rows: list[tuple[int, str, int]], before: int) -> Iterator[tuple[int, str]]:
    for seq, hash, time in rows:
        if time >= before:
            return
        yield seq, hash


class Broken(Exception):
    """The chain does not hold; the text says where."""


class Verified(NamedTuple):
    """What was verified.

    Arguments:
        first, last: the numbers of the events that there are; last is first - 1 when there are none.
        until: the time up to which the log is sealed, microseconds.
        unsealed: how many events are not yet.
        signed: whether the signatures were checked.
    """

    first: int
    last: int
    until: int
    unsealed: int
    signed: bool


async def verify(engine: Engine, verifies: Verify | None) -> Verified:
    """Follows the chain from its anchor to its head.

    Arguments:
        verifies: checks the signatures; None when the secret is not known here.

    Raises:
        Broken: at the first place where it does not hold.
    """
    head, anchor = await engine.read(read_mark, "head"), await engine.read(read_mark, "anchor")
    for name, mark in (("anchor", anchor), ("head", head)):
        if mark.seq and verifies is not None and not verifies(mark.text(name), mark.signature):
            raise Broken(f"the signature of the {name} ({mark.seq:,}) is not by this server's secret")
    seq, before = anchor.seq, anchor.hash
    while seq < head.seq and (events := await engine.read_long(read_sealed, seq)):
        for event in events:
            if event.seq != seq + 1:
                raise Broken(f"event {seq + 1:,} is missing")
            if not event.follows(before):
                raise Broken(f"event {event.seq:,} was changed, or an event before it")
            seq, before = event.seq, event.hash
            if seq == head.seq:
                break
    if seq < head.seq:
        raise Broken(f"event {seq + 1:,} is missing: the log was sealed up to {head.seq:,}")
    if before != head.hash:
        raise Broken(f"event {seq:,} is not the one that was sealed last")
    (unsealed,) = await engine.read_long(lambda tx: tx.one(f"SELECT COUNT(*) FROM {_TABLE} WHERE seq IS NULL"))
    return Verified(anchor.seq + 1, head.seq, head.time, unsealed, verifies is not None)
