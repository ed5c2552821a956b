"""`phoenix-grpc serve` as a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import grpc

from phoenix_grpc.v1 import auth_pb2_grpc, datasets_pb2_grpc
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET, SECRET, bearer, database_url


class ServerProcess:
    """A server on `folder`; `address` is where it serves, `lines` what it has logged.

    Arguments:
        before: a command that runs it.
    """

    def __init__(self, folder: Path, before: Sequence[str] = (), **variables: str) -> None:
        self.folder = folder
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PHOENIX_WORKING_DIR": str(folder / "work"),
            "PHOENIX_GRPC_PORT": "0",
            "PHOENIX_PORT": "0",
            "PHOENIX_SECRET": SECRET,
            "PHOENIX_ADMIN_SECRET": ADMIN_SECRET,
            "PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD": ADMIN_PASSWORD,
            "PHOENIX_SQL_DATABASE_URL": database_url(folder),
            **variables,
        }
        self.database_url = environment["PHOENIX_SQL_DATABASE_URL"] or f"sqlite:///{folder}/work/phoenix_grpc.db"
        self.process = subprocess.Popen(
            [*before, sys.executable, "-m", "phoenix_grpc", "serve"],
            env={name: value for name, value in environment.items() if value},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.started: dict[str, Any] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._serving = threading.Event()
        self._reader.start()
        assert self._serving.wait(20), "".join(self.lines)
        assert self.started, "".join(self.lines)
        self.address: str = self.started["grpc"]
        self.channel = grpc.insecure_channel(self.address)
        self.auth = auth_pb2_grpc.AuthServiceStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetsServiceStub(self.channel)
        self.admin = bearer(ADMIN_SECRET)

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append(line)
            if '"event":"serving"' in line:
                self.started = json.loads(line)
                self._serving.set()
        self._serving.set()

    def grown(self, work: Callable[[], Any]) -> int:
        """By how many bytes its memory grew at most, while this was done."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # from here on the peak counts anew
        idle = self.memory("VmRSS")
        work()
        return self.memory("VmHWM") - idle

    def memory(self, which: str = "VmRSS") -> int:
        """A size of the process, in bytes."""
        found = re.search(rf"{which}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) * 1024

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.channel.close()
        self.process.kill()
        self._ended()

    def stop(self, timeout: float = 20) -> int:
        """Ends it as an operator would; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout)
        self.channel.close()
        self._ended()
        return self.process.returncode

    def _ended(self) -> None:
        self.process.wait(20)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
        else:
            self.channel.close()
            self._ended()


def serve_fails(folder: Path, **variables: str) -> tuple[int, str]:
    """Exit code and standard error of a server that must not start."""
    work = {"PATH": os.environ["PATH"], "HOME": str(folder), "PHOENIX_WORKING_DIR": str(folder / "work")}
    environment = {**work, **variables}
    done = subprocess.run(
        [sys.executable, "-m", "phoenix_grpc", "serve"],
        env={name: value for name, value in environment.items() if value},
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.returncode, done.stderr
