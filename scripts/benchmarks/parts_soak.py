"""Memory under a long mix of valid and hostile requests by both doors: it must come to rest and stay there."""

import asyncio
import gzip
import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import grpc
from load import write_records
from servers import ADMIN_SECRET, Server
from table import Line

from phoenix_grpc.contract import METHODS
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.attackers import stalled_downloads

_CALLERS = 6
_MAX_GROWTH = 30
"""MB from the second fifth of the time to the last; in the first, memory fills what it keeps."""
_BLAMES_SERVER = {"INTERNAL", "UNKNOWN", "500"}


def bench_soak(server: Server, folder: Path, seconds: float) -> Iterator[Line]:
    """Several callers send what chance picks until the time is over."""
    server.upload("long", write_records(folder / "long.jsonl", 20_000))
    server.download("long")
    start, outcomes = server.memory(), Counter[str]()
    until = time.monotonic() + seconds
    callers = [Caller(server, number, outcomes) for number in range(_CALLERS)]
    threads = [threading.Thread(target=caller.run, args=(until,)) for caller in callers]
    for thread in threads:
        thread.start()
    samples = []
    while time.monotonic() < until:
        time.sleep(0.5)
        samples.append(server.memory())
    for thread in threads:
        thread.join()
    fifth = len(samples) // 5
    warm, end = median(samples[fifth : 2 * fifth]), median(samples[-fifth:])
    blamed = sum(outcomes[outcome] for outcome in _BLAMES_SERVER)
    yield Line(
        f"{sum(outcomes.values()):,} mixed requests in {seconds:,.0f} s: memory in the last fifth",
        f"{end:.0f} MB",
        f"{start:.0f} MB before them, {warm:.0f} MB in the second fifth",
        end / warm,
        f"{_MAX_GROWTH} MB more",
        end - warm < _MAX_GROWTH,
    )
    told = ", ".join(f"{outcome} {count:,}" for outcome, count in outcomes.most_common(6))
    yield Line("their answers that blame the server", f"{blamed}", told, None, "0", blamed == 0)


