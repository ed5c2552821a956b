"""Follows the audit log to where a SIEM reads it: each event once it is sealed, into a file or to an OTLP collector."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from phoenix_grpc.config import Settings
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.store import audit_chain
from phoenix_grpc.store.engine import Engine

Send = Callable[[bytes], None]
"""Takes lines of JSON, and returns when they are kept; raises OSError when they are not. It may block."""


class AuditStream:
    """Sends on the events that are sealed, in their order.

    How far it got is kept in a file, so that nothing is left out over a restart, nor when what it writes to is rotated.
    What was sent just before a crash may be sent again; `seq` tells.

    Arguments:
        position: the file.
    """

    def __init__(self, engine: Engine, position: Path, send: Send) -> None:
        self._engine = engine
        self._position = position
        self._send = send

    async def follow(self) -> None:
        """Sends what is new.

        Raises:
            OSError: when it cannot be sent.
            Broken: when an event that was not sent yet is gone.
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
            await asyncio.to_thread(self._pass_on, seq, data)

    def _done(self) -> int:
        try:
            return int(self._position.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _pass_on(self, seq: int, data: bytes) -> None:
        # Beside PostgreSQL, nothing else may have made the working folder. Before it sends: it would send it again.
        self._position.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._send(data)
        draft = self._position.with_name(f"{self._position.name}.new")
        draft.write_text(f"{seq}\n")
        draft.replace(self._position)


def audit_streams(engine: Engine, settings: Settings) -> list[AuditStream]:
    """The streams that the settings ask for.

    Raises:
        ConfigurationError: when the packages for one are missing.
    """
    found = []
    if (path := settings.audit_file) is not None:
        found.append(AuditStream(engine, path.with_name(f"{path.name}.position"), appending(path)))
    if settings.audit_otlp_endpoint:
        try:
            from phoenix_grpc.server.audit_otlp import exporting
        except ImportError:
            text = "PHOENIX_AUDIT_OTLP_ENDPOINT: it takes more packages: pip install 'phoenix-grpc[otel]'"
            raise ConfigurationError(text) from None
        position = settings.working_dir / "audit-otlp.position"
        found.append(AuditStream(engine, position, exporting(settings.audit_otlp_endpoint)))
    return found


def appending(path: Path) -> Send:
    """Appends to a file, which is opened anew each time: it may have been rotated."""

    def append(data: bytes) -> None:
        with open(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    return append
