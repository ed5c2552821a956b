"""What callers say of the trace that their calls belong to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_grpc.tracing import TraceContext, current_span, step

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("parent", "trace_id", "sampled"),
    [
        ("", "", None),
        (f"00-{TRACE}-{PARENT}-01", TRACE, True),
        (f"00-{TRACE}-{PARENT}-00", TRACE, False),
        (f"00-{TRACE}-{PARENT}-03", TRACE, True),
        (f"cc-{TRACE}-{PARENT}-01-what-the-future-will-bring", TRACE, True),
        (f"ff-{TRACE}-{PARENT}-01", "", None),
        (f"00-{'0' * 32}-{PARENT}-01", "", None),
        (f"00-{TRACE}-{'0' * 16}-01", "", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", "", None),
        (f"00-{TRACE[1:]}-{PARENT}-01", "", None),
        (f"00-{TRACE}-{PARENT}-1", "", None),
        (f"00-{TRACE}-{PARENT}", "", None),
        (f" 00-{TRACE}-{PARENT}-01", "", None),
        (f"00-{TRACE}-{PARENT}-01\n", "", None),
        ("x" * 10_000, "", None),
    ],
)
def test_a_valid_traceparent_names_the_trace_and_another_none(parent: str, trace_id: str, sampled: bool | None) -> None:
    context = TraceContext(parent)
    assert (context.trace_id, context.sampled) == (trace_id, sampled)


@given(st.text(alphabet="0123456789abcdef-xF\n ", max_size=80))
def test_nothing_in_a_traceparent_raises(parent: str) -> None:
    context = TraceContext(parent)
    assert len(context.trace_id) in (0, 32)
    assert (context.sampled is None) == (context.trace_id == "")


def test_a_step_of_a_call_that_is_not_traced_is_nothing() -> None:
    with step("read"):
        assert current_span.get() is None
