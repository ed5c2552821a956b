"""The gRPC server, as one HTTP request calls it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import grpc
from fastapi import Depends
from google.protobuf.message import Message
from starlette.requests import Request

from phoenix_grpc.config import Settings
from phoenix_grpc.contract import BY_NAME
from phoenix_grpc.guard.capacity import ByteBudget
from phoenix_grpc.http import cookies
from phoenix_grpc.http.errors import from_grpc
from phoenix_grpc.http.headers import Metadata, call_metadata
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc

CALL_SECONDS = 60
"""How long a call that is no upload and no download may take."""
PAGE_SIZE = 1000
ALL = 1 << 31
"""The limit of a list that Phoenix does not page."""


class Backend:
    """The gRPC server behind the door.

    Arguments:
        budget: of the bytes that requests hold.
        door_token: the secret by which the guard knows the door.
    """

    def __init__(self, settings: Settings, channel: grpc.aio.Channel, budget: ByteBudget, door_token: str) -> None:
        self.settings = settings
        self.channel = channel
        self.budget = budget
        self.turn = asyncio.Lock()
        self.door_token = door_token
        stubs = (datasets_pb2_grpc.DatasetsServiceStub, auth_pb2_grpc.AuthServiceStub)
        self._stubs = [make(channel) for make in stubs]

    def method(self, name: str) -> Any:
        """What calls the method of this name; no two of ours share one."""
        return getattr(next(stub for stub in self._stubs if hasattr(stub, name)), name)


@dataclass(frozen=True, slots=True)
class Door:
    """Calls the gRPC server with the credentials of one HTTP request; its refusals come out as HTTP answers."""

    backend: Backend
    metadata: Metadata

    @property
    def settings(self) -> Settings:
        """The settings of the server."""
        return self.backend.settings

    async def call(self, method: str, message: Message) -> Any:
        """The response of a unary method.

        Raises:
            Refused: for any status but OK.
        """
        try:
            return await self.backend.method(method)(message, metadata=self.metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error, method) from None

    async def check_access(self, method: str) -> None:
        """Returns when these credentials may call `method`.

        Raises:
            Refused: with the answer that the call would get.
        """
        if BY_NAME[method].rule.public:
            return
        request = auth_pb2.CheckAccessRequest(method=BY_NAME[method].path)
        try:
            await self.backend.method("CheckAccess")(request, metadata=self.metadata, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error, method) from None

    async def page(
        self, method: str, request: Any, items: str, limit: int, cursor: str | None
    ) -> tuple[list[Any], Any]:
        """Up to `limit` items of a list, over as many gRPC pages as that takes, and the next cursor or None.

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

    async def upload(self, messages: AsyncIterator[datasets_pb2.UploadDatasetRequest]) -> Any:
        """The response of UploadDataset.

        Raises:
            Refused: for any status but OK.
        """
        try:
            return await self.backend.method("UploadDataset")(messages, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error, "UploadDataset") from None

    async def download(self, request: datasets_pb2.DownloadDatasetRequest) -> "Download":
        """A download that has begun.

        Raises:
            Refused: for any status but OK.
        """
        call = self.backend.method("DownloadDataset")(request, metadata=self.metadata)
        try:
            first = await call.read()
        except grpc.aio.AioRpcError as error:
            raise from_grpc(error, "DownloadDataset") from None
        return Download(first.header, call)

    def acting_as(self, access_token: str) -> "Door":
        """The same request with another credential."""
        rest = tuple((key, value) for key, value in self.metadata if key != "authorization")
        return Door(self.backend, (*rest, ("authorization", f"Bearer {access_token}")))


@dataclass(frozen=True, slots=True)
class Download:
    """A download that has begun: its header, and the call that the chunks come from."""

    header: datasets_pb2.DownloadDatasetHeader
    call: Any

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the file, as they come; none is empty.

        Raises:
            grpc.aio.AioRpcError: when the stream breaks.
        """
        while (message := await self.call.read()) is not grpc.aio.EOF:
            if message.chunk:
                yield message.chunk

    def end(self) -> None:
        """Lets the server stop, when nobody reads on."""
        self.call.cancel()


def door_of(request: Request) -> Door:
    """The door of a request."""
    backend: Backend = request.app.state.backend
    credentials = cookies.credentials(request, backend.settings)
    return Door(backend, call_metadata(request, credentials, backend.door_token))


async def _current_door(request: Request) -> Door:
    return door_of(request)


CurrentDoor = Annotated[Door, Depends(_current_door)]
"""The parameter of a route that calls the gRPC server."""
