"""What others notice of a big publication: the longest waits of small writes, and of reads."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psycopg
from load import write_records
from servers import Server
from table import Line

from phoenix_grpc.v1 import auth_pb2, datasets_pb2

_PAUSE_SECONDS = 0.01
_BARE = "commit of a row by psycopg"
"""What the database itself makes others wait, whoever writes so much to its disk."""

_EMAIL, _PASSWORD = "bench@example.com", "a password of the bench"


class Probe(threading.Thread):
    """Calls again and again until it is told to stop; keeps how long each call took."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self._stopped = threading.Event()
        self.seconds: list[float] = []

    def run(self) -> None:
        """Calls."""
        while not self._stopped.is_set():
            begun = time.perf_counter()
            self._call()
            self.seconds.append(time.perf_counter() - begun)
            time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """Ends it after the call that runs."""
        self._stopped.set()
        self.join()

    def at(self, share: float) -> float:
        """The milliseconds that this share of the calls took at most."""
        return sorted(self.seconds)[max(0, math.ceil(share * len(self.seconds)) - 1)] * 1000


def bench_publishing(server: Server, folder: Path) -> Iterator[Line]:
    """Small calls while 1,000,000 new examples, and a mirror of 500,000 changes, are uploaded and published."""
    new = write_records(folder / "new.jsonl", 1_000_000)
    half, changed = write_records(folder / "half.jsonl", 500_000), write_records(folder / "other.jsonl", 500_000, "x ")
    server.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="beside"), metadata=server.admin)
    server.auth.CreateUser(
        auth_pb2.CreateUserRequest(email=_EMAIL, role=auth_pb2.ROLE_MEMBER, password=_PASSWORD), metadata=server.admin
    )
    idle = _probed(server, lambda: time.sleep(10))
    for what, name, data, action in (
        ("1,000,000 new examples", "new", new, "APPEND"),
        ("500,000 more", "half", half, "APPEND"),
        ("a mirror of 500,000 changes", "half", changed, "UPDATE"),
    ):
        busy = _probed(server, lambda name=name, data=data, action=action: server.upload(name, data, action))
        for kind, probe in busy.items():
            worst, usual = probe.at(1), idle[kind].at(0.99)
            reference = f"p99 {probe.at(0.99):.0f} ms; idle p99 {usual:.0f} ms"
            # A login computes a hash, and a revocation waits for leases to end, with or without others.
            met = probe.at(0.99) < max(3 * usual, 5) if kind == "read" else worst - usual < 300
            budget = "p99 3 x idle" if kind == "read" else "idle + 300 ms"
            if kind == _BARE:
                budget, met = "", None
            yield Line(f"longest {kind} behind {what}", f"{worst:.0f} ms", reference, None, budget, met)


def _probed(server: Server, work: Callable[[], object]) -> dict[str, Probe]:
    with grpc.insecure_channel(server.address):
        probes = {kind: Probe(call) for kind, call in _calls(server).items()}
        for probe in probes.values():
            probe.start()
        work()
        for probe in probes.values():
            probe.stop()
    return probes


def _calls(server: Server) -> dict[str, Callable[[], object]]:
    example = datasets_pb2.NewExample()
    example.input.update({"n": 1})
    append = datasets_pb2.AppendExamplesRequest(name="beside", examples=[example])
    read = datasets_pb2.ListExamplesRequest(name="beside", page_size=10)
    login = auth_pb2.LoginRequest(email=_EMAIL, password=_PASSWORD)

    def revoke() -> None:
        made = server.auth.CreateSystemApiKey(auth_pb2.CreateApiKeyRequest(name="revoked"), metadata=server.admin)
        key = auth_pb2.RevokeApiKeyRequest(api_key_id=made.api_key.api_key_id)
        server.auth.RevokeSystemApiKey(key, metadata=server.admin)

    bare: dict[str, Callable[[], object]] = {}
    if server.engine == "postgresql":
        connection = psycopg.connect(server.database_url, autocommit=True)
        connection.execute("CREATE TABLE IF NOT EXISTS bare (number BIGINT)")
        bare[_BARE] = lambda: connection.execute("INSERT INTO bare VALUES (1)")
    return bare | {
        "write to another dataset": lambda: server.datasets.AppendExamples(append, metadata=server.admin),
        "login": lambda: server.auth.Login(login),
        "making and revoking a key": revoke,
        "read": lambda: server.datasets.ListExamples(read, metadata=server.admin),
    }
