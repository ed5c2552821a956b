"""The Python client: one synchronous channel with credentials, safe retries and deadlines, and transfers of files.

from phoenix_grpc.client import Client
from phoenix_grpc.v1 import datasets_pb2

with Client("127.0.0.1:50051", api_key="phgrpc_...") as client:
    client.upload("qa.jsonl.gz", "qa")
    for dataset in client.datasets.ListDatasets(datasets_pb2.ListDatasetsRequest()).datasets:
        print(dataset.name, dataset.example_count)
"""

import contextlib
import functools
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import grpc

from phoenix_grpc.client.calls import Calls, TokenSource, configured_token, persistent
from phoenix_grpc.client.data_files import DataFile, Progress, open_data_file
from phoenix_grpc.client.endpoint import Endpoint, open_channel, parse_endpoint
from phoenix_grpc.client.errors import PhoenixError, UnfitFile
from phoenix_grpc.client.files import download_format, replacing
from phoenix_grpc.client.record_count import RecordCount
from phoenix_grpc.client.uploads import counted, naming_records, send, upload_header
from phoenix_grpc.config import load_client_settings
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.v1 import auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc

__all__ = [
    "Client",
    "ConfigurationError",
    "DataFile",
    "Endpoint",
    "PhoenixError",
    "Progress",
    "TokenSource",
    "UnfitFile",
    "open_data_file",
]


