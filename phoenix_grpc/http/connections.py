"""The open connections of the HTTP door: limited in total and per address; the one idle longest makes room."""

from collections import Counter
from typing import Protocol

from phoenix_grpc.guard.proxies import TrustedProxies


class Connection(Protocol):
    """A connection that is counted."""

    def cut_off(self) -> None:
        """Closes it at once."""
        ...


class Connections:
    """Counts the connections of a server.

    Arguments:
        limit: of all.
        share: of one address; trusted proxies may have more.
    """

    def __init__(self, limit: int, share: int, proxies: TrustedProxies) -> None:
        self._limit = limit
        self._share = share
        self._proxies = proxies
        self._addresses: dict[Connection, str] = {}
        self._counts: Counter[str] = Counter()
        self._idle: dict[Connection, None] = {}  # in the order in which they became so

    def enter(self, connection: Connection, address: str) -> bool:
        """Counts a new, idle connection; False if there is no room, and no idle connection to close for it."""
        crowded = self._counts[address] >= self._share and not self._proxies.speak_for_many(address)
        if (crowded or len(self._addresses) >= self._limit) and not self._make_room(address if crowded else None):
            return False
        self._addresses[connection] = address
        self._counts[address] += 1
        self._idle[connection] = None
        return True

    def busy(self, connection: Connection) -> None:
        """Marks a connection that has sent a request."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Marks a connection whose requests have all been served."""
        if connection in self._addresses:
            self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """Ends what `enter` began; it may be called again."""
        self._idle.pop(connection, None)
        if (address := self._addresses.pop(connection, None)) is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def _make_room(self, address: str | None) -> bool:
        """Closes the connection that is idle longest, of this address or of any; False when none is."""
        for one in self._idle:
            if address is None or self._addresses[one] == address:
                self.leave(one)
                one.cut_off()
                return True
        return False
