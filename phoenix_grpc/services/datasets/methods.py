"""What the methods of DatasetsService share."""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import Message

from phoenix_grpc.config import Settings
from phoenix_grpc.services.datasets.open_downloads import Downloads
from phoenix_grpc.services.datasets.references import repeatable
from phoenix_grpc.services.datasets.uploads import large_records
from phoenix_grpc.services.trail import Trail, recorded
from phoenix_grpc.store.datasets import replays
from phoenix_grpc.store.engine import Engine, Transaction

M = TypeVar("M", bound=Message)
T = TypeVar("T")


class DatasetMethods:
    """What the methods of every subject build on.

    Attributes:
        uploaded_bytes, uploaded_examples: of files, as they came, and of those that were published.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.downloads = Downloads(settings)
        self.uploaded_bytes = 0
        self.uploaded_examples = 0
        self.large_records = large_records(settings.max_record_bytes)

    async def change(self, act: Callable[[Transaction, Trail], T]) -> T:
        """Runs `act` in a write transaction, which also keeps what it adds to the trail."""
        return await recorded(self.engine, act)

    async def write_once(self, request: Any, response: type[M], act: Callable[[Transaction, Trail], M]) -> M:
        """As `change`; or returns the first response when the request is repeated under its id.

        Raises:
            Invalid: when the request_id is no UUID, or another request was made under it.
        """
        repeated = repeatable(request)
        if repeated is None:
            return await self.change(act)
        data = await self.change(
            lambda tx, trail: replays.once(tx, repeated, lambda tx: act(tx, trail).SerializeToString())
        )
        return response.FromString(data)
