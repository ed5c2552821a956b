"""The heart of the guard: every call passes it, through either door.

On the way in: who calls, whether the rule allows it, whether there is room, which datasets the key may reach. On the
way out: one outcome, reported to all observers. A door passes the method, the credentials, the peer and the messages,
and turns errors into its own statuses.
"""

import asyncio
import contextlib
import itertools
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from google.protobuf.message import Message

from phoenix_grpc import contract, errors
from phoenix_grpc.contract import Method, Rule
from phoenix_grpc.errors import Reason
from phoenix_grpc.guard import access
from phoenix_grpc.guard.authentication import Authenticator, Standing
from phoenix_grpc.guard.bearer import bearer_token
from phoenix_grpc.guard.call import Call, current_call
from phoenix_grpc.guard.capacity import Rooms
from phoenix_grpc.guard.overload import Watchdog
from phoenix_grpc.guard.rates import CallRates, RateLimit
from phoenix_grpc.guard.workloads import workload_principal
from phoenix_grpc.identity.workloads import Workloads
from phoenix_grpc.ids import encode_id, parse_id
from phoenix_grpc.model import PrincipalKind
from phoenix_grpc.store.datasets.references import DatasetRef, lookup_dataset
from phoenix_grpc.store.engine import UNKNOWN_REVISION, Engine
from phoenix_grpc.tracing import Tracer, current_span, step

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
"""A request id of a caller's own that logs can carry."""

_HOW_TO_GO_ON = (
    "the server is stopping; call again: a download goes on behind the last example that came with after_example_id, an"
    " upload begins anew, and nothing of it was kept"
)

log = structlog.get_logger()

Behavior = Callable[[Any], Any]
"""What serves a method: takes its message, or the stream of them; returns an awaitable, or a stream, of responses."""

Observer = Callable[[Call, errors.Error | None], None]
"""Is told how each call ended: with an error, or without."""


