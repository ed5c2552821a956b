"""Follows the audit log into a file, for a SIEM to read: each event once it is sealed, as a line of JSON."""

import asyncio
import os
from pathlib import Path

from phoenix_grpc.store import audit_chain
from phoenix_grpc.store.engine import Engine


class AuditFile:
    """Appends the events that are sealed to a file.

    How far it got is kept beside the file, so that nothing is left out over a restart, nor when the file is rotated.
    What was written just before a crash may be written again; `seq` tells.

    Arguments:
        path: the file; its folder must be there.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._path = path
        self._position = path.with_name(f"{path.name}.position")

    async def follow(self) -> None:
        """Appends what is new.

        Raises:
            OSError: when the file cannot be written.
            Broken: when an event that was not written yet is gone.
        """
        done = await asyncio.to_thread(self._done)
        anchor = await self._engine.read(audit_chain.read_mark, "anchor")
        head = await self._engine.read(audit_chain.read_mark, "head")
        if done > head.seq:  # an older database was restored: its events to come are none of those
            done = 0
        first = max(done, anchor.seq) + 1
        if head.seq < first:
            return
        async for seq, data in audit_chain.lines(self._engine, first, head.seq):
            await asyncio.to_thread(self._append, seq, data)

    def _done(self) -> int:
        try:
            return int(self._position.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _append(self, seq: int, data: bytes) -> None:
        # Opened anew each time: the file may have been rotated.
        with open(os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft = self._position.with_name(f"{self._position.name}.new")
        draft.write_text(f"{seq}\n")
        draft.replace(self._position)
