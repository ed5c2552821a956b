"""A client of raw HTTP/2: it can stop in the middle of a message, or read nothing, as no gRPC client does."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes

Headers = tuple[tuple[str, str], ...]


class Connection:
    """A connection to a gRPC server; `statuses` are those of the calls that it has ended, by stream.

    Arguments:
        window: how many bytes the server may send on each stream, and never more; None leaves it as HTTP/2 has it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int | None = None) -> None:
        self._reader = reader
        self._writer = writer
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._moved = asyncio.Event()
        self.statuses: dict[int, str] = {}
        self.refused_streams = 0
        self.closed = False
        self._begun = 0
        self._settled = False
        self._h2.initiate_connection()
        if window is not None:
            self._h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})
            self._h2.increment_flow_control_window(2**30)

    def begin(self, path: str, metadata: Headers = (), end: bool = False) -> int:
        """Sends the headers of a call, and its end when there is nothing more; gives the number of its stream."""
        stream: int = self._h2.get_next_available_stream_id()
        self._begun += 1
        pseudo = ((":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"))
        headers = (*pseudo, ("te", "trailers"), ("content-type", "application/grpc"), *metadata)
        self._h2.send_headers(stream, headers, end_stream=end)
        self._flush()
        return stream

    async def call(self, path: str, request: bytes, metadata: Headers = ()) -> int:
        """Begins a call with one request; gives its stream."""
        stream = self.begin(path, metadata)
        await self.send(stream, b"\0" + struct.pack(">I", len(request)) + request, end=True)
        return stream

    async def send(self, stream: int, data: bytes, end: bool = False) -> None:
        """Sends bytes as fast as the server takes them, and the end; stops when it has ended the call."""
        rest = memoryview(data)
        while rest and not self.closed and stream not in self.statuses:
            window = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, len(rest))
            if window > 0:
                self._h2.send_data(stream, bytes(rest[:window]))
                rest = rest[window:]
                self._flush()
                await self._writer.drain()
            else:
                self._moved.clear()
                await self._moved.wait()
        if end and not self.closed and stream not in self.statuses:
            self._h2.end_stream(stream)
            self._flush()

    async def read(self) -> None:
        """Takes what the server sends, until it closes the connection."""
        self._flush()
        with contextlib.suppress(OSError):
            while data := await self._reader.read(1 << 16):
                for event in self._h2.receive_data(data):
                    self._take(event)
                self._flush()
                self._moved.set()
        self.closed = True
        self._moved.set()

    @property
    def ended(self) -> int:
        """How many calls have ended: all, when the server has closed the connection."""
        return self._begun if self.closed else len(self.statuses)

    @property
    def most_streams(self) -> int | None:
        """How many streams the server says a connection may have; None before it spoke."""
        settings = self._h2.remote_settings
        return settings.max_concurrent_streams if self._settled else None

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._settled = True
        elif isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            status = dict(event.headers).get("grpc-status")
            if status is not None:
                self.statuses[event.stream_id] = status
        elif isinstance(event, h2.events.StreamReset) and event.stream_id not in self.statuses:
            self.refused_streams += 1
            self.statuses[event.stream_id] = "reset"

    def _flush(self) -> None:
        self._writer.write(self._h2.data_to_send())


def message(size: int, sent: int | None = None) -> bytes:
    """The first `sent` bytes of a message that says it has `size`."""
    return (b"\0" + struct.pack(">I", size) + b"\x0a" + b"x" * size)[: size + 5 if sent is None else sent]


@contextlib.asynccontextmanager
async def connected(address: str, window: int | None = None) -> AsyncIterator[Connection]:
    """A connection to host:port, or to unix:path, with a window as `Connection` has it."""
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    connection = Connection(reader, writer, window)
    reading = asyncio.create_task(connection.read())
    try:
        yield connection
    finally:
        reading.cancel()
        writer.close()
