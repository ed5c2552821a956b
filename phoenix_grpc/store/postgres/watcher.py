"""Knows the auth revision without a read on any call: it is read in the background, on connections of its own."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import psycopg

from phoenix_grpc.errors import Unavailable
from phoenix_grpc.model import Row
from phoenix_grpc.store.engine import UNKNOWN_REVISION, AuthRevision
from phoenix_grpc.store.leases import boottime
from phoenix_grpc.store.postgres.connections import cut, cut_after
from phoenix_grpc.store.postgres.transaction import CHANNEL

LEASE_SECONDS = 0.5
"""How long a node trusts the auth revision. A later release may shorten it, never lengthen it: nodes must agree."""

PATIENCE_SECONDS = 2.0
"""How long a call waits for a fresh read when the lease is over."""

_RECONNECT_SECONDS = 1.0
# The timeline of the log that is being written: that of the last checkpoint is the old one for minutes after a standby
# was promoted. A server that is a standby has none, and its revision is not to be trusted.
_READ = (
    "SELECT revision, (SELECT system_identifier FROM pg_control_system()),"
    " (SELECT LEFT(pg_walfile_name(pg_current_wal_lsn()), 8)) FROM auth_revision"
)

Connect = Callable[[], Awaitable[psycopg.AsyncConnection[Row]]]


class RevisionWatcher:
    """Reads the auth revision four times a lease, and as soon as another node says that it has moved.

    Arguments:
        connect: makes a connection that commits each statement.
        seconds: how long what was read is trusted, from before the read.
    """

    def __init__(self, connect: Connect, seconds: float = LEASE_SECONDS) -> None:
        self._connect = connect
        self._seconds = seconds
        self._revision = UNKNOWN_REVISION
        self._source: tuple[object, ...] = ()
        self._ends = 0.0
        self._ended = 0.0
        self._heard = 0.0
        self._wanted = asyncio.Event()
        self._read = asyncio.Event()
        self._open: list[psycopg.AsyncConnection[Row]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    @property
    def system(self) -> object | None:
        """The identifier of the primary's system, as it was last read; None before that."""
        return self._source[0] if self._source else None

    async def revision(self) -> AuthRevision:
        """The revision, as committed a lease ago or later.

        Raises:
            Unavailable: when the lease is over, and the database does not answer in time.
        """
        if boottime() >= self._ends:
            await self._wait_for_read()
        return self._revision

    def silence(self) -> float:
        """For how many seconds the database has not answered."""
        self._begin()
        return boottime() - self._heard

    def _begin(self) -> None:
        if not self._tasks:
            self._heard = boottime()
            self._tasks = [
                asyncio.create_task(self._keep(self._watch, self._seconds / 4)),
                asyncio.create_task(self._keep(self._listen, _RECONNECT_SECONDS)),
            ]

    async def _wait_for_read(self) -> None:
        self._begin()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while boottime() >= self._ends:
                    self._read.clear()
                    self._wanted.set()
                    await self._read.wait()
        except TimeoutError:
            raise Unavailable("the database does not answer, so no credential can be trusted") from None

    def end(self) -> None:
        """Makes the next call wait for a read that begins now or later: this process has changed the revision."""
        self._ends, self._ended = 0.0, boottime()
        self._wanted.set()

    async def wait_out(self, committed: float) -> None:
        """Returns when every lease that began before a commit (boot time) is over."""
        while (left := committed + self._seconds - boottime()) > 0:
            await asyncio.sleep(left)

    async def close(self) -> None:
        """Ends the reading."""
        # A task that is cancelled while it reads would ask the server to stop, and wait for that.
        self._closing = True
        self._wanted.set()
        while self._open:
            for connection in self._open:
                cut(connection)
            await asyncio.sleep(0.001)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, use: Callable[[psycopg.AsyncConnection[Row]], Awaitable[None]], pause: float) -> None:
        """Uses a connection, and then another one, for as long as the watcher is open."""
        while not self._closing:
            with contextlib.suppress(psycopg.Error, OSError):
                connection = await self._connect()
                self._open.append(connection)
                try:
                    await use(connection)
                finally:
                    self._open.remove(connection)
                    await connection.close()
            await asyncio.sleep(pause)

    async def _watch(self, connection: psycopg.AsyncConnection[Row]) -> None:
        # Whatever was true on the connection before may be so no longer.
        self._source = ()
        while True:
            with cut_after(connection, PATIENCE_SECONDS):
                await self._read_on(connection)
            await self._rest()

    async def _listen(self, connection: psycopg.AsyncConnection[Row]) -> None:
        """Reads at once when a node says so. Through a pooler nothing is heard, and the reads by time remain."""
        with cut_after(connection, PATIENCE_SECONDS):
            await connection.execute(f"LISTEN {CHANNEL}")
        async for _ in connection.notifies():
            self._wanted.set()

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._seconds / 4):
                await self._wanted.wait()
        self._wanted.clear()

    async def _read_on(self, connection: psycopg.AsyncConnection[Row]) -> None:
        begun = boottime()
        row = await (await connection.execute(_READ)).fetchone()
        self._heard = boottime()
        if row is None or begun < self._ended:
            self._wanted.set()
            return
        number, *source = row
        epoch = self._revision.epoch
        if tuple(source) != self._source or number < self._revision.number:
            epoch += 1
        self._source = tuple(source)
        if (epoch, number) != self._revision:
            self._revision = AuthRevision(epoch, number)
        self._ends = begun + self._seconds
        self._read.set()
