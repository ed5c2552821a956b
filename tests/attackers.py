"""Clients that do what no well-behaved one does: raw HTTP/2 connections whose every frame the test decides."""

import contextlib
import select
import socket
import time
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, StreamEnded, StreamReset
from h2.settings import SettingCodes

DOWNLOAD = "/phoenix_grpc.v1.DatasetsService/DownloadDataset"


class RawConnection:
    """A connection to a gRPC server that grants each stream `window` bytes, and never more of itself."""

    def __init__(self, address: str, window: int) -> None:
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)))
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.increment_flow_control_window(2**30)
        self.events: list[Event] = []
        self.flush()

    def call(self, path: str, message: bytes, metadata: Iterable[tuple[str, str]] = ()) -> int:
        """Begins a call with one request; answers its stream."""
        stream = self.h2.get_next_available_stream_id()
        host = "{}:{}".format(*self.socket.getpeername()[:2])
        pseudo = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", host)]
        headers = [*pseudo, ("te", "trailers"), ("content-type", "application/grpc"), *metadata]
        self.h2.send_headers(stream, headers)
        self.h2.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
        self.flush()
        return stream

    def flush(self) -> None:
        """Sends what h2 has to send."""
        self.socket.sendall(self.h2.data_to_send())

    def receive(self) -> None:
        """Takes up what came; pings and settings are acknowledged, windows are not opened."""
        if data := self.socket.recv(1 << 20):
            self.events += self.h2.receive_data(data)
            self.flush()

    def close(self) -> None:
        """Goes away."""
        self.socket.close()

    @property
    def ended(self) -> set[int]:
        """The streams that the server has ended."""
        return {event.stream_id for event in self.events if isinstance(event, StreamEnded | StreamReset)}


@contextlib.contextmanager
def stalled_downloads(
    address: str, request: bytes, metadata: Iterable[tuple[str, str]], count: int, window: int = 20_000
) -> Iterator[list[RawConnection]]:
    """Connections of 100 downloads each, of which nobody reads more than a window."""
    with contextlib.ExitStack() as stack:
        connections = []
        for start in range(0, count, 100):
            connection = RawConnection(address, window)
            stack.callback(connection.close)
            for _ in range(min(100, count - start)):
                connection.call(DOWNLOAD, request, metadata)
            connections.append(connection)
        yield connections


def receive_until_ended(connections: list[RawConnection], count: int, seconds: float) -> int:
    """Takes up what comes until `count` streams were ended, or the time is over; answers how many were."""
    until = time.monotonic() + seconds
    while (ended := sum(len(one.ended) for one in connections)) < count and time.monotonic() < until:
        ready, _, _ = select.select([one.socket for one in connections], [], [], 0.1)
        for one in connections:
            if one.socket in ready:
                one.receive()
    return ended


@contextlib.contextmanager
def stalled_requests(url: str, path: str, headers: dict[str, str], count: int) -> Iterator[list[socket.socket]]:
    """HTTP requests whose answers nobody reads."""
    parts = urlsplit(url)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in opened:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            one.connect((parts.hostname, parts.port))
            one.sendall(f"GET {path} HTTP/1.1\r\nhost: {parts.netloc}\r\n{lines}\r\n".encode())
        yield opened
