"""The guard: the one interceptor every call passes, for all four kinds of RPC.

On the way in: request id, limit, authentication, access rule, parse, dataset limits of the key, the servicer.
On the way out: errors to statuses, audit, one log line. A refusal answers before the body of the call is read.
"""

import asyncio
import contextlib
import hmac
import inspect
import itertools
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import Message

from phoenix_grpc import contract, errors
from phoenix_grpc.contract import Method
from phoenix_grpc.errors import Reason
from phoenix_grpc.guard import access
from phoenix_grpc.guard.access import Caller, caller
from phoenix_grpc.guard.authentication import Authenticator, Standing
from phoenix_grpc.guard.capacity import Room
from phoenix_grpc.guard.carriers import MAX_CREDENTIAL, REQUEST_ID
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.guard.rates import RateLimit
from phoenix_grpc.guard.refusals import RefusalRecorder
from phoenix_grpc.ids import encode_id, parse_id
from phoenix_grpc.logs import CallLine, CallLog
from phoenix_grpc.rpc.ending import end_call
from phoenix_grpc.rpc.reception import Endpoint, Messages, Reception
from phoenix_grpc.rpc.statuses import status_of
from phoenix_grpc.store.datasets.datasets import DatasetName, lookup_dataset
from phoenix_grpc.store.engine import Engine

MAX_PUBLIC_CALLS = 256
MAX_PUBLIC_STREAMS = 1000
"""What strangers may hold open, all together: calls such as logins; streams of health and reflection."""
_PUBLIC_SHARE = 32
"""How many of either one address may."""
MAX_UPLOADS = 64
_UPLOADS_SHARE = 32
"""Uploads at once, and those of one caller: C-core holds up to a message of each while it is on its way."""

_LAST_WORD = 0.1
"""What part of the time to stall a client then has for the rest of what was written and the status behind it."""

_CARRIERS = ("authorization", "api_key", "api-key", "x-api-key")

log = structlog.get_logger()

Metadata: TypeAlias = "tuple[tuple[str, str | bytes], ...]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"


