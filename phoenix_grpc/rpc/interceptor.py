"""The gRPC door: one interceptor passes every kind of RPC to the guard. A refusal comes before any body is read."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import grpc
from google.protobuf.message import Message

from phoenix_grpc.contract import Method
from phoenix_grpc.errors import Error, LimitExceeded, Unauthenticated, Unimplemented
from phoenix_grpc.guard.admission import Guard
from phoenix_grpc.guard.bearer import CARRIERS
from phoenix_grpc.guard.call import Call, current_call
from phoenix_grpc.guard.proxies import TrustedProxies
from phoenix_grpc.identity.peers import FORWARDED, Peer, names_of
from phoenix_grpc.rpc.connections import Connections, address_of
from phoenix_grpc.rpc.ending import end_call
from phoenix_grpc.rpc.reception import Messages, Reception
from phoenix_grpc.rpc.statuses import LibraryAbort, status_of
from phoenix_grpc.tracing import NO_TRACE, TraceContext

_LAST_WORD = 0.1
"""What part of the time to stall a client then has for the rest of what was written and the status behind it."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"
Serve: TypeAlias = "Callable[[Call, Method, Messages, Any], Awaitable[Any]]"


class Endpoint(NamedTuple):
    """The behavior of a method, and how its messages are read and written."""

    serve: Serve
    parse: Any
    serialize: Any


class Place:
    """A call's place among those that run, until its task ends: gRPC goes on to send after the handler has returned.

    Arguments:
        stall_seconds: how long the client may then take for what is left.
    """

    __slots__ = ("_stall_seconds", "_task", "_timer", "leave")

    def __init__(self, stall_seconds: float) -> None:
        self.leave: Callable[[object], object] | None = None
        self._stall_seconds = stall_seconds
        self._timer: asyncio.TimerHandle | None = None
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in one
        self._task = task
        task.add_done_callback(self._ended)

    def expect_end(self) -> None:
        """Ends the call when the client does not take the rest in time."""
        self._timer = asyncio.get_running_loop().call_later(self._stall_seconds, end_call, self._task)

    def _ended(self, _: object) -> None:
        if self.leave is not None:
            self.leave(None)
        if self._timer is not None:
            self._timer.cancel()


