"""A line between the server and PostgreSQL that tests cut, stall and close at chosen moments."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

_PIECE = 1 << 16


class Proxy:
    """Listens on a port of this machine, and passes on what comes to the Unix socket of a server.

    Arguments:
        url: a database's, as tests.postgres makes them.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._database = parts.path
        self._port = 0
        self._listener: socket.socket | None = None
        self._lines: list[tuple[socket.socket, socket.socket]] = []
        self._flowing = threading.Event()
        self._flowing.set()
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
            _end(*line)

    def cut_at(self, words: bytes, after: bool = False) -> None:
        """Cuts the next connection on which a client sends these words, and only this once.

        Arguments:
            after: whether the server gets them, and its answer is what is lost.
        """
        self._cut_at, self._passes_it = words, after

    def stall(self) -> None:
        """Leaves all connections open and passes nothing on."""
        self._flowing.clear()

    def go_on(self) -> None:
        """Passes on what has waited, and what comes."""
        self._flowing.set()

    def keep(self) -> None:
        """Keeps what clients send from now on."""
        self._keeps = True

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                continue
            self._lines.append((client, server))
            losing = threading.Event()
            threading.Thread(target=self._pass_orders, args=(client, server, losing), daemon=True).start()
            threading.Thread(target=self._pass_answers, args=(client, server, losing), daemon=True).start()

    def _pass_orders(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        for data in _received(client):
            self._flowing.wait()
            if self._keeps:
                self.sent.append(data)
            if self._cut_at is not None and self._cut_at in data:
                self._cut_at = None
                if not self._passes_it:
                    break
                losing.set()
            with contextlib.suppress(OSError):
                server.sendall(data)
        if not losing.is_set():
            _end(client, server)
        client.close()

    def _pass_answers(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        for data in _received(server):
            self._flowing.wait()
            if losing.is_set():
                break
            with contextlib.suppress(OSError):
                client.sendall(data)
        _end(client, server)
        server.close()


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
