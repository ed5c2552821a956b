"""Workloads: from the peer of a call to the principal that the identity file makes of it."""

import asyncio
from pathlib import Path

import structlog

from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.identity.peers import Name, Peer
from phoenix_grpc.identity.table import Workload, read_table
from phoenix_grpc.identity.xfcc import forwarded_names

LOOK_SECONDS = 1.0
"""How often the file is looked at."""

log = structlog.get_logger()


class Workloads:
    """The identity file as it was read last.

    Attributes:
        version: grows whenever the file is taken up anew.
        valid: whether the file, as it is, is the one that counts.
        forwarded: how many calls came with x-forwarded-client-cert, by what became of it.

    Raises:
        ConfigurationError: when the file is not right.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._stamp()
        self.table = read_table(path)
        self.valid = True
        self.version = 1
        self.forwarded = {"taken": 0, "ignored": 0, "malformed": 0}

    def names(self, peer: Peer) -> tuple[Name, ...]:
        """By which names a peer is vouched for: by its own certificate, or by a proxy that may."""
        if not peer.forwarded:
            return () if self.table.trusts(peer.address, peer.names) else peer.names
        if not self.table.trusts(peer.address, peer.names):
            self.forwarded["ignored"] += 1
            return peer.names
        names = forwarded_names(peer.forwarded)
        self.forwarded["malformed" if names is None else "taken"] += 1
        return names or ()

    def find(self, peer: Peer) -> tuple[Workload, Name] | None:
        """The row for a peer, and the name that it is about."""
        return self.table.row(self.names(peer))

    async def follow(self) -> None:
        """Takes up changes of the file, until it is cancelled; one that is not right changes nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            stamp = self._stamp()
            if stamp == self._seen:
                continue
            self._seen = stamp
            try:
                self.table = await asyncio.to_thread(read_table, self._path)
                self.valid = True
                self.version += 1
                log.info("identity file loaded", workloads=len(self.table.workloads), issuers=len(self.table.issuers))
            except ConfigurationError as error:
                self.valid = False
                log.error("the identity file has changed and is not right; the last one counts", error=str(error))

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return repr(error)
        return found.st_ino, found.st_mtime_ns, found.st_size
