"""What the methods of DatasetsService share."""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

from phoenix_grpc.config import Settings
from phoenix_grpc.services.downloads import Downloads
from phoenix_grpc.services.naming import repeatable
from phoenix_grpc.store import requests
from phoenix_grpc.store.engine import Engine, Transaction

M = TypeVar("M", bound=Message)


class DatasetMethods:
    """The ground that the methods of each subject are written on."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.downloads = Downloads(settings)

    async def write_once(self, request: Any, response: type[M], act: Callable[[Transaction], M]) -> M:
        """What `act` answers in a write transaction; or the first answer, when the request comes again under its id.

        Raises:
            Invalid: when the request_id is no UUID, or another request was made under it.
        """
        repeated = repeatable(request)
        if repeated is None:
            return await self.engine.write(act)
        data = await self.engine.write(requests.once, repeated, lambda tx: act(tx).SerializeToString())
        return response.FromString(data)
