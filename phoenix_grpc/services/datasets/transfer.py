"""The two streaming methods of DatasetsService: files in and out."""

import contextlib
from collections.abc import AsyncIterator

from phoenix_grpc.errors import Invalid
from phoenix_grpc.pace import Pace
from phoenix_grpc.services.datasets.download_trail import download_recorded
from phoenix_grpc.services.datasets.downloads import download
from phoenix_grpc.services.datasets.methods import DatasetMethods
from phoenix_grpc.services.datasets.uploads import Upload, next_message, read_chunks, read_header
from phoenix_grpc.store.datasets import uploads
from phoenix_grpc.v1 import datasets_pb2


class TransferMethods(DatasetMethods):
    """The methods that stream files."""

    async def UploadDataset(
        self, request_iterator: AsyncIterator[datasets_pb2.UploadDatasetRequest]
    ) -> datasets_pb2.UploadDatasetResponse:
        pace = Pace(self.settings.upload_idle_seconds)
        first = await next_message(request_iterator, pace)
        if first is None or first.WhichOneof("payload") != "header":
            raise Invalid("header", "the first message must be the header")
        plan = read_header(first.header)
        if plan.request is None:  # a repeated request would find what it made the first time
            await self.engine.read(uploads.find_target, plan.publication)
        async with Upload(self.engine, plan, self.settings.max_record_bytes, self.large_records) as upload:
            async for chunk in read_chunks(request_iterator, pace):
                self.uploaded_bytes += len(chunk)
                await upload.feed(chunk)
            response = await upload.publish()
            self.uploaded_examples += response.record_count
            return response

    async def DownloadDataset(
        self, request: datasets_pb2.DownloadDatasetRequest
    ) -> AsyncIterator[datasets_pb2.DownloadDatasetResponse]:
        async with download_recorded(self.engine, self.settings.audit_downloads) as see:
            with self.downloads.begin() as share:
                async with contextlib.aclosing(download(self.engine, request, share)) as messages:
                    async for message in messages:
                        see(message)
                        yield message