class Guard:
    """Identifies the caller, refuses what the method's rule does not allow, and runs the servicer.

    Arguments:
        methods: every method that may be called, by path; any other path is denied.
        served: what serves our own methods, by path; nothing else holds them.
        authenticator: None while authentication is off.
        rooms: how many calls may run at once.
        logins: how often one address may call methods that declare `attempt`.
        observers: are told of each call when it ends.
        rates: how often calls may begin that need a credential; None is without limit.
        watchdog: refuses them while the server has more to do than it can.
        trace: begins the spans of calls, which an observer ends; None where nothing is traced.
        workloads: those that are known without a credential; None where none is.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        served: Mapping[str, Behavior],
        authenticator: Authenticator | None,
        engine: Engine,
        rooms: Rooms,
        logins: RateLimit,
        observers: Sequence[Observer],
        rates: CallRates | None = None,
        watchdog: Watchdog | None = None,
        trace: Tracer | None = None,
        workloads: Workloads | None = None,
    ) -> None:
        self._methods = methods
        self._served = served
        self._authenticator = authenticator
        self._engine = engine
        self._rooms = rooms
        self._logins = logins
        self._observers = tuple(observers)
        self._rates = rates or CallRates()
        self._watchdog = watchdog or Watchdog(0)
        self._trace = trace
        self._workloads = workloads
        self._draining = False
        self._hurries = False
        self._run_id = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    def drain(self) -> None:
        """Refuses new calls, except public ones such as health, while running calls end."""
        self._draining = True

    def hurry(self) -> None:
        """Ends streams that still run, with a word on how to go on, before they are cut off without any."""
        self._hurries = True

    def serves(self, method: Method) -> bool:
        """Whether the method is one of ours; those of libraries are served by the door that has them."""
        return method.path in self._served

    def request_id(self, given: str = "") -> str:
        """The request id that was sent, if logs can carry it, or else a new one."""
        if given and _REQUEST_ID.fullmatch(given):
            return given
        # A random run and a number: as unique as a random id, and no system call.
        return f"{self._run_id}{next(self._numbers):016x}"

    async def admit(self, call: Call) -> Method:
        """The method that is called, once the caller is identified and the method's rule allows the call.

        Raises:
            errors.Error: why it is refused; only identified callers learn that a method is unknown.
        """
        if self._trace is not None:
            self._begin_span(self._trace, call)
        return await self._admitted(call)

    async def _admitted(self, call: Call) -> Method:
        method = self._methods.get(call.path)
        if method is None or not method.rule.public:
            if self._draining:
                raise errors.Unavailable("the server is stopping", Reason.DRAINING)
            if self._authenticator is not None:
                with step("guard"):
                    call.principal, call.revision = await self._identify(self._authenticator, call)
        if method is None:
            raise errors.Unimplemented(f"no such method: {call.path}")
        if (refusal := access.refusal(method.rule, call.principal)) is not None:
            raise refusal
        return method

    def awaits_peer(self, call: Call) -> bool:
        """Whether its caller can only be identified by the peer of its connection, since it sent no credential."""
        method = self._methods.get(call.path)
        public = method is not None and method.rule.public
        return self.knows_workloads and not call.entries and not public

    @property
    def knows_workloads(self) -> bool:
        """Whether calls must say who their peer is."""
        return self._workloads is not None

    async def _identify(self, authenticator: Authenticator, call: Call) -> Standing:
        """Who calls. A credential that was sent counts alone: the identity of the peer is no fallback for a bad one."""
        if not call.entries and self._workloads is not None and call.peer is not None:
            found = await workload_principal(self._workloads, self._engine, call.peer)
            if found is not None:
                return Standing(found, UNKNOWN_REVISION)
        return await authenticator.identify(bearer_token(call.entries))

    async def judge(self, call: Call, rule: Rule) -> None:
        """Identifies the caller of a call that another server serves, and counts it.

        Raises:
            errors.Error: when a rule like this does not allow it, or the caller, or its address, calls too often.
        """
        if rule.public:
            return
        if self._authenticator is not None:
            call.principal, call.revision = await self._identify(self._authenticator, call)
        if (refusal := access.refusal(rule, call.principal)) is not None:
            raise refusal
        self._rates.require(call.identity, call.address)

    def _begin_span(self, trace: Tracer, call: Call) -> None:
        """Begins the span of the call, within that of the HTTP request that makes it, if there is one."""
        name = call.path.strip("/") if call.path in self._methods else "unknown method"
        if call.within is not None:
            call.span = call.within.child(name)
        elif not call.by_http:  # that door has decided already
            call.span = trace(name, call.trace)
        if call.span is not None:
            current_span.set(call.span)

    def enter(self, call: Call, method: Method, shared: bool = False) -> Callable[[object], object]:
        """Takes the call's place among those that run; returns what gives it back, as the callback of a task's end.

        Arguments:
            shared: whether its address may be that of many callers.

        Raises:
            errors.LimitExceeded: when too many run, or the caller, or its address, calls or logs in too often.
        """
        if not method.rule.public:
            self._watchdog.require()
            self._rates.require(call.identity, "" if shared else call.address)
        leave = self._rooms.enter(method, call.identity, shared=shared or call.by_http)
        if method.rule.attempt and not call.by_http:  # that door has counted it, with what it refused itself
            try:
                self._logins.require(call.address)
            except errors.LimitExceeded:
                leave(None)
                raise
        return leave

    async def serve(self, call: Call, method: Method, request: Any) -> Any:
        """The response of a method of ours that returns one.

        Arguments:
            request: the message, or the stream of them.
        """
        current_call.set(call)
        with step("service"):
            return await self._served[method.path](await self._checked(call, method, request))

    async def serve_stream(self, call: Call, method: Method, request: Any) -> AsyncGenerator[Any, None]:
        """As `serve`, for a method that returns a stream: each part is sent only if the caller may still call."""
        current_call.set(call)
        responses = self._served[method.path](await self._checked(call, method, request))
        # Its parts may be read by several tasks, so it is no step.
        span = call.span.child("service") if call.span is not None else None
        try:
            # Closed as soon as the reader goes: its memory must not wait for the garbage collector.
            async with contextlib.aclosing(responses):
                async for part in responses:
                    yield part
                    await self._renew(call, method)
        finally:
            if span is not None:
                span.end()

    def finish(self, call: Call, error: BaseException | None = None) -> errors.Error | None:
        """Reports to the observers how a call ended; returns the error for its caller.

        Of an error that is not ours, the caller learns only the request id.
        """
        if error is None or isinstance(error, errors.Error):
            told = error
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            told = errors.Cancelled("the caller went away")
        else:
            log.error("internal error", method=call.path, request_id=call.request_id, exc_info=error)
            told = errors.Error("internal error")
        for observe in self._observers:
            observe(call, told)
        return told

    async def check(self, call: Call) -> None:
        """Returns if the caller may call the method; nothing is served.

        Raises:
            errors.Error: the error of the call.
        """
        try:
            await self._admitted(call)
        except Exception as error:
            raise self.finish(call, error) or error from None

    async def run(self, call: Call, request: Any) -> Any:
        """Runs a whole call of a method of ours that returns one response.

        Raises:
            errors.Error: what the caller is told.
        """
        with self._running(call):
            method = await self.admit(call)
            leave = self.enter(call, method)
            try:
                return await self.serve(call, method, request)
            finally:
                leave(None)

    async def run_stream(self, call: Call, request: Any) -> AsyncGenerator[Any, None]:
        """As `run`, for a method that returns a stream."""
        with self._running(call):
            method = await self.admit(call)
            leave = self.enter(call, method)
            try:
                async with contextlib.aclosing(self.serve_stream(call, method, request)) as parts:
                    async for part in parts:
                        yield part
            finally:
                leave(None)

    @contextlib.contextmanager
    def _running(self, call: Call) -> Iterator[None]:
        """Finishes the call at the end of the block, and raises the error for its caller."""
        try:
            yield
        except Exception as error:
            raise self.finish(call, error) or error from None
        except BaseException as error:
            self.finish(call, error)
            raise
        self.finish(call)

    async def _checked(self, call: Call, method: Method, request: Any) -> Any:
        """The request, held to the datasets that the caller's key may reach; of a stream each message, as it comes."""
        if method.reads_stream:
            return self._checked_stream(call, method, request)
        if call.principal.dataset_ids is not None:
            await self._hold_to_datasets(call.principal.dataset_ids, request)
        return request

    async def _checked_stream(self, call: Call, method: Method, messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for message in messages:
            await self._renew(call, method)
            if call.principal.dataset_ids is not None:
                await self._hold_to_datasets(call.principal.dataset_ids, message)
            yield message
        # Once more at the end: only now does the upload count.
        await self._renew(call, method)

    async def _renew(self, call: Call, method: Method) -> None:
        """Ends a stream whose caller may no longer call, or whose server ends: it lives longer than a permission."""
        if self._hurries:
            raise errors.Unavailable(_HOW_TO_GO_ON, Reason.DRAINING)
        if self._authenticator is None or method.rule.public:
            return
        standing = Standing(call.principal, call.revision)
        if standing.principal.kind is PrincipalKind.WORKLOAD:
            call.principal, call.revision = await self._identify(self._authenticator, call)
        else:
            call.principal, call.revision = await self._authenticator.renew(standing, bearer_token(call.entries))
        if Standing(call.principal, call.revision) != standing and (
            refusal := access.refusal(method.rule, call.principal)
        ):
            raise refusal

    async def _hold_to_datasets(self, allowed: frozenset[int], message: Message) -> None:
        """Refuses a limited key any other dataset, whether or not it exists."""
        part = contract.named_dataset(message)
        if part is None or not (how := part.WhichOneof("dataset")):
            return
        if how == "name":
            found = await self._engine.read(lookup_dataset, DatasetRef(None, part.name, part.name))
            number = found.id if found else None
        else:
            kind, number = parse_id(part.dataset_id) or ("", None)
            number = number if kind == "Dataset" else None
        if number not in allowed:
            raise errors.PermissionDenied("this API key is limited to other datasets", Reason.KEY_NOT_FOR_DATASET)
        # From here on the id counts: a name could come to mean another dataset before the servicer reads it.
        part.dataset_id = encode_id("Dataset", number)
