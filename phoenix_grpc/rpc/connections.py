"""The connections to a port by address. C-core accepts them, and counts only all of them together."""

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import structlog

FLOOD = 256
"""So many calls of strangers from one address, refused within a second, are a flood."""
_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
"""How often connections are looked at, without a flood and at most: a new caller has the time between to call."""
_OPEN_FILES = Path("/dev/fd")

log = structlog.get_logger()


class Connections:
    """Closes connections of addresses that have too many, or from which strangers send a flood of calls.

    Each refusal takes the time of a small call, and others wait behind it; what a closed connection has sent, C-core
    drops at once. A connection stays as long as others can be closed if a caller was identified on it.

    Arguments:
        share: how many connections an address may have.
        exempt: whether an address has no limits.
    """

    def __init__(self, share: int, exempt: Callable[[str], bool]) -> None:
        self._share = share
        self._exempt = exempt
        self._identified: set[str] = set()
        self._refused: Counter[str] = Counter()
        self._closed: set[str] = set()
        self._flooded = asyncio.Event()

    def identified(self, peer: str) -> None:
        """Remembers a connection, by the name that gRPC gives it, for a call whose caller was identified."""
        self._identified.add(peer)

    def refused(self, peer: str) -> None:
        """Counts a call without a credential that holds, or one too many of a method that needs none."""
        address = address_of(peer)
        if peer in self._closed or self._exempt(address):
            return
        self._refused[address] += 1
        if self._refused[address] == FLOOD:
            self._flooded.set()

    async def keep(self, port: int) -> None:
        """Closes connections to a port of this process until it is cancelled."""
        last: set[str] = set()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._flooded.wait(), _SECONDS)
            self._flooded.clear()
            flooding = {address for address, count in self._refused.items() if count >= FLOOD}
            before = frozenset(self._identified)
            found, closed = await asyncio.to_thread(self._close, port, before, flooding)
            self._refused.clear()
            self._identified -= before - found
            # Calls that came over them are still being refused, and are no flood of those who come now.
            self._closed = last | closed
            last = closed
            if closed:
                log.warning("closed connections of addresses that have too many, or flood", count=len(closed))
            await asyncio.sleep(_PAUSE_SECONDS)

    def _close(self, port: int, identified: Collection[str], flooding: Collection[str]) -> tuple[set[str], set[str]]:
        """The names of the connections there are, and of those that were closed."""
        found = {number: peer for number in _open_files() if (peer := _peer(number, port)) is not None}
        counts: Counter[str] = Counter()
        closed = set()
        # Those of identified callers take the share of their address first.
        for number, peer in sorted(found.items(), key=lambda entry: entry[1] not in identified):
            address = address_of(peer)
            counts[address] += 1
            floods = address in flooding and peer not in identified
            if (floods or counts[address] > self._share) and not self._exempt(address) and _shut(number, port, peer):
                closed.add(peer)
        return set(found.values()), closed


def address_of(peer: str) -> str:
    """The address in a peer's name: "ipv4:192.0.2.1:5000" is 192.0.2.1, "ipv6:%5B::1%5D:5000" is ::1."""
    kind, _, rest = peer.partition(":")
    return rest.rpartition(":")[0].removeprefix("%5B").removesuffix("%5D") if kind in ("ipv4", "ipv6") else kind


def _open_files() -> list[int]:
    return [int(name) for name in os.listdir(_OPEN_FILES)]


def _peer(number: int, port: int) -> str | None:
    """The name of the peer of a connection that a port has accepted, as gRPC has it; None if the file is no such."""
    with contextlib.suppress(OSError), _borrowed(number) as connection:  # no socket, not connected, or closed meanwhile
        at, peer = connection.getsockname(), connection.getpeername()
        if isinstance(at, tuple) and at[1] == port:
            host = peer[0].removeprefix("::ffff:")
            return f"ipv6:%5B{host}%5D:{peer[1]}" if ":" in host else f"ipv4:{host}:{peer[1]}"
    return None


def _shut(number: int, port: int, peer: str) -> bool:
    """Closes a connection, unless the number is another file's by now; returns whether it did."""
    if _peer(number, port) != peer:
        return False
    with contextlib.suppress(OSError), _borrowed(number) as connection:  # it has closed by itself
        connection.shutdown(socket.SHUT_RDWR)
        return True
    return False


@contextlib.contextmanager
def _borrowed(number: int) -> Iterator[socket.socket]:
    """The socket that an open file is.

    The descriptor is not duplicated: closing a second descriptor of a file drops its locks, and the store's files are
    open, too.
    """
    connection = socket.socket(fileno=number)
    try:
        yield connection
    finally:
        connection.detach()
