"""The servers that are measured: ours, and a bare echo to compare with."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc

ADMIN_SECRET = "a-benchmark-secret-of-32-characters-1"
SECRET = "a-signing-secret-of-32-characters-1"
CHUNK = 256 << 10

Metadata = tuple[tuple[str, str], ...]


class Server:
    """A `phoenix-grpc serve` of its own, on a folder of its own.

    Arguments:
        database_url: by default a SQLite file in the folder.
        workers: how many processes serve.
        variables: more of its settings.
    """

    def __init__(self, folder: Path, database_url: str = "", workers: int = 1, **variables: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.engine = "postgresql" if database_url else "sqlite"
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "phoenix_grpc", "serve", "--grpc-port", "0", "--working-dir", str(folder)],
            env={
                "PHOENIX_ADMIN_SECRET": ADMIN_SECRET,
                "PHOENIX_SECRET": SECRET,
                "PHOENIX_SQL_DATABASE_URL": database_url,
                "PHOENIX_DISABLE_RATE_LIMIT": "true",
                "PATH": "/usr/bin:/bin",
                "PHOENIX_PORT": "0",
                "PHOENIX_WORKERS": str(workers),
                **variables,
            },
            stderr=subprocess.PIPE,
        )
        started_line = _started(self.process)
        self.address, self.http = str(started_line["grpc"]), str(started_line["http"])
        self.seconds_to_serving = time.perf_counter() - started
        self.channel = grpc.insecure_channel(self.address, [("grpc.max_receive_message_length", -1)])
        self.auth = auth_pb2_grpc.AuthServiceStub(self.channel)
        self.datasets = datasets_pb2_grpc.DatasetsServiceStub(self.channel)
        self.admin: Metadata = (("authorization", f"Bearer {ADMIN_SECRET}"),)

    def key(self) -> str:
        """A new system key."""
        request = auth_pb2.CreateApiKeyRequest(name="bench")
        return str(self.auth.CreateSystemApiKey(request, metadata=self.admin).key)

    def memory(self, field: str = "VmRSS") -> float:
        """The process's memory in MB, now (VmRSS) or at its highest (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]

    def cpu(self) -> float:
        """Seconds of CPU that the process has taken."""
        return cpu_of(self.process)

    def forget_peak(self) -> None:
        """Makes VmHWM start again from now."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def upload(self, name: str, data: Path, action: str = "APPEND") -> datasets_pb2.UploadDatasetResponse:
        """Uploads a JSONL file."""
        header = datasets_pb2.UploadDatasetHeader(name=name, action=f"UPLOAD_ACTION_{action}")
        return self.datasets.UploadDataset(_messages(header, data), metadata=self.admin)

    def download(self, name: str) -> int:
        """Downloads a dataset as JSONL and discards it; returns the number of bytes."""
        request = datasets_pb2.DownloadDatasetRequest(name=name)
        return sum(len(message.chunk) for message in self.datasets.DownloadDataset(request, metadata=self.admin))

    def stop(self) -> None:
        """Ends it as an operator would."""
        self.channel.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def _started(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stderr is not None
    for line in process.stderr:
        if b'"event":"serving"' in line:
            _drain(process)
            found: dict[str, object] = json.loads(line)
            return found
    raise SystemExit("the server did not start")


def _drain(process: subprocess.Popen[bytes]) -> None:
    """Throws the log away, as the log collector of a real server takes it off its hands."""
    threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()


def _messages(header: datasets_pb2.UploadDatasetHeader, data: Path) -> Iterator[datasets_pb2.UploadDatasetRequest]:
    yield datasets_pb2.UploadDatasetRequest(header=header)
    with data.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield datasets_pb2.UploadDatasetRequest(chunk=chunk)


def cpu_of(process: subprocess.Popen[bytes]) -> float:
    """Seconds of CPU that a process has taken, as a user and in the kernel."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Echo(NamedTuple):
    """A bare grpc.aio server, with gRPC's default settings."""

    address: str
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds of CPU that the process has taken."""
        return cpu_of(self.process)


@contextlib.contextmanager
def echo(reply: bytes) -> Iterator[Echo]:
    """A bare grpc.aio server that returns `reply` for every unary call."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent), "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(len(reply).to_bytes(4, "big") + reply)
    process.stdin.flush()
    yield Echo(f"127.0.0.1:{int(process.stdout.readline())}", process)
    process.kill()
    process.wait()


def serve_echo() -> None:
    """The echo server's process: the reply comes in on standard input, the port goes out on standard output."""
    import uvloop

    reply = sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(4), "big"))

    class Anything(grpc.GenericRpcHandler):
        def service(self, _details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
            async def answer(_request: bytes, _context: object) -> bytes:
                return reply

            return grpc.unary_unary_rpc_method_handler(answer)

    async def main() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers([Anything()])
        print(server.add_insecure_port("127.0.0.1:0"), flush=True)
        await server.start()
        await asyncio.sleep(3600)

    uvloop.run(main())
