"""A PostgreSQL primary with a synchronous standby, each in processes of its own, that tests may kill and promote."""

import contextlib
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from tests.postgres import PostgresServer

_WAITING_SECONDS = 60
# The machine stays up when processes are killed, so nothing has to reach the disk for these tests.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "hot_standby": "on",
    "wal_level": "replica",
    "max_wal_senders": "8",
    "wal_sender_timeout": "2s",
    "max_connections": "100",
}


class Node(PostgresServer):
    """One server of a cluster; its port stays the same."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        super().__init__(folder, **{**_SETTINGS, "port": str(self.port), **settings})

    def url(self, database: str) -> str:
        return f"postgresql://phoenix@127.0.0.1:{self.port}/{database}"

    @property
    def runs(self) -> bool:
        """Whether it was started and neither stopped nor killed."""
        return self._process is not None

    def ask(self, sql: str) -> Any:
        """The one value of a query."""
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as connection:
            row = connection.execute(sql).fetchone()
        assert row is not None
        return row[0]

    def kill_9(self) -> None:
        """Kills all of its processes: nothing is written any more, and nobody is told."""
        assert self._process is not None
        pids = [self._process.pid, *children(self._process.pid)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(30)
        self._process = None

    def follow(self, primary: "Node") -> None:
        """Becomes a new standby of another node, whatever it was before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.own(self.folder)
        shutil.rmtree(self.data, ignore_errors=True)
        self._copy(primary, self.data, "-R")
        self.start()

    def back_up(self) -> None:
        """Copies the whole server while it runs, for `restore`."""
        shutil.rmtree(self.folder / "backup", ignore_errors=True)
        self._copy(self, self.folder / "backup")

    def restore(self) -> None:
        """Kills it, and lets it begin anew as it was when it was backed up: the same system on another timeline."""
        self.kill_9()
        shutil.rmtree(self.data)
        (self.folder / "backup").rename(self.data)
        signal_file = self.data / "recovery.signal"
        signal_file.touch()
        self.own(signal_file)
        self._settings.update(
            recovery_target="immediate", recovery_target_action="promote", restore_command="/bin/false"
        )
        self.start()
        until(lambda: not self.ask("SELECT pg_is_in_recovery()"))

    def _copy(self, source: "Node", folder: Path, *options: str) -> None:
        address = f"host=127.0.0.1 port={source.port} user=phoenix application_name=standby{self.port}"
        self._run("pg_basebackup", "-D", folder, "-d", address, *options, "-X", "stream", "-c", "fast", "--no-sync")


class Cluster:
    """A primary and a standby; what the primary has acknowledged, the standby has.

    The two change places with each failover.
    """

    def __init__(self, folder: Path) -> None:
        self.primary = Node(folder / "one")
        self.standby = Node(folder / "two")
        self.primary.initialize()
        self.primary.start()
        self.add_standby()

    def url(self, database: str) -> str:
        """The URL of a database that finds the primary by itself, whichever it is."""
        ports = sorted([self.primary.port, self.standby.port])
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://phoenix@{hosts}/{database}?target_session_attrs=read-write"

    def add_standby(self) -> None:
        """Makes the other node a standby, and from then on a commit waits for it."""
        self.standby.follow(self.primary)
        self.wait_for_standby()

    def wait_for_standby(self) -> None:
        """Makes commits wait for the standby from now on, and returns once it has caught up."""
        self.primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.primary.execute("SELECT pg_reload_conf()")
        until(self._is_synchronous)

    def _is_synchronous(self) -> bool:
        # What was committed before the standby counted must be there as well.
        return bool(
            self.primary.ask(
                "SELECT count(*) FROM pg_stat_replication"
                " WHERE sync_state = 'sync' AND flush_lsn >= pg_current_wal_flush_lsn()"
            )
        )

    def fail_over(self, pause: float = 0.0) -> float:
        """Kills the primary and promotes the standby.

        Arguments:
            pause: seconds between the two.

        Returns:
            when it was promoted (time.monotonic).
        """
        self.primary.kill_9()
        time.sleep(pause)
        self.standby.execute("SELECT pg_promote(true, 60)")
        promoted = time.monotonic()
        self.primary, self.standby = self.standby, self.primary
        return promoted

    def stop(self) -> None:
        self.standby.stop()
        self.primary.stop()


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A new cluster, until the block ends."""
    with server_folder() as folder:
        cluster = Cluster(folder)
        try:
            yield cluster
        finally:
            cluster.stop()


@contextlib.contextmanager
def server_folder() -> Iterator[Path]:
    """A folder that other users may reach: PostgreSQL refuses to run as root."""
    with tempfile.TemporaryDirectory(prefix="phoenix-grpc-faults-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(check: Callable[[], object], seconds: float = _WAITING_SECONDS) -> None:
    """Waits until `check` returns something true."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(psycopg.OperationalError):
            if check():
                return
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)
