"""The connections to a port by address. C-core accepts them, and counts only all of them together."""

import contextlib
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

_OPEN_FILES = Path("/dev/fd")


def close_excess(port: int, share: int, exempt: Callable[[str], bool]) -> int:
    """Closes the connections of addresses to a port of this process beyond their share; returns how many.

    Arguments:
        exempt: whether an address has no share.
    """
    found: Counter[str] = Counter()
    closed = 0
    for connection, address in _connections(port):
        found[address] += 1
        if found[address] > share and not exempt(address):
            with contextlib.suppress(OSError):  # it has closed by itself
                connection.shutdown(socket.SHUT_RDWR)
            closed += 1
    return closed


def _connections(port: int) -> Iterator[tuple[socket.socket, str]]:
    """The connections that a port has accepted, and their addresses.

    The descriptors are not duplicated: closing a second descriptor of a file drops its locks, and the store's files
    are open, too.
    """
    for name in os.listdir(_OPEN_FILES):
        with contextlib.suppress(OSError):  # no socket, not connected, or closed meanwhile
            borrowed = socket.socket(fileno=int(name))
            try:
                at, peer = borrowed.getsockname(), borrowed.getpeername()
                if isinstance(at, tuple) and at[1] == port:
                    yield borrowed, peer[0].removeprefix("::ffff:")
            finally:
                borrowed.detach()