class Client:
    """A connection to one server. Calls raise PhoenixError; it may be used from several threads.

    Arguments:
        address: `host:port`, `https://host[:port]` or `unix:/path`; by default PHOENIX_GRPC_ADDRESS, the host of
            PHOENIX_COLLECTOR_ENDPOINT, or 127.0.0.1 at PHOENIX_GRPC_PORT or 50051.
        api_key: an API key, access token or admin secret; by default PHOENIX_API_KEY, or what
            PHOENIX_API_KEY_FILE contains at each call.
        token_source: returns a token for each call, in place of `api_key`.
        tls: encrypt, and check the server's certificate against the machine's authorities, or those of
            PHOENIX_CLIENT_CA_FILE; as https:// does.
        insecure: allow an unencrypted connection to another machine; anyone on the way can read what is sent.
        timeout: seconds that a unary call may take, unless the call sets its own.

    Attributes:
        datasets: the stub of DatasetsService.
        auth: the stub of AuthService.
        endpoint: the server's address.

    Raises:
        ConfigurationError: for a bad address, and for an unencrypted one on another machine without `insecure`.
    """

    def __init__(
        self,
        address: str | None = None,
        api_key: str | None = None,
        *,
        token_source: TokenSource | None = None,
        tls: bool = False,
        insecure: bool = False,
        timeout: float = 30.0,
    ) -> None:
        settings = load_client_settings(grpc_address=address, api_key=api_key)
        self.endpoint = parse_endpoint(settings.address, tls)
        if not (self.endpoint.tls or self.endpoint.local or insecure):
            raise ConfigurationError(
                f"{self.endpoint} is another machine, and credentials would be sent to it unencrypted: "
                "use https:// (TLS), or allow it (insecure=True, --insecure)"
            )
        calls = Calls(token_source or configured_token(settings), settings.client_headers, timeout)
        self._channel = open_channel(self.endpoint, settings)
        intercepted = grpc.intercept_channel(self._channel, calls)
        self.datasets = datasets_pb2_grpc.DatasetsServiceStub(intercepted)
        self.auth = auth_pb2_grpc.AuthServiceStub(intercepted)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection, which ends running calls."""
        self._channel.close()

    def upload(
        self,
        source: str | Path | BinaryIO | DataFile | Iterable[bytes],
        name: str,
        action: str = "append",
        *,
        progress: Progress | None = None,
        timeout: float | None = None,
        **header: Any,
    ) -> datasets_pb2.UploadDatasetResponse:
        """Uploads a file, or chunks of bytes, into the dataset `name`, with constant memory.

        A file is inspected first: it may be CSV, JSON Lines or one JSON array, and compressed with gzip. If no key is
        named and its records are not {id?, input, output?, metadata?, splits?}, the columns are mapped by a guess from
        their names (columns.guess_mapping).

        Arguments:
            source: a path, an open binary file, a file of `open_data_file`, or chunks, which are sent unchanged.
            action: "create", "append" or "update".
            progress: called from another thread with the bytes that were read and, if it is known, the total of bytes;
                these are equal once, when everything was sent.
            header: further fields of UploadDatasetHeader, such as input_keys=["prompt"] or validate_only=True; format
                and compression are "csv" or "jsonl" and "none", "gzip" or "deflate".

        Raises:
            PhoenixError: when the server refuses it; nothing of it is kept then.
            UnfitFile: when the file cannot be uploaded; nothing was sent then.
            OSError: when the source cannot be read.
        """
        if isinstance(source, str | Path) or hasattr(source, "read"):
            how = {field: header.pop(field, "") for field in ("format", "compression")}
            with open_data_file(source, **how, allow_empty=header.get("allow_empty", False)) as file:  # type: ignore[arg-type]
                return self.upload(file, name, action, progress=progress, timeout=timeout, **header)
        # One id for all attempts, so that what is repeated is done once.
        header.setdefault("request_id", str(uuid.uuid4()))
        message = upload_header(source, name, action, header)
        chunks = source.chunks if isinstance(source, DataFile) else functools.partial(counted, source)

        def attempt(timeout: float | None) -> datasets_pb2.UploadDatasetResponse:
            return send(self.datasets.UploadDataset, message, chunks, progress or _untold, timeout)

        # An iterator, and a pipe, can be read once only.
        repeatable = source.is_regular if isinstance(source, DataFile) else isinstance(source, Sequence)
        try:
            return persistent(attempt, timeout) if repeatable else attempt(timeout)
        except PhoenixError as error:
            raise naming_records(error) if isinstance(source, DataFile) and source.is_array else error from None

    def download(
        self,
        name: str,
        target: str | Path | BinaryIO,
        format: str = "",
        version: str = "",
        *,
        splits: Iterable[str] = (),
        progress: Progress | None = None,
        timeout: float | None = None,
    ) -> datasets_pb2.DownloadDatasetHeader:
        """Downloads one version of the dataset `name` into a file, with constant memory.

        Arguments:
            target: a path is written beside itself and then renamed, so it is never half a file, and is compressed
                if its name ends in .gz; an open binary file is written as the bytes arrive.
            format: "jsonl", "csv", "examples", "openai_ft" or "openai_evals"; by default from the target's
                name, or "jsonl" if that has no suffix.
            version: its id; by default the latest.
            splits: only examples in one of these splits, by name or id.
            progress: called with the number of examples received and, without `splits`, the total.

        Returns:
            the header: dataset, version, file name, content type.

        Raises:
            PhoenixError: when the server refuses it.
            ConfigurationError: when the target's name has another suffix and `format` does not say what to write.
            OSError: when the target cannot be written.
        """
        if isinstance(target, str):
            target = Path(target)
        chosen = format or (download_format(target) if isinstance(target, Path) else "jsonl")
        request = datasets_pb2.DownloadDatasetRequest(
            name=name, version_id=version, format=f"DOWNLOAD_FORMAT_{chosen.upper()}", splits=list(splits)
        )
        return self._download(request, target, progress, timeout)

    def _download(
        self,
        request: datasets_pb2.DownloadDatasetRequest,
        target: Path | BinaryIO,
        progress: Progress | None,
        timeout: float | None,
    ) -> datasets_pb2.DownloadDatasetHeader:
        def begin(timeout: float | None) -> tuple[Any, datasets_pb2.DownloadDatasetHeader]:
            responses = self.datasets.DownloadDataset(request, timeout=timeout)
            return responses, next(responses).header

        with contextlib.ExitStack() as stack:
            responses, header = persistent(begin, timeout)
            stack.callback(responses.cancel)  # when the target cannot be written
            out = stack.enter_context(replacing(target)) if isinstance(target, Path) else target
            records = RecordCount(is_csv=request.format == datasets_pb2.DOWNLOAD_FORMAT_CSV)
            total = None if request.splits else header.version.live_count
            for response in responses:
                out.write(response.chunk)
                if progress is not None:
                    progress(records.add(response.chunk), total)
        return header


def _untold(_done: int, _total: int | None) -> None:
    """Ignores progress."""
