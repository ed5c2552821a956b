"""Ends calls from the server's side, for which grpc.aio has no method.

It serves a call by two tasks: one waits for the client to go away, and has made the other, which runs the handler. The
call stays open, with every byte that it holds, until a status was taken by the client or both tasks have ended.
"""

import asyncio
import logging
import sys
import traceback
from contextvars import Context, ContextVar, copy_context
from types import SimpleNamespace
from typing import Any

from grpc._cython import cygrpc  # type: ignore[attr-defined]

_maker: ContextVar["asyncio.Task[Any] | None"] = ContextVar("maker", default=None)
"""The task that has made the running one."""


def remember_makers() -> None:
    """Makes the tasks of the running loop, from here on, such that they know their maker.

    It stands in their context: a class of tasks of our own would cost each call ten times as much.
    """

    def make(
        loop: asyncio.AbstractEventLoop, coroutine: Any, context: Context | None = None, **more: Any
    ) -> asyncio.Task[Any]:
        if context is None:
            context = copy_context()
            context.run(_maker.set, asyncio.current_task(loop))
        return asyncio.Task(coroutine, loop=loop, context=context, **more)

    asyncio.get_running_loop().set_task_factory(make)


def keep_silent_on_cancelled_calls() -> None:
    """Has grpc.aio not report calls that ended before their handler began, as happens when a client goes at once.

    It logs each as a failure and writes a traceback to standard error as well, which takes longer than the call.
    """
    cygrpc.traceback = SimpleNamespace(**{**vars(traceback), "print_exc": _print_failure})
    logging.getLogger(cygrpc.__name__).addFilter(_is_failure)


def _print_failure(*arguments: Any, **options: Any) -> None:
    if not isinstance(sys.exc_info()[1], asyncio.CancelledError):
        traceback.print_exc(*arguments, **options)


def _is_failure(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def end_call(task: "asyncio.Task[Any] | None") -> None:
    """Ends the call whose handler `task` runs: its client gets CANCELLED, and what it did not take is dropped.

    It is called by that task, or by a timer that it has set.
    """
    for ended in (task, _maker.get()):
        if ended is not None:
            ended.cancel()
