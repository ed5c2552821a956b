"""Clients that do what no well-behaved one does: they stop in the middle, read nothing, or send what weighs most."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from urllib.parse import urlsplit

import grpc
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from phoenix_grpc.v1 import datasets_pb2
from tests.http2 import Connection, Headers, connected, message

LOGIN = "/phoenix_grpc.v1.AuthService/Login"
APPEND = "/phoenix_grpc.v1.DatasetsService/AppendExamples"
UPLOAD = "/phoenix_grpc.v1.DatasetsService/UploadDataset"
DOWNLOAD = "/phoenix_grpc.v1.DatasetsService/DownloadDataset"
REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LARGEST = (4 << 20) - 10
"""Bytes of the largest message that a server takes."""
_STREAMS = 100
"""How many a connection may have."""


async def send_halves(
    address: str, path: str, metadata: Headers, size: int, connections: int, streams: int = _STREAMS
) -> None:
    """Begins calls whose messages lack the last byte, and waits until most were ended, or nothing moves."""
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(address)) for _ in range(connections)]
        sends = []
        for connection in opened:
            for _ in range(streams):
                stream = connection.begin(path, metadata)
                if size:
                    sends.append(asyncio.create_task(connection.send(stream, message(size, size))))
        await wait_until_ended(opened, connections * streams - 40, 30)
        for task in sends:
            task.cancel()
        await asyncio.gather(*sends, return_exceptions=True)


async def wait_until_ended(connections: Sequence[Connection], count: int, seconds: float) -> None:
    """Returns when the server has ended so many calls.

    Raises:
        TimeoutError: when it has not in time.
    """
    async with asyncio.timeout(seconds):
        while sum(connection.ended for connection in connections) < count:
            await asyncio.sleep(0.05)


async def send_dense(address: str, metadata: Headers, count: int) -> Counter[str]:
    """Sends as many messages at once that are short, and take much memory when parsed; gives the statuses."""
    values = ListValue(values=[Value(list_value=ListValue())] * 900_000)
    example = datasets_pb2.NewExample(input=Struct(fields={"a": Value(list_value=values)}))
    request = datasets_pb2.AppendExamplesRequest(name="nobody's", examples=[example]).SerializeToString()

    async def append() -> str:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            try:
                await channel.unary_unary(APPEND)(request, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                return error.code().name
        return "OK"

    return Counter(await asyncio.gather(*(append() for _ in range(count))))


@contextlib.asynccontextmanager
async def stalled_downloads(
    address: str, request: bytes, metadata: Headers, count: int, window: int = 20_000
) -> AsyncIterator[list[Connection]]:
    """Downloads of which nobody reads more than a window."""
    async with contextlib.AsyncExitStack() as stack:
        connections = []
        for start in range(0, count, _STREAMS):
            connection = await stack.enter_async_context(connected(address, window))
            for _ in range(min(_STREAMS, count - start)):
                await connection.call(DOWNLOAD, request, metadata)
            connections.append(connection)
        yield connections


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