class Guard(grpc.aio.ServerInterceptor):
    """Identifies the caller of each RPC and refuses what its rule does not allow.

    Arguments:
        methods: every method that is served, by path; a path that is not in it is denied.
        authenticator: None while authentication is off.
        door_token: a secret of the HTTP door, which alone may say where a call came from.
        max_calls: calls served at once; more are refused with RESOURCE_EXHAUSTED.
        reception: takes the messages in.
        stall_seconds: how long a client may take for a part of a stream; a slower one is ended.
        proxies: whom to believe, beside the door, where a call came from.
        logins: how often one address may call methods that declare `attempt`.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        authenticator: Authenticator | None,
        engine: Engine,
        refusals: RefusalRecorder,
        calls: CallLog,
        door_token: str,
        max_calls: int,
        reception: Reception,
        stall_seconds: float,
        proxies: TrustedProxies,
        logins: RateLimit,
    ) -> None:
        self._methods = methods
        self._authenticator = authenticator
        self._engine = engine
        self._refusals = refusals
        self._calls = calls
        self._door_token = door_token.encode()
        self._reception = reception
        self._stall_seconds = stall_seconds
        self._proxies = proxies
        self._logins = logins
        self._calls_room = Room(max_calls)
        self._uploads_room = Room(MAX_UPLOADS, _UPLOADS_SHARE)
        self._public_room = Room(MAX_PUBLIC_CALLS, _PUBLIC_SHARE)
        self._streams_room = Room(MAX_PUBLIC_STREAMS, _PUBLIC_SHARE)
        self._draining = False
        self._handlers: dict[str, Handler] = {}
        self._run_id = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def drain(self) -> None:
        """Refuses new calls, but for public ones such as health, while those that run come to their end."""
        self._draining = True

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        metadata = handler_call_details.invocation_metadata or ()
        call = self._begin(handler_call_details.method, metadata)
        # The task of the RPC is this call's own, so the value does not leak into the next.
        caller.set(call)
        try:
            return await self._admit(call, metadata, continuation, handler_call_details)
        except Exception as error:
            return self._refusing(error)

    def _begin(self, path: str, metadata: Metadata) -> Caller:
        headers: dict[str, Any] = dict(metadata)
        given = headers.get("x-request-id", "")
        # A random run and a number: as unique as a random id, and no system call.
        request_id = given if given and REQUEST_ID.fullmatch(given) else f"{self._run_id}{next(self._numbers):016x}"
        call = Caller(path, request_id, headers.get("user-agent", "")[:500], time.perf_counter())
        door = headers.get("x-phoenix-door")
        if door and hmac.compare_digest(door.encode(), self._door_token):
            call.at_door = True
            call.address = headers.get("x-phoenix-caller-address", "")[:100]
            call.user_agent = headers.get("x-phoenix-caller-user-agent", "")[:500]
        return call

    async def _admit(
        self, call: Caller, metadata: Metadata, continuation: Continuation, details: grpc.HandlerCallDetails
    ) -> Handler:
        """The guarded handler of the method, once the caller is identified and its rule allows the call."""
        method = self._methods.get(call.method)
        if method is None or not method.rule.public:
            if self._draining:
                raise errors.Unavailable("the server is stopping", Reason.DRAINING)
            await self._identify(call, metadata)
        handler = self._handlers.get(call.method) or await self._find(call.method, continuation, details)
        if (refusal := access.refusal(self._methods[call.method].rule, call.principal)) is not None:
            raise refusal
        return handler

    async def _identify(self, call: Caller, metadata: Metadata) -> None:
        if self._authenticator is not None:
            call.principal, call.revision = await self._authenticator.identify(bearer_token(metadata))

    async def _find(self, path: str, continuation: Continuation, details: grpc.HandlerCallDetails) -> Handler:
        """The method's handler with the guard around it; kept, since a server's methods do not change."""
        handler = await continuation(details)
        if handler is None:
            raise errors.Unimplemented(f"no such method: {path}")
        if (method := self._methods.get(path)) is None:
            raise errors.PermissionDenied("this method is not declared")
        self._handlers[path] = guarded = self._guarded(handler, method)
        return guarded

    def _refusing(self, error: Exception) -> Handler:
        """A handler that refuses. Only a stream_stream one answers all kinds of RPC at once, without reading."""

        async def refuse(_requests: object, context: Any) -> None:
            call = caller.get()
            call.address = call.address or self._origin(context)
            await self._abort(call, error, context)

        handler: Handler = grpc.stream_stream_rpc_method_handler(refuse)
        return handler

    def _guarded(self, handler: Handler, method: Method) -> Handler:
        """The same handler with the rest of the guard around it.

        To gRPC all take streams: it would read the one message of a call before anybody knows who sends it, and nobody
        could end the wait for it. Reading by hand costs nothing more.
        """
        kinds = ["stream" if streams else "unary" for streams in (method.reads_stream, method.writes_stream)]
        endpoint = Endpoint(method, getattr(handler, "_".join(kinds)), handler.request_deserializer)
        make: Any = getattr(grpc, f"stream_{kinds[1]}_rpc_method_handler")
        guarded: Handler = make(partial(self._serve, endpoint), response_serializer=handler.response_serializer)
        return guarded

    async def _serve(self, endpoint: Endpoint, _requests: object, context: Any) -> Any:
        """Reads the request, or the stream of them, and lets the servicer answer; all four kinds go this way."""
        call = caller.get()
        status = "OK"
        try:
            who = self._enter(call, endpoint.method, context)
            context.set_trailing_metadata((("x-request-id", call.request_id),))
            # The HTTP door holds what its uploads have in memory; waiting for it here as well would be for oneself.
            weighed = not (call.at_door and endpoint.method.reads_stream)
            with self._reception.messages(endpoint, who, context, weighed) as messages:
                if endpoint.method.reads_stream:
                    response = endpoint.behavior(self._receive_stream(call, messages, context), context)
                else:
                    response = endpoint.behavior(await self._checked(call, await messages.only()), context)
                return await self._respond(call, response, context)
        except asyncio.CancelledError:
            status = "CANCELLED"
            raise
        except grpc.aio.AbortError:
            status = _name(context.code())
            raise
        except Exception as error:
            status = ""  # _abort writes the line
            await self._abort(call, error, context)
        finally:
            if status:
                self._write_line(call, status)

    def _enter(self, call: Caller, method: Method, context: Any) -> str:
        """Counts the call until the last of its response is written, which is after it was served; says who calls.

        Raises:
            errors.LimitExceeded: when too many run, or its address logs in too often.
        """
        call.address = call.address or self._origin(context)
        who = call.identity
        if method.rule.public:
            # Strangers may hold calls open, so these must not take the room of callers.
            room = self._streams_room if method.reads_stream or method.writes_stream else self._public_room
            many = call.at_door or self._proxies.speak_for_many(_address(context.peer()))
            places = [(room, "" if many else who)]
        else:
            places = [(self._calls_room, "")]
            if method.reads_stream:
                places.append((self._uploads_room, who))
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        for room, share in places:
            task.add_done_callback(partial(room.leave, share))
            room.enter(share)
        if method.rule.attempt and not call.at_door:  # the door has counted it, with what it refused itself
            self._logins.require(call.address)
        return who

    def _origin(self, context: Any) -> str:
        """The address that a call came from, when the HTTP door has not said it."""
        peer = _address(context.peer())
        if peer not in self._proxies:
            return peer
        forwarded = [str(value) for key, value in context.invocation_metadata() if key == "x-forwarded-for"]
        return self._proxies.caller(peer, forwarded)

    async def _respond(self, call: Caller, response: Any, context: Any) -> Any:
        """The response; a stream of them is sent here. What gRPC then still sends must be taken in time as well."""
        single = None
        if inspect.isasyncgen(response):
            # Closed at once when the client stalls: what it holds must not wait for the garbage collector.
            async with contextlib.aclosing(response):
                async for part in response:
                    await self._send(part, context)
                    await self._authorize_again(call, context)
        else:
            single = await response
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        timer = asyncio.get_running_loop().call_later(self._stall_seconds, end_call, task)
        task.add_done_callback(lambda _: timer.cancel())
        return single

    async def _send(self, part: Any, context: Any) -> None:
        """Raises LimitExceeded when the client takes too long for it."""
        try:
            async with asyncio.timeout(self._stall_seconds):
                await context.write(part)
        except TimeoutError:
            raise errors.LimitExceeded(
                f"the client took nothing for {self._stall_seconds:g} seconds (PHOENIX_DOWNLOAD_STALL_SECONDS)"
            ) from None

    async def _authorize_again(self, call: Caller, context: Any) -> None:
        """Ends a stream whose caller may no longer call: a stream lives longer than a permission."""
        rule = self._methods[call.method].rule
        if self._authenticator is None or rule.public:
            return
        token = bearer_token(context.invocation_metadata())
        standing = Standing(call.principal, call.revision)
        call.principal, call.revision = await self._authenticator.renew(standing, token)
        if (refusal := access.refusal(rule, call.principal)) is not None:
            raise refusal

    async def _receive_stream(self, call: Caller, messages: Messages, context: Any) -> AsyncIterator[Message]:
        while (message := await messages.next()) is not None:
            await self._authorize_again(call, context)
            yield await self._checked(call, message)
        # Once more at the end: what was sent counts only now.
        await self._authorize_again(call, context)

    async def _checked(self, call: Caller, message: Message) -> Message:
        """The message, when it names no dataset that the caller's key may not reach."""
        if call.principal.dataset_ids is not None:
            await self._hold_to_datasets(call.principal.dataset_ids, message)
        return message

    async def _hold_to_datasets(self, allowed: frozenset[int], message: Message) -> None:
        """Refuses a limited key any other dataset, whether or not it exists."""
        part: Any = contract.named_dataset(message)
        if part is None or not (how := part.WhichOneof("dataset")):
            return
        if how == "name":
            found = await self._engine.read(lookup_dataset, DatasetName(None, part.name, part.name))
            number = found.id if found else None
        else:
            kind, number = parse_id(part.dataset_id) or ("", None)
            number = number if kind == "Dataset" else None
        if number not in allowed:
            raise errors.PermissionDenied("this API key is limited to other datasets", Reason.KEY_NOT_FOR_DATASET)
        # From here on the id counts: a name could come to mean another dataset before the servicer reads it.
        part.dataset_id = encode_id("Dataset", number)

    async def _abort(self, call: Caller, error: Exception, context: Any) -> None:
        """Ends the call with the status of `error`; what is no error of ours says nothing but the request id."""
        if not isinstance(error, errors.Error):
            log.error("internal error", method=call.method, request_id=call.request_id, exc_info=error)
            error = errors.Error("internal error")
        if isinstance(error, errors.Unauthenticated | errors.PermissionDenied):
            self._refusals.record(call, error.reason, known_method=call.method in self._methods)
        code, message, trailers = status_of(error, call.request_id)
        self._write_line(call, code.name, error.reason)
        try:
            async with asyncio.timeout(self._stall_seconds * _LAST_WORD):
                await context.abort(code, message, trailers)
        except grpc.aio.AbortError:
            raise
        except Exception:
            # A status comes behind what was written, which nobody takes; gRPC fails when that was not even begun.
            end_call(asyncio.current_task())
            raise asyncio.CancelledError from None

    def _write_line(self, call: Caller, status: str, reason: str = "") -> None:
        principal = call.principal
        milliseconds = (time.perf_counter() - call.started) * 1000
        self._calls.write(
            CallLine(
                time.time(),
                call.method,
                principal.kind,
                principal.user_id,
                status,
                milliseconds,
                call.request_id,
                call.address,
                reason,
            )
        )


