"""Adds credentials, a deadline and a request id to every call of a client, and converts its error."""

import random
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import Message

from phoenix_grpc.client.endpoint import RETRIES
from phoenix_grpc.client.errors import PhoenixError, error_of
from phoenix_grpc.config import ClientSettings
from phoenix_grpc.contract import METHODS, identified_part
from phoenix_grpc.errors import ConfigurationError, Reason

T = TypeVar("T")

TokenSource = Callable[[str], str]
"""Returns the bearer token for the next call, given the one that the server refused last ("" if none was): never the
refused one. An empty token means a call without credentials."""

RENEWABLE = frozenset({Reason.ACCESS_TOKEN_EXPIRED, Reason.SESSION_REVOKED})
"""Reasons after which another token may do: this one expired, or another process refreshed the session."""


LONGEST_WAIT = 5.0
"""Seconds that a server may ask to wait before a call is repeated; when it asks for more, the caller is told."""


class _Details(NamedTuple):
    """grpc.ClientCallDetails as a tuple: the fields that gRPC reads."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: Any


class Calls(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):
    """The one interceptor of a client, for the three kinds of RPC that the services have.

    Arguments:
        token_source: where bearer tokens come from.
        headers: metadata to send with each call.
        timeout: seconds that a unary call may take if it does not set its own; streams have no limit.
    """

    def __init__(self, token_source: TokenSource, headers: dict[str, str], timeout: float) -> None:
        self._token_source = token_source
        self._headers = headers
        self._timeout = timeout
        self._refused = ""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        request = identified(request)

        def call(timeout: float | None) -> Any:
            token = self._token(details.method)
            outcome = continuation(self._completed(details, token, timeout), request)
            return self._checked(outcome, token)

        return _persistent(call, self._timeout if details.timeout is None else details.timeout, _is_limited)

    def intercept_stream_unary(self, continuation: Any, details: Any, requests: Any) -> Any:
        token = self._token(details.method)
        outcome = continuation(self._completed(details, token, details.timeout), map(identified, requests))
        return self._checked(outcome, token)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        token = self._token(details.method)
        return _Responses(
            continuation(self._completed(details, token, details.timeout), request),
            lambda call: self._error(call, token),
        )

    def _token(self, method: str) -> str:
        return "" if METHODS[method].rule.public else self._token_source(self._refused)

    def _completed(self, details: Any, token: str, timeout: float | None) -> _Details:
        metadata = {**self._headers, **({"authorization": f"Bearer {token}"} if token else {})}
        if METHODS[details.method].rule.public:
            # It does not read credentials, so none are sent.
            metadata.pop("authorization", None)
        return _Details(
            details.method,
            timeout,
            [*(details.metadata or ()), *metadata.items()],
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )

    def _checked(self, outcome: Any, token: str) -> Any:
        """The response of a call; raises its error."""
        failure = outcome.exception()
        if isinstance(failure, grpc.RpcError):
            raise self._error(outcome, token) from None
        return outcome

    def _error(self, call: grpc.Call, token: str) -> PhoenixError:
        error = error_of(call)
        if error.reason in RENEWABLE:
            self._refused = token
        return error


class _Responses:
    """A stream of responses that fails with a PhoenixError; everything else is passed to the call."""

    def __init__(self, call: Any, error: Callable[[grpc.Call], PhoenixError]) -> None:
        self._call = call
        self._error = error

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError:
            raise self._error(self._call) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


def configured_token(settings: ClientSettings) -> TokenSource:
    """The credential of the settings.

    The source raises ConfigurationError when the file that has it cannot be read, or has none.
    """
    key, file = settings.api_key, settings.api_key_file
    if key is not None or file is None:
        return lambda _refused: key.get_secret_value() if key is not None else ""

    def read(_refused: str) -> str:
        try:
            text = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a credential"
            raise ConfigurationError(f"PHOENIX_API_KEY_FILE: cannot read {file}: {reason}") from None
        if not text:
            raise ConfigurationError(f"PHOENIX_API_KEY_FILE: {file} is empty")
        return text

    return read


def renewing(call: Callable[[], T]) -> T:
    """Repeats a call once if the server refused a token that can be renewed."""
    try:
        return call()
    except PhoenixError as error:
        if error.reason not in RENEWABLE:
            raise
    return call()


def persistent(call: Callable[[float | None], T], timeout: float | None) -> T:
    """Calls a streaming method that may run twice, and repeats the call while the server is unavailable.

    As endpoint.RETRIES has it for the other methods: gRPC's own retries would leave a stream that never ends, when the
    last attempt finds no connection (grpcio 1.85: its status arrives, but the end of its messages does not).

    Arguments:
        call: given the seconds that remain.
        timeout: seconds for all attempts together.
    """
    return _persistent(call, timeout, lambda error: _is_passing(error) or _is_limited(error))


def _persistent(call: Callable[[float | None], T], timeout: float | None, passes: Callable[[PhoenixError], bool]) -> T:
    deadline = None if timeout is None else time.monotonic() + timeout

    def attempt() -> T:
        return call(None if deadline is None else max(deadline - time.monotonic(), 0.0))

    for pause in _pauses():
        try:
            return renewing(attempt)
        except PhoenixError as error:
            pause = pause if error.retry_after is None else error.retry_after
            if not passes(error) or (deadline is not None and time.monotonic() + pause > deadline):
                raise
            time.sleep(pause)
    return renewing(attempt)


def _pauses() -> Iterator[float]:
    """Seconds before each repetition."""
    for number in range(RETRIES.attempts - 1):
        yield random.uniform(0.8, 1.2) * min(RETRIES.first_pause * RETRIES.growth**number, RETRIES.longest_pause)  # noqa: S311 - no secret


def _is_passing(error: PhoenixError) -> bool:
    """Whether the server was not reached, or says when to try again."""
    return error.status is grpc.StatusCode.UNAVAILABLE and (not error.reason or error.retry_after is not None)


def _is_limited(error: PhoenixError) -> bool:
    """Whether a limit refused the call, before any of it was done, and lets it through after a short wait."""
    limited = error.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    return limited and error.retry_after is not None and error.retry_after <= LONGEST_WAIT


def identified(request: Message) -> Message:
    """The request, with a new request_id if its type has one and the caller set none (AIP-4235).

    The caller's message is not changed: if the caller sends it again, it is another request.
    """
    part = identified_part(request)
    if part is None or part.request_id:
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    identified_part(copy).request_id = str(uuid.uuid4())
    return copy
