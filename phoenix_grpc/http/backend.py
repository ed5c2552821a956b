"""Calls of the guard for one HTTP request."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.requests import Request

from phoenix_grpc.config import Settings
from phoenix_grpc.contract import BY_NAME
from phoenix_grpc.errors import Error
from phoenix_grpc.guard.admission import Guard
from phoenix_grpc.guard.call import Call
from phoenix_grpc.guard.capacity import ByteBudget
from phoenix_grpc.http import cookies
from phoenix_grpc.http.errors import Refused, refused
from phoenix_grpc.identity.peers import FORWARDED, Peer
from phoenix_grpc.tracing import NO_TRACE, TraceContext, Tracer
from phoenix_grpc.v1 import datasets_pb2

CALL_SECONDS = 60
"""How long a call that is no upload and no download may take."""
PAGE_SIZE = 1000
ALL = 1 << 31
"""The limit of a list that Phoenix does not page."""
_MAX_TEXT = 500


def no_keys() -> bytes:
    """The key set where nobody but this server verifies its tokens."""
    return b'{"keys":[]}'


@dataclass(frozen=True, slots=True)
class Backend:
    """What is behind the door.

    Arguments:
        budget: of the bytes that requests hold.
        serving: whether the server serves: the store can be read, and it does not drain.
        turn: shared by all documents, to work on a large value.
        trace: begins the spans of requests; None where nothing is traced.
        published: returns the JSON Web Key Set that verifies access tokens.
    """

    settings: Settings
    guard: Guard
    budget: ByteBudget
    serving: Callable[[], bool]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    trace: Tracer | None = None
    published: Callable[[], bytes] = no_keys


class Door(Request):
    """An HTTP request that calls the guard with its credentials; refusals become HTTP responses.

    Being a request itself, it is what FastAPI hands to a route that takes one.
    """

    @property
    def backend(self) -> Backend:
        """What is behind the door."""
        backend: Backend = self.app.state.backend
        return backend

    @property
    def settings(self) -> Settings:
        """The settings of the server."""
        return self.backend.settings

    async def call(self, method: str, message: Message) -> Any:
        """The response of a unary method.

        Raises:
            Refused: for any error.
        """
        try:
            async with asyncio.timeout(CALL_SECONDS):
                return await self._run(method, message)
        except TimeoutError:
            raise Refused(503, "Service Unavailable") from None

    async def upload(self, messages: AsyncIterator[datasets_pb2.UploadDatasetRequest]) -> Any:
        """The response of UploadDataset.

        Raises:
            Refused: for any error.
        """
        return await self._run("UploadDataset", messages)

    async def _run(self, method: str, request: Any) -> Any:
        try:
            return await self.backend.guard.run(self._begin(method), request)
        except Error as error:
            raise refused(error, method) from None

    async def check_access(self, method: str) -> None:
        """Returns when these credentials may call `method`.

        Raises:
            Refused: with the response that the call would get.
        """
        if BY_NAME[method].rule.public:
            return
        try:
            await self.backend.guard.check(self._begin(method))
        except Error as error:
            raise refused(error, method) from None

    async def page(
        self, method: str, request: Any, items: str, limit: int, cursor: str | None
    ) -> tuple[list[Any], Any]:
        """Up to `limit` items of a list, over as many pages as that takes, and the next cursor or None.

        Arguments:
            items: the field of the response that holds them.
        """
        found: list[Any] = []
        request.page_token = cursor or ""
        while True:
            request.page_size = min(limit - len(found), PAGE_SIZE)
            response = await self.call(method, request)
            found.extend(getattr(response, items))
            request.page_token = response.next_page_token
            if not request.page_token or len(found) >= limit:
                return found, request.page_token or None

    async def download(self, request: datasets_pb2.DownloadDatasetRequest) -> "Download":
        """A download that has begun.

        Raises:
            Refused: for any error.
        """
        parts = self.backend.guard.run_stream(self._begin("DownloadDataset"), request)
        try:
            first = await anext(parts)
        except Error as error:
            raise refused(error, "DownloadDataset") from None
        return Download(first.header, parts)

    def acting_as(self, access_token: str) -> "Door":
        """The same request with another credential."""
        door = Door(self.scope, self.receive)
        door._entries = (("authorization", f"Bearer {access_token}"),)
        return door

    _entries: tuple[tuple[str, str], ...] | None = None

    def _begin(self, method: str) -> Call:
        if self._entries is None:
            # More than one is for the guard to refuse.
            values = cookies.credentials(self, self.settings)
            self._entries = tuple(("authorization", value) for value in values)
        return Call(
            BY_NAME[method].path,
            self.scope["state"]["request_id"],
            self.headers.get("user-agent", "")[:_MAX_TEXT],
            self._entries,
            time.perf_counter(),
            self.client.host if self.client else "",
            by_http=True,
            trace=trace_context(self.headers),
            peer=self._peer() if self.backend.guard.knows_workloads else None,
            within=self.scope["state"]["span"],
        )

    def _peer(self) -> Peer | None:
        """Who is at the other end of the connection, with what it forwards."""
        peer: Peer | None = self.scope["state"].get("peer")
        forwarded = tuple(self.headers.getlist(FORWARDED))
        return replace(peer, forwarded=forwarded) if peer is not None and forwarded else peer


@dataclass(frozen=True, slots=True)
class Download:
    """A download that has begun: its header, and where the chunks come from."""

    header: datasets_pb2.DownloadDatasetHeader
    _parts: AsyncGenerator[Any, None] = field(repr=False)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the file, as they arrive; no chunk is empty.

        Raises:
            Error: when the stream breaks.
        """
        async for message in self._parts:
            if message.chunk:
                yield message.chunk

    async def end(self) -> None:
        """Ends the download if nobody reads on."""
        await self._parts.aclose()


def trace_context(headers: Headers) -> TraceContext:
    """The trace that a request says it belongs to."""
    parent = headers.get("traceparent", "")
    return TraceContext(parent, headers.get("tracestate", "")) if parent else NO_TRACE


def door_of(request: Request) -> Door:
    """The door of a request."""
    return request if isinstance(request, Door) else Door(request.scope, request.receive)
