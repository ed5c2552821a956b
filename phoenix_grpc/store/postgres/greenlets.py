"""Runs a plain function that waits for the event loop now and then, as SQLAlchemy's asyncio does."""

import contextvars
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import greenlet

T = TypeVar("T")


def wait(awaitable: Awaitable[Any]) -> Any:
    """What the awaitable comes to, for a function that `run` runs."""
    loop = greenlet.getcurrent().parent
    if loop is None:
        raise RuntimeError("not within run()")
    return loop.switch(awaitable)


async def run(function: Callable[[], T]) -> T:
    """Calls the function, and awaits for it what it passes to `wait`."""
    current = greenlet.greenlet(function)
    current.gr_context = contextvars.copy_context()
    result = current.switch()
    while not current.dead:
        try:
            value = await result
        except BaseException as error:
            result = current.throw(error)
        else:
            result = current.switch(value)
    return result  # type: ignore[no-any-return] # what the function returned
