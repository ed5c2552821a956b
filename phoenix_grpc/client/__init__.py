"""The Python client: one synchronous channel with credentials, safe retries and deadlines, and transfers of files.

from phoenix_grpc.client import Client
from phoenix_grpc.v1 import datasets_pb2

with Client("127.0.0.1:50051", api_key="phgrpc_...") as client:
    client.upload("qa.jsonl.gz", "qa")
    for dataset in client.datasets.ListDatasets(datasets_pb2.ListDatasetsRequest()).datasets:
        print(dataset.name, dataset.example_count)
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import grpc

from phoenix_grpc.client.calls import Calls, TokenSource, once_more
from phoenix_grpc.client.endpoint import Endpoint, open_channel, parse_endpoint
from phoenix_grpc.client.errors import PhoenixError
from phoenix_grpc.client.files import chunks_of, download_format, format_of, is_gzip, replacing
from phoenix_grpc.config import load_client_settings
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.v1 import auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc

__all__ = ["Client", "ConfigurationError", "Endpoint", "PhoenixError", "Progress", "TokenSource"]

Progress = Callable[[int, int | None], None]
"""Called with the bytes done and, when it is known, the bytes in all; from another thread during uploads."""


class Client:
    """A connection to one server. Calls raise PhoenixError; it may be used from several threads.

    Arguments:
        address: `host:port`, `https://host[:port]` or `unix:/path`; by default PHOENIX_GRPC_ADDRESS, the host of
            PHOENIX_COLLECTOR_ENDPOINT, or 127.0.0.1 at PHOENIX_GRPC_PORT or 50051.
        api_key: an API key, access token or admin secret; by default PHOENIX_API_KEY.
        token_source: gives a token for each call, instead of `api_key`.
        tls: encrypt, and check the server's certificate against the machine's authorities; as https:// does.
        insecure: allow an unencrypted connection to another machine: whatever is sent can be read on the way.
        timeout: seconds that a unary call may take unless the call says otherwise.

    Attributes:
        datasets: the stub of DatasetsService.
        auth: the stub of AuthService.
        endpoint: where the server is.

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
                f"{self.endpoint} is another machine, and credentials would reach it in clear: "
                "use https:// (TLS), or allow it (insecure=True, --insecure)"
            )
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        calls = Calls(token_source or (lambda _refused: key), settings.client_headers, timeout)
        self._channel = open_channel(self.endpoint)
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
        """Ends the connection, and running calls with it."""
        self._channel.close()

    def upload(
        self,
        source: str | Path | BinaryIO | Iterable[bytes],
        name: str,
        action: str = "append",
        *,
        progress: Progress | None = None,
        timeout: float | None = None,
        **header: Any,
    ) -> datasets_pb2.UploadDatasetResponse:
        """Uploads a file, an open binary file, or chunks of bytes into the dataset `name`, with constant memory.

        Arguments:
            source: a path tells format and compression by its name: .csv, .jsonl, and .gz after either.
            action: "create", "append" or "update".
            header: other fields of UploadDatasetHeader, such as input_keys=["prompt"] or validate_only=True.

        Raises:
            PhoenixError: when the server refuses it; nothing of it is kept then.
            OSError: when the source cannot be read.
        """
        if isinstance(source, str):
            source = Path(source)
        message = _upload_header(source, name, action, header)

        def attempt() -> datasets_pb2.UploadDatasetResponse:
            return self._upload(message, source, progress, timeout)

        # Only a file can be read again from its start.
        return once_more(attempt) if isinstance(source, Path) else attempt()

    def _upload(
        self,
        header: datasets_pb2.UploadDatasetHeader,
        source: Path | BinaryIO | Iterable[bytes],
        progress: Progress | None,
        timeout: float | None,
    ) -> datasets_pb2.UploadDatasetResponse:
        failures: list[Exception] = []
        with chunks_of(source) as (chunks, total):

            def requests() -> Iterator[datasets_pb2.UploadDatasetRequest]:
                try:
                    yield datasets_pb2.UploadDatasetRequest(header=header)
                    for chunk, done in _counted(chunks):
                        yield datasets_pb2.UploadDatasetRequest(chunk=chunk)
                        if progress is not None:
                            progress(done, total)
                except Exception as error:
                    failures.append(error)
                    raise  # so that gRPC cancels the call: an end would be taken for the end of the file

            try:
                response: datasets_pb2.UploadDatasetResponse = self.datasets.UploadDataset(requests(), timeout=timeout)
            except PhoenixError:
                if failures:
                    raise failures[0] from None
                raise
        return response

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
                when its name ends in .gz; an open binary file is written as the bytes come.
            format: "jsonl", "csv", "examples", "openai_ft" or "openai_evals"; by default told by the target's name,
                and "jsonl" when that has no suffix.
            version: its id; by default the latest.
            splits: only examples in one of these splits, by name or id.

        Answers:
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
        def begin() -> tuple[Any, datasets_pb2.DownloadDatasetHeader]:
            responses = self.datasets.DownloadDataset(request, timeout=timeout)
            return responses, next(responses).header

        with contextlib.ExitStack() as stack:
            responses, header = once_more(begin)
            stack.callback(responses.cancel)  # when the target cannot be written
            out = stack.enter_context(replacing(target)) if isinstance(target, Path) else target
            for chunk, done in _counted(response.chunk for response in responses):
                out.write(chunk)
                if progress is not None:
                    progress(done, None)
        return header


def _upload_header(source: object, name: str, action: str, fields: dict[str, Any]) -> datasets_pb2.UploadDatasetHeader:
    """The header of an upload; format and compression are told by the name of a file unless they are said."""
    path = source if isinstance(source, Path) else Path()
    format = fields.pop("format", "") or format_of(path)
    compression = fields.pop("compression", "") or ("gzip" if is_gzip(path) else "none")
    return datasets_pb2.UploadDatasetHeader(
        name=name,
        action=f"UPLOAD_ACTION_{action.upper()}",
        format=f"UPLOAD_FORMAT_{format.upper()}",
        compression=f"COMPRESSION_{compression.upper()}",
        **fields,
    )


def _counted(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """The chunks, each with the bytes up to its end."""
    done = 0
    for chunk in chunks:
        done += len(chunk)
        yield chunk, done
