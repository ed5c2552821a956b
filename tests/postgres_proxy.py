"""A line between the server and PostgreSQL that tests cut, stall and close at chosen moments."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

_PIECE = 1 << 16


@dataclass(frozen=True)
class _Line:
    client: socket.socket
    server: socket.socket
    flowing: threading.Event = field(default_factory=threading.Event)
    losing: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Listens on a port of this machine, and passes on what comes to the Unix socket of a server, or to its port.

    Arguments:
        url: a database's, as tests.postgres and tests.faults.cluster make them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port) if parts.hostname else None
        self._target = "" if parts.hostname else f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._database = parts.path
        self._port = 0
        self._listener: socket.socket | None = None
        self._lines: list[_Line] = []
        self._flows = True
        self._cut_at: bytes | None = None
        self._passes_it = False
        self.sent: list[bytes] = []
        """What clients sent while it was kept; see `keep`."""
        self._keeps = False

    @property
    def url(self) -> str:
        """The URL of the database by way of the proxy."""
        return f"postgresql://phoenix@127.0.0.1:{self._port}{self._database}"

    def open(self) -> None:
        """Takes connections."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuses connections, and ends those there are."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Ends all connections."""
        lines, self._lines = self._lines, []
        for line in lines:
            line.flowing.set()
            _end(line.client, line.server)

    def cut_at(self, words: bytes, after: bool = False) -> None:
        """Cuts the next connection on which a client sends these words, and only this once.

        Arguments:
            after: whether the server gets them, and its answer is what is lost.
        """
        self._cut_at, self._passes_it = words, after

    def stall(self, new: bool = True) -> None:
        """Leaves all connections open and passes nothing on.

        Arguments:
            new: whether connections that are made later stall, too.
        """
        self._flows = not new
        for line in self._lines:
            line.flowing.clear()

    def go_on(self) -> None:
        """Passes on what has waited, and what comes."""
        self._flows = True
        for line in self._lines:
            line.flowing.set()

    def keep(self) -> None:
        """Keeps what clients send from now on."""
        self._keeps = True

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_INET if self._address else socket.AF_UNIX)
            try:
                server.connect(self._address or self._target)
            except OSError:
                server.close()
                client.close()
                continue
            line = _Line(client, server)
            if self._flows:
                line.flowing.set()
            self._lines.append(line)
            threading.Thread(target=self._pass_orders, args=(line,), daemon=True).start()
            threading.Thread(target=self._pass_answers, args=(line,), daemon=True).start()

    def _pass_orders(self, line: _Line) -> None:
        for data in _received(line.client):
            line.flowing.wait()
            if self._keeps:
                self.sent.append(data)
            if self._cut_at is not None and self._cut_at in data:
                self._cut_at = None
                if not self._passes_it:
                    break
                line.losing.set()
            with contextlib.suppress(OSError):
                line.server.sendall(data)
        if not line.losing.is_set():
            _end(line.client, line.server)
        line.client.close()

    def _pass_answers(self, line: _Line) -> None:
        for data in _received(line.server):
            line.flowing.wait()
            if line.losing.is_set():
                break
            with contextlib.suppress(OSError):
                line.client.sendall(data)
        _end(line.client, line.server)
        line.server.close()


def _received(end: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(OSError):
        while data := end.recv(_PIECE):
            yield data


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def proxied(url: str) -> Iterator[Proxy]:
    """A proxy to a database until the block ends."""
    proxy = Proxy(url)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.go_on()
        proxy.close()
