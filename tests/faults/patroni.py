"""Three PostgreSQL servers that Patroni keeps, with one etcd: as teams run them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.cluster import children, free_port, server_folder, until
from tests.toolchains import need

TTL_SECONDS = 20
"""After so long without a sign of life the leader is another; Patroni allows no less."""

_DYNAMIC = {
    "ttl": TTL_SECONDS,
    "loop_wait": 1,
    "retry_timeout": 3,
    "synchronous_mode": True,
    "synchronous_mode_strict": True,
    "postgresql": {"use_pg_rewind": False, "parameters": {"fsync": "off", "max_connections": 100}},
}
_ACCESS = [f"host {what} all 127.0.0.1/32 trust" for what in ("all", "replication")]


class PatroniNode:
    """Patroni with its server, in processes of their own."""

    def __init__(self, folder: Path, name: str, etcd: int) -> None:
        self.port = free_port()
        self._rest = free_port()
        self._folder = folder / name
        self._folder.mkdir()
        own(self._folder)
        self._config = self._folder / "patroni.yml"
        # JSON is YAML.
        self._config.write_text(json.dumps(self._settings(name, etcd)))
        self._process: subprocess.Popen[bytes] | None = None

    def _settings(self, name: str, etcd: int) -> dict[str, Any]:
        return {
            "scope": "phoenix",
            "name": name,
            "restapi": {"listen": f"127.0.0.1:{self._rest}", "connect_address": f"127.0.0.1:{self._rest}"},
            "etcd3": {"host": f"127.0.0.1:{etcd}"},
            "bootstrap": {"dcs": _DYNAMIC, "initdb": [{"auth": "trust"}, {"encoding": "UTF8"}], "pg_hba": _ACCESS},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}",
                "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": str(self._folder / "data"),
                "bin_dir": str(debian_postgres()),
                "pgpass": str(self._folder / "pgpass"),
                "pg_hba": _ACCESS,
                "authentication": {"superuser": {"username": "phoenix"}, "replication": {"username": "phoenix"}},
                "parameters": {"unix_socket_directories": str(self._folder)},
            },
        }

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            command = ["patroni", str(self._config)]
            # Patroni belongs to Debian's Python, whatever the tests run in.
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self._folder), "LC_ALL": "C.UTF-8"}
            self._process = subprocess.Popen(as_user(command), cwd="/", env=environment, stdout=log, stderr=log)

    def is_(self, role: str) -> bool:
        """Whether it has a role: primary, sync."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._rest}/{role}", timeout=3) as response:
                return response.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill_9(self) -> None:
        """Kills Patroni and its server, all at once."""
        if self._process is None:
            return
        pids = [self._process.pid]
        for pid in pids:  # grows meanwhile
            with contextlib.suppress(OSError):
                pids += children(pid)
        # Patroni lets its server go, so that it is nobody's child.
        with contextlib.suppress(OSError):
            postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
            pids += [postmaster, *children(postmaster)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(30)
        self._process = None


class PatroniCluster:
    """A leader, a synchronous standby and another."""

    def __init__(self, folder: Path) -> None:
        etcd, peers = free_port(), free_port()
        data = folder / "etcd"
        client, peer = f"http://127.0.0.1:{etcd}", f"http://127.0.0.1:{peers}"
        command = ["etcd", "--data-dir", str(data), "--initial-cluster"]
        command += [f"default={peer}", "--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--unsafe-no-fsync"]
        with (folder / "etcd.log").open("ab") as log:
            self._etcd = subprocess.Popen(command, stdout=log, stderr=log)
        self.nodes = [PatroniNode(folder, f"node{number}", etcd) for number in range(3)]

    def start(self) -> None:
        """Starts it, and returns when the leader has a synchronous standby."""
        for node in self.nodes:
            node.start()
        until(lambda: any(node.is_("primary") for node in self.nodes) and any(node.is_("sync") for node in self.nodes))

    def stop(self) -> None:
        for node in self.nodes:
            node.kill_9()
        self._etcd.kill()
        self._etcd.wait(10)

    @property
    def leader(self) -> PatroniNode:
        """The node that is the primary now."""
        return next(node for node in self.nodes if node.is_("primary"))

    def create_database(self, name: str) -> str:
        """Makes a database; returns a URL that finds the leader by itself."""
        with psycopg.connect(
            f"postgresql://phoenix@127.0.0.1:{self.leader.port}/postgres", autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://phoenix@{hosts}/{name}?target_session_attrs=read-write"


@contextlib.contextmanager
def running_patroni() -> Iterator[PatroniCluster]:
    """A new cluster, until the block ends."""
    need("etcd", "patroni")
    with server_folder() as folder:
        own(folder)
        cluster = PatroniCluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


def debian_postgres() -> Path:
    """The newest PostgreSQL of Debian: the one that its Patroni knows."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found and "CI" not in os.environ:
        pytest.skip("needs the Debian package postgresql")
    return found[-1].parent


def own(path: Path) -> None:
    """Gives a folder to the user as whom PostgreSQL runs."""
    if os.geteuid() == 0:
        shutil.chown(path, "nobody")


def as_user(command: list[str]) -> list[str]:
    """The command, run as a user whom PostgreSQL accepts."""
    return ["setpriv", "--reuid", "nobody", *command] if os.geteuid() == 0 else command
