"""Spans of a call that is traced. Where it is not, a step costs one look at a context variable."""

import re
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import NamedTuple, Protocol

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1


class TraceContext(NamedTuple):
    """The trace that a caller says its call belongs to (W3C Trace Context, traceparent and tracestate)."""

    parent: str = ""
    state: str = ""

    @property
    def trace_id(self) -> str:
        """Its 32 hexadecimal digits; empty when there is none, or none that is valid."""
        found = _TRACEPARENT.fullmatch(self.parent) if self.parent else None
        return found[1] if found else ""

    @property
    def sampled(self) -> bool | None:
        """Whether the caller traces it; None when it does not say."""
        found = _TRACEPARENT.fullmatch(self.parent) if self.parent else None
        return bool(int(found[2], 16) & _SAMPLED) if found else None


NO_TRACE = TraceContext()


class Span(Protocol):
    """A part of a trace, from now until it ends."""

    @property
    def trace_id(self) -> str:
        """The trace that it belongs to, 32 hexadecimal digits."""
        ...

    def child(self, name: str) -> "Span":
        """A part of this part, that begins now."""
        ...

    def rename(self, name: str) -> None:
        """Gives it a name that was not known when it began."""
        ...

    def note(self, name: str, value: str | int) -> None:
        """Adds an attribute, by its name in OpenTelemetry's conventions."""
        ...

    def end(self, error: str = "") -> None:
        """Ends it: well, or with an error of this name."""
        ...


Tracer = Callable[[str, TraceContext], Span | None]
"""Begins the span of a call or a request, by its name, or decides that it is not traced."""

current_span: ContextVar[Span | None] = ContextVar("current_span", default=None)


class spanning:  # noqa: N801 - it reads as a statement, `with spanning(span):`
    """Makes a span, if there is one, the current one until the block ends, and the span with it."""

    __slots__ = ("_before", "_span")

    def __init__(self, span: Span | None) -> None:
        self._span = span

    def __enter__(self) -> None:
        if self._span is not None:
            self._before: Token[Span | None] = current_span.set(self._span)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._span is not None:
            current_span.reset(self._before)
            self._span.end(kind.__name__ if kind else "")


def step(name: str) -> spanning:
    """A step of the call, if it is traced, for a block."""
    parent = current_span.get()
    return spanning(parent.child(name) if parent is not None else None)