class Caller:
    """Somebody who sends both what is right and what is not.

    Arguments:
        outcomes: counts the answers of all callers by their status.
    """

    def __init__(self, server: Server, number: int, outcomes: Counter[str]) -> None:
        self._server = server
        self._random = random.Random(number)
        self._outcomes = outcomes
        self._headers = {"authorization": f"Bearer {server.key()}"}
        self._metadata = tuple(self._headers.items())
        self._dataset_id = server.datasets.GetDataset(_named("long"), metadata=server.admin).dataset_id
        self._actions: tuple[Callable[[], str], ...] = (
            *(self._list, self._upload, self._download, self._leave_download, self._make_key, self._log_in),
            *(self._garbage, self._bad_credential, self._unknown_method, self._dense, self._half_upload, self._stall),
            *(self._get, self._post_upload, self._leave_get, self._wrong_json, self._bomb, self._raw, self._half_body),
        )

    def run(self, until: float) -> None:
        """Acts until then."""
        while time.monotonic() < until:
            try:
                outcome = self._random.choice(self._actions)()
            except grpc.RpcError as error:
                outcome = error.code().name  # type: ignore[attr-defined]
            except urllib.error.HTTPError as error:
                outcome = str(error.code)
                error.close()
            except OSError:
                outcome = "closed"
            self._outcomes[outcome] += 1

    def _bytes(self, most: int) -> bytes:
        return self._random.randbytes(self._random.randrange(most))

    # By gRPC, as it should be

    def _list(self) -> str:
        request = datasets_pb2.ListExamplesRequest(name="long", page_size=self._random.randrange(1, 500))
        self._server.datasets.ListExamples(request, metadata=self._metadata)
        return "OK"

    def _upload(self) -> str:
        name = f"soak-{self._random.randrange(50)}"
        if self._random.random() < 0.3:
            self._server.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name=name), metadata=self._metadata)
            return "OK"
        lines = b"".join(b'{"input": {"text": "%d"}}\n' % self._random.randrange(1000) for _ in range(200))
        self._server.datasets.UploadDataset(iter(_messages(name, lines)), metadata=self._metadata)
        return "OK"

    def _download(self) -> str:
        list(self._server.datasets.DownloadDataset(_download(self._random.randrange(1, 5)), metadata=self._metadata))
        return "OK"

    def _make_key(self) -> str:
        made = self._server.auth.CreateSystemApiKey(
            auth_pb2.CreateApiKeyRequest(name="soak"), metadata=self._server.admin
        )
        request = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
        self._server.auth.RevokeSystemApiKey(request, metadata=self._server.admin)
        return "OK"

    # By gRPC, as it should not be

    def _leave_download(self) -> str:
        call = self._server.datasets.DownloadDataset(_download(), metadata=self._metadata)
        next(call)
        call.cancel()
        return "left"

    def _log_in(self) -> str:
        self._server.auth.Login(auth_pb2.LoginRequest(email="nobody@localhost", password=str(self._random.random())))
        return "OK"

    def _garbage(self) -> str:
        path = self._random.choice([path for path, method in METHODS.items() if not method.reads_stream])
        list(self._server.channel.unary_stream(path)(self._bytes(4000), metadata=self._metadata, timeout=20))
        return "OK"

    def _bad_credential(self) -> str:
        token = self._random.choice(["a" * 9000, f"phgrpc_{self._random.random()}", "a.b.c"])
        request = auth_pb2.WhoAmIRequest()
        self._server.auth.WhoAmI(request, metadata=(("authorization", f"Bearer {token}"),))
        return "OK"

    def _unknown_method(self) -> str:
        self._server.channel.unary_unary(f"/nobody.Service/{self._random.random()}")(b"", metadata=self._metadata)
        return "OK"

    def _dense(self) -> str:
        request = datasets_pb2.ListExamplesRequest(name="long", example_ids=[""] * self._random.randrange(1_000_000))
        self._server.datasets.ListExamples(request, metadata=self._metadata)
        return "OK"

    def _half_upload(self) -> str:
        """Chunks that end amid a record, or in what is none."""
        lines = b'{"input": {"text": "x"}}\n' * 5000 + self._bytes(100)
        self._server.datasets.UploadDataset(iter(_messages("half", lines)), metadata=self._metadata)
        return "OK"

    def _stall(self) -> str:
        """Downloads that nobody reads, and then nobody waits for."""

        async def stall() -> None:
            request = _download().SerializeToString()
            async with stalled_downloads(self._server.address, request, self._metadata, 5):
                await asyncio.sleep(0.01)  # some of it comes

        asyncio.run(stall())
        return "left"

    # By HTTP

    def _get(self) -> str:
        path = self._random.choice(["datasets", f"datasets/{self._dataset_id}/csv", "user", "users", "nothing"])
        return self._send("GET", f"/v1/{path}")

    def _post_upload(self) -> str:
        inputs = [{"text": str(self._random.random())} for _ in range(500)]
        document = {"name": f"soak-{self._random.randrange(50)}", "action": "update", "inputs": inputs}
        return self._send("POST", "/v1/datasets/upload?sync=true", json.dumps(document).encode())

    def _wrong_json(self) -> str:
        body = self._random.choice([b'{"name": 5}', b"[" * 100_000, b"{" + self._bytes(1000), b'{"name": "\\ud800"}'])
        return self._send("POST", self._random.choice(["/v1/datasets", "/v1/datasets/upload", "/auth/login"]), body)

    def _bomb(self) -> str:
        """A small body that unfolds to very much."""
        body = gzip.compress(b'{"name":"x","inputs":[' + b"{}," * 2_000_000 + b"{}]}", 1)
        return self._send("POST", "/v1/datasets/upload", body, {"content-encoding": "gzip"})

    def _leave_get(self) -> str:
        return self._spoken(f"GET /v1/datasets/{self._dataset_id}/examples HTTP/1.1\r\n".encode(), b"\r\n")

    def _half_body(self) -> str:
        return self._spoken(b"POST /v1/datasets HTTP/1.1\r\n", b"content-length: 5000\r\n\r\n" + b" " * 100)

    def _raw(self) -> str:
        return self._spoken(self._bytes(2000), b"\r\n\r\n")

    def _send(self, verb: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> str:
        every = {**self._headers, "content-type": "application/json", **(headers or {})}
        request = urllib.request.Request(self._server.http + path, body, every, method=verb)
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
        return "200"

    def _spoken(self, line: bytes, rest: bytes) -> str:
        """Sends bytes, reads the first of what comes, and leaves."""
        parts = urlsplit(self._server.http)
        with socket.create_connection((parts.hostname, parts.port), timeout=1) as connection:
            head = f"host: {parts.netloc}\r\nauthorization: Bearer {ADMIN_SECRET}\r\n"
            connection.sendall(line + head.encode() + rest)
            connection.recv(100)
        return "left"


def _named(name: str) -> datasets_pb2.GetDatasetRequest:
    return datasets_pb2.GetDatasetRequest(name=name)


def _download(format: int = 0) -> datasets_pb2.DownloadDatasetRequest:
    return datasets_pb2.DownloadDatasetRequest(name="long", format=format)  # type: ignore[arg-type]


def _messages(name: str, lines: bytes) -> list[datasets_pb2.UploadDatasetRequest]:
    header = datasets_pb2.UploadDatasetHeader(name=name, action="UPLOAD_ACTION_UPDATE")
    return [datasets_pb2.UploadDatasetRequest(header=header), datasets_pb2.UploadDatasetRequest(chunk=lines)]
