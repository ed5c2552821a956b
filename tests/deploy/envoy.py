"""A real Envoy."""

import socket
import subprocess
import time
from pathlib import Path

import httpx


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    found = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in found]
    for one in found:
        one.close()
    return ports


class Envoy:
    """Envoy with a configuration, until the block ends. `log` is what it says.

    Arguments:
        ready: a port that it listens on when it has begun.
    """

    def __init__(self, folder: Path, configuration: str, ready: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.admin = free_ports(1)[0]
        path = folder / "envoy.yaml"
        admin = f"admin: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {self.admin} }} }} }}\n"
        path.write_text(admin + configuration)
        self._log = folder / "envoy.log"
        with self._log.open("wb") as log:
            command = ["envoy", "--config-path", str(path), "--use-dynamic-base-id", "--concurrency", "2"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._ready = ready

    def __enter__(self) -> "Envoy":
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"http://127.0.0.1:{self.admin}/ready").status_code == 200:
                    socket.create_connection(("127.0.0.1", self._ready)).close()
                    return self
            except (httpx.TransportError, OSError):
                assert self.process.poll() is None, self.log
            time.sleep(0.05)
        raise AssertionError(self.log)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text()

    def healthy(self) -> int:
        """How many endpoints of all clusters it takes for healthy."""
        text = httpx.get(f"http://127.0.0.1:{self.admin}/clusters").text
        return sum("health_flags::healthy" in line for line in text.splitlines())


def validate(configuration: Path) -> subprocess.CompletedProcess[str]:
    """Has Envoy read a configuration."""
    command = ["envoy", "--mode", "validate", "--config-path", str(configuration)]
    return subprocess.run(command, capture_output=True, text=True)