class GuardInterceptor(grpc.aio.ServerInterceptor):
    """Passes each RPC to the guard, and turns its errors into gRPC statuses.

    Arguments:
        reception: takes the messages in.
        stall_seconds: how long a client may take for a part of a stream; a slower one is ended.
        proxies: those trusted to say where a call came from.
        connections: are told of identified callers and of strangers who were refused.
    """

    def __init__(
        self,
        guard: Guard,
        reception: Reception,
        stall_seconds: float,
        proxies: TrustedProxies,
        connections: Connections,
    ) -> None:
        self._guard = guard
        self._reception = reception
        self._stall_seconds = stall_seconds
        self._proxies = proxies
        self._connections = connections
        self._handlers: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        call = self._begin(handler_call_details)
        # The task of the RPC is this call's own, so the value does not leak into the next.
        current_call.set(call)
        if self._guard.awaits_peer(call):
            return await self._late(continuation, handler_call_details)
        try:
            method = await self._guard.admit(call)
            return self._handlers.get(method.path) or await self._find(method, continuation, handler_call_details)
        except Exception as error:
            return self._refusing(error)

    async def _late(self, continuation: Continuation, details: grpc.HandlerCallDetails) -> Handler:
        """A handler that admits the call itself: gRPC says who the peer is when it calls a handler, and not before."""

        async def handle(requests: object, context: Any) -> None:
            call = current_call.get()
            call.peer = self._peer(context)
            try:
                method = await self._guard.admit(call)
                handler: Any = self._handlers.get(method.path) or await self._find(method, continuation, details)
            except Exception as error:
                await self._refuse(call, error, context)
                return
            if method.writes_stream:
                await handler.stream_stream(requests, _Serializing(context, handler.response_serializer))
            else:
                response = await handler.stream_unary(requests, context)
                await context.write(handler.response_serializer(response))

        # On the wire, a stream of one response is a response.
        late: Handler = grpc.stream_stream_rpc_method_handler(handle)
        return late

    def _peer(self, context: Any) -> Peer:
        """Who is at the other end of the connection, by its verified certificate and by what a proxy forwards."""
        known = context.auth_context()
        uris, dns, cn = (_texts(known.get(name, ())) for name in ("peer_uri", "peer_dns", "x509_common_name"))
        forwarded = tuple(
            value if isinstance(value, str) else value.decode("latin-1")
            for key, value in context.invocation_metadata()
            if key == FORWARDED
        )
        return Peer(address_of(context.peer()), names_of(uris, dns, cn[0] if len(cn) == 1 else ""), forwarded)

    def _begin(self, details: grpc.HandlerCallDetails) -> Call:
        metadata = details.invocation_metadata or ()
        headers: dict[str, Any] = dict(metadata)
        entries: tuple[tuple[str, str], ...] = ()
        if not CARRIERS.isdisjoint(headers):
            entries = tuple((name, str(value)) for name, value in metadata if name in CARRIERS)
        parent = headers.get("traceparent", "")
        return Call(
            details.method,
            self._guard.request_id(headers.get("x-request-id", "")),
            headers.get("user-agent", "")[:500],
            entries,
            time.perf_counter(),
            trace=TraceContext(parent, headers.get("tracestate", "")) if parent else NO_TRACE,
        )

    async def _find(self, method: Method, continuation: Continuation, details: grpc.HandlerCallDetails) -> Handler:
        """The handler for a method; kept, since a server's methods do not change."""
        if self._guard.serves(method):
            serve = self._serve_stream if method.writes_stream else self._serve_one
            endpoint = Endpoint(serve, method.request.FromString, method.response.SerializeToString)
        elif (library := await continuation(details)) is not None:
            endpoint = _library_endpoint(library, method)
        else:
            raise Unimplemented(f"no such method: {method.path}")
        self._handlers[method.path] = handler = self._handler(method, endpoint)
        return handler

    def _handler(self, method: Method, endpoint: Endpoint) -> Handler:
        """A handler that gets no message: to gRPC all methods take streams, which are read by hand.

        It would read the one message of a call before anybody knows who sends it, and nobody could end the wait for it.
        Reading by hand costs nothing more.
        """

        async def handle(_requests: object, context: Any) -> Any:
            call = current_call.get()
            place = Place(self._stall_seconds)
            try:
                self._enter(call, method, context, place)
                context.set_trailing_metadata((("x-request-id", call.request_id),))
                with self._reception.messages(method, endpoint.parse, call.identity, context) as messages:
                    response = await endpoint.serve(call, method, messages, context)
                place.expect_end()
            except grpc.aio.AbortError:
                self._guard.finish(call, LibraryAbort(context.code()))
                raise
            except asyncio.CancelledError as error:
                self._guard.finish(call, error)
                raise
            except Exception as error:
                await self._abort(call, error, context)
            else:
                self._guard.finish(call)
                return response

        make: Any = getattr(grpc, f"stream_{'stream' if method.writes_stream else 'unary'}_rpc_method_handler")
        handler: Handler = make(handle, response_serializer=endpoint.serialize)
        return handler

    def _enter(self, call: Call, method: Method, context: Any, place: Place) -> None:
        """Counts the call until all of its response is written, which is after it was served."""
        peer = context.peer()
        address = address_of(peer)
        call.address = self._origin(address, context)
        if call.peer is None and self._guard.knows_workloads:
            call.peer = self._peer(context)  # it is logged, and proxies who ask about calls are known by it
        if not method.rule.public:
            self._connections.identified(peer)
        try:
            place.leave = self._guard.enter(call, method, shared=self._proxies.speak_for_many(address))
        except LimitExceeded:
            if method.rule.public:
                self._connections.refused(peer)
            raise

    def _origin(self, peer: str, context: Any) -> str:
        """The address that a call came from."""
        if peer not in self._proxies:
            return peer
        forwarded = [str(value) for key, value in context.invocation_metadata() if key == "x-forwarded-for"]
        return self._proxies.caller(peer, forwarded)

    async def _serve_one(self, call: Call, method: Method, messages: Messages, _context: object) -> Any:
        return await self._guard.serve(call, method, await _request(method, messages))

    async def _serve_stream(self, call: Call, method: Method, messages: Messages, context: Any) -> None:
        parts = self._guard.serve_stream(call, method, await _request(method, messages))
        # Closed at once when the client stalls: what it holds must not wait for the garbage collector.
        async with contextlib.aclosing(parts):
            async for part in parts:
                await self._send(part, context)

    async def _send(self, part: Any, context: Any) -> None:
        """Raises LimitExceeded when the client takes too long for it."""
        try:
            async with asyncio.timeout(self._stall_seconds):
                await context.write(part)
        except TimeoutError:
            raise LimitExceeded(
                f"the client read nothing for {self._stall_seconds:g} seconds (PHOENIX_DOWNLOAD_STALL_SECONDS)"
            ) from None

    def _refusing(self, error: Exception) -> Handler:
        """A handler that refuses. Only a stream_stream handler refuses any kind of RPC without reading."""

        async def refuse(_requests: object, context: Any) -> None:
            await self._refuse(current_call.get(), error, context)

        handler: Handler = grpc.stream_stream_rpc_method_handler(refuse)
        return handler

    async def _refuse(self, call: Call, error: Exception, context: Any) -> None:
        peer = context.peer()
        call.address = self._origin(address_of(peer), context)
        if isinstance(error, Unauthenticated):
            self._connections.refused(peer)
        await self._abort(call, error, context)

    async def _abort(self, call: Call, error: Exception, context: Any) -> None:
        told = self._guard.finish(call, error) or Error("internal error")
        code, message, trailers = status_of(told, call.request_id)
        try:
            async with asyncio.timeout(self._stall_seconds * _LAST_WORD):
                await context.abort(code, message, trailers)
        except grpc.aio.AbortError:
            raise
        except Exception:
            # A status comes behind what was written, which nobody takes; gRPC fails when that was not even begun.
            end_call(asyncio.current_task())
            raise asyncio.CancelledError from None


def _texts(values: Iterable[bytes]) -> list[str]:
    return [value.decode("utf-8", "replace") for value in values]


class _Serializing:
    """The context of a call whose handler gRPC does not know: it serializes what is written."""

    def __init__(self, context: Any, serialize: Callable[[Any], bytes]) -> None:
        self._context = context
        self._serialize = serialize

    async def write(self, message: Any) -> None:
        await self._context.write(self._serialize(message))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


async def _request(method: Method, messages: Messages) -> Message | AsyncIterator[Message]:
    return messages.stream() if method.reads_stream else await messages.only()


def _library_endpoint(handler: Handler, method: Method) -> Endpoint:
    """A method of a library, whose servicer takes gRPC's own context."""
    kinds = ("stream" if method.reads_stream else "unary", "stream" if method.writes_stream else "unary")
    behavior: Any = getattr(handler, "_".join(kinds))

    async def serve(_call: Call, method: Method, messages: Messages, context: Any) -> Any:
        response = behavior(await _request(method, messages), context)
        if not inspect.isasyncgen(response):
            return await response
        async for part in response:
            await context.write(part)
        return None

    return Endpoint(serve, handler.request_deserializer, handler.response_serializer)
