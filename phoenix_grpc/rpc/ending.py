"""Ends calls from the server's side, for which grpc.aio has no method.

It serves a call by two tasks: one waits for the client to go away, and has made the other, which runs the handler. The
call stays open, with every byte that it holds, until a status was taken by the client or both tasks have ended.
"""

import asyncio
import weakref
from collections.abc import Coroutine
from typing import Any


class _Task(asyncio.Task[Any]):
    """A task that knows which one made it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        maker = asyncio.current_task(loop)
        self.maker = weakref.ref(maker) if maker is not None else None
        super().__init__(coroutine, loop=loop, **options)


def remember_makers() -> None:
    """Makes the tasks of the running loop, from here on, such that `end_call` ends the call of one."""
    asyncio.get_running_loop().set_task_factory(lambda loop, coroutine, **more: _Task(loop, coroutine, **more))


def end_call(task: "asyncio.Task[Any] | None") -> None:
    """Ends the call that `task` runs the handler of: its client gets CANCELLED, and what it did not take is dropped."""
    if isinstance(task, _Task):
        task.cancel()
        if task.maker is not None and (maker := task.maker()) is not None:
            maker.cancel()
