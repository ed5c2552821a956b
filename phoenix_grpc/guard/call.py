"""The call that is being served: its method, caller, address and request id."""

from contextvars import ContextVar
from dataclasses import dataclass

from phoenix_grpc.identity.peers import Peer
from phoenix_grpc.model import Principal, PrincipalKind, Role
from phoenix_grpc.store.engine import UNKNOWN_REVISION, AuthRevision
from phoenix_grpc.tracing import NO_TRACE, Span, TraceContext

ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, Role.MEMBER)
"""Everybody, while authentication is off, and the caller of a public method: reads and writes data."""


@dataclass(slots=True)
class Call:
    """One call, by whichever door it came.

    Arguments:
        path: of the method, as it was called.
        entries: the credentials that were sent, by name (guard.bearer).
        started: when, on the clock of time.perf_counter.
        by_http: whether it came through the HTTP door, which bounds connections and attempts itself.
        revision: the auth revision that `principal` was identified at.
        peer: who is at the other end of its connection; None where no workload is known.
        trace: the trace that its caller says it belongs to.
        within: the span of the HTTP request that makes it; None when that is not traced.
        span: its own; None when it is not traced.
    """

    path: str
    request_id: str
    user_agent: str = ""
    entries: tuple[tuple[str, str], ...] = ()
    started: float = 0.0
    address: str = ""
    by_http: bool = False
    principal: Principal = ANONYMOUS
    revision: AuthRevision = UNKNOWN_REVISION
    trace: TraceContext = NO_TRACE
    peer: Peer | None = None
    within: Span | None = None
    span: Span | None = None

    @property
    def trace_id(self) -> str:
        """The trace that it belongs to, 32 hexadecimal digits; empty when there is none."""
        return self.span.trace_id if self.span is not None else self.trace.trace_id

    @property
    def identity(self) -> str:
        """The identity by which limits per caller count: the user, the system key, or else the address."""
        principal = self.principal
        if principal.kind is PrincipalKind.ANONYMOUS:
            return self.address
        if principal.kind in (PrincipalKind.SESSION, PrincipalKind.USER_KEY):
            return f"user {principal.user_id}"
        return principal.credential_id or principal.kind.value


current_call: ContextVar[Call] = ContextVar("current_call")
"""Set by the guard in the task of each call."""