def _address(peer: str) -> str:
    """The address in a peer's name: "ipv4:192.0.2.1:5000" is 192.0.2.1, "ipv6:%5B::1%5D:5000" is ::1."""
    kind, _, rest = peer.partition(":")
    return rest.rpartition(":")[0].removeprefix("%5B").removesuffix("%5D") if kind in ("ipv4", "ipv6") else kind


def _name(code: object) -> str:
    """The name of a status that a library's servicer chose."""
    return next((known.name for known in grpc.StatusCode if code in (known, known.value[0])), "UNKNOWN")


def bearer_token(metadata: Metadata) -> str:
    """The token of the one authorization entry (RFC 6750); the scheme in any case.

    Raises:
        errors.Unauthenticated: when there is none, more than one, another scheme, or another header.
    """
    given = [(key, value) for key, value in metadata if key in _CARRIERS]
    if not given:
        raise errors.Unauthenticated(
            "send 'authorization: Bearer <API key or access token>'", Reason.CREDENTIALS_MISSING
        )
    if len(given) > 1:
        raise errors.Unauthenticated("send exactly one authorization entry", Reason.CREDENTIALS_CONFLICTING)
    key, value = given[0]
    if key != "authorization":
        raise errors.Unauthenticated(
            f"send 'authorization: Bearer <key>' instead of {key}", Reason.CREDENTIALS_MALFORMED
        )
    return _token(str(value))


def _token(value: str) -> str:
    if len(value) > MAX_CREDENTIAL:
        raise errors.Unauthenticated(
            f"a credential has {MAX_CREDENTIAL} characters at most", Reason.CREDENTIALS_MALFORMED
        )
    scheme, _, token = value.partition(" ")
    if scheme.lower() != "bearer":
        raise errors.Unauthenticated("the authorization scheme must be Bearer", Reason.CREDENTIALS_MALFORMED)
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise errors.Unauthenticated(
            "after 'Bearer ' an API key or access token must follow", Reason.CREDENTIALS_MALFORMED
        )
    return token
