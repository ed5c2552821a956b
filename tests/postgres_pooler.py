"""PgBouncer in transaction mode before a database, where it is installed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

_CONFIG = """
[databases]
* = host={server} user=phoenix
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = {size}
logfile = {folder}/log
pidfile = {folder}/pid
"""


def _binary() -> str:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if found is None:
        assert "CI" not in os.environ, "CI installs PgBouncer"
        pytest.skip("PgBouncer is not installed")
    return found


@contextlib.contextmanager
def pooled(url: str, size: int = 4) -> Iterator[str]:
    """The URL of a database by way of a pooler, until the block ends.

    Arguments:
        url: as tests.postgres makes them.
        size: how many connections it has to the server.
    """
    parts = urlsplit(url)
    with tempfile.TemporaryDirectory(prefix="phoenix-grpc-pooler-") as name:
        folder = Path(name)
        config = folder / "pgbouncer.ini"
        config.write_text(_CONFIG.format(server=parse_qs(parts.query)["host"][0], folder=folder, size=size))
        # It refuses to run as root.
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user)
        as_user = ["setpriv", "--reuid", user] if user else []
        process = subprocess.Popen([*as_user, _binary(), str(config)], stderr=subprocess.DEVNULL)
        try:
            _wait_for(folder / ".s.PGSQL.6432")
            yield f"postgresql://phoenix@{parts.path}?host={folder}&port=6432"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


def passes_prepared_statements() -> bool:
    """Whether the installed pooler is one that passes on prepared statements: they are since 1.21, by default 1.24."""
    shown = subprocess.run([_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = shown.split()[1].split(".")[:2]
    return (int(major), int(minor)) >= (1, 24)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return
        assert time.monotonic() < deadline, "PgBouncer does not start"
        time.sleep(0.05)
