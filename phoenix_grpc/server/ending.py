"""How a process ends at once, and what it owes to others when it is the first one of a container."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

import structlog

from phoenix_grpc.beside import beside
from phoenix_grpc.logs import LogWriter

_REAPING_SECONDS = 5.0

log = structlog.get_logger()


def end_at_once(order: signal.Signals, writer: LogWriter | None) -> None:
    """Ends the process without another word to anybody but the log: whoever says it twice does not want to wait.

    Arguments:
        writer: has lines of the log that are not written yet.
    """
    log.warning("told to stop once more; running calls are cut off", signal=order.name)
    if writer is not None:
        writer.close()
    os._exit(128 + order)


@contextlib.asynccontextmanager
async def reaping(is_known: Callable[[int], bool] = lambda _: False) -> AsyncIterator[None]:
    """Reaps the orphans that the first process of a container inherits, until the block ends; any other has none.

    Arguments:
        is_known: whether somebody waits for a process already.
    """
    async with beside(*([_reap_again(is_known)] if os.getpid() == 1 else [])):
        yield


async def _reap_again(is_known: Callable[[int], bool]) -> None:
    while True:
        await asyncio.sleep(_REAPING_SECONDS)
        _reap(is_known)


def _reap(is_known: Callable[[int], bool]) -> None:
    with contextlib.suppress(ChildProcessError):  # there is no child
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if is_known(ended.si_pid):
                return
            os.waitpid(ended.si_pid, os.WNOHANG)
