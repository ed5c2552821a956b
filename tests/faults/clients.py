"""Clients that work on one dataset at the same time, and write down what they did and saw."""

import collections
import io
import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import grpc

from phoenix_grpc.client import Client, PhoenixError
from phoenix_grpc.ids import decode_id
from phoenix_grpc.v1 import datasets_pb2
from tests.conftest import ADMIN_SECRET
from tests.faults.history import Operation, Outcome, Version, check

KEYS = [f"key-{number}" for number in range(24)]
"""The examples that all clients write: few, so that they meet."""

_CALL_SECONDS = 60
"""Longer than any outage: the library's own retries of a call take place within it."""

_DEFINITE = {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED}
_PASSING = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}

Did = dict[str, Any]
"""Fields of an Operation."""


class Team:
    """Clients in threads, within the block.

    Arguments:
        addresses: of the servers, for the clients in turn.
        dataset: its name; it is made, and nobody else writes it.
        count: of clients.
        patience: how long a client repeats an operation whose outcome it does not know, in seconds, under the same
            request_id. Every third client does not: its outcomes stay unknown.
    """

    def __init__(self, addresses: Sequence[str], dataset: str, count: int = 6, patience: float = 60.0) -> None:
        self.operations: list[Operation] = []
        self.errors: collections.Counter[str] = collections.Counter()
        self._addresses = addresses
        self._dataset = dataset
        self._patience = patience
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,), daemon=True) for number in range(count)]

    def __enter__(self) -> Self:
        with self._client(0) as client:
            client.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name=self._dataset))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(self._patience + 2 * _CALL_SECONDS)
            assert not thread.is_alive(), "a call never ended"

    def acknowledged(self, since: float = 0.0) -> list[Operation]:
        """The writes that were answered so far, of those that were sent after a time."""
        return [one for one in self.operations if one.version and one.read is None and one.begin >= since]

    def check(self, address: str) -> list[Version]:
        """Reads the dataset's versions from a server; raises Unfit if they do not fit what the clients saw.

        The latest contents are read once more too, so that the last write has a reader.
        """
        with Client(address, ADMIN_SECRET, timeout=60) as client:
            begin = time.monotonic()
            last = Operation("last", begin, time.monotonic(), **self._download(client, "", "", random.Random(), {}))
            versions = list(self._versions(client))
        check(versions, [*self.operations, last])
        return versions

    def _versions(self, client: Client) -> Iterator[Version]:
        request = datasets_pb2.ListVersionsRequest(name=self._dataset, page_size=1000)
        found: list[datasets_pb2.DatasetVersion] = []
        while not found or request.page_token:
            response = client.datasets.ListVersions(request)
            found += response.versions
            request.page_token = response.next_page_token
        for version in reversed(found):
            yield Version(_number(version.version_id), version.description, version.live_count)

    def _client(self, number: int) -> Client:
        return Client(self._addresses[number % len(self._addresses)], ADMIN_SECRET, timeout=_CALL_SECONDS)

    def _work(self, number: int) -> None:
        client = self._client(number)
        actions = [self._append, self._append, self._upload, self._update, self._delete, self._download, self._list]
        turn = 0
        while not self._stopped.is_set():
            turn += 1
            name = f"{number}/{turn}"
            self.operations.append(self._run(client, name, random.choice(actions), number % 3 != 2))
        client.close()

    def _run(self, client: Client, name: str, action: Callable[..., Did], repeats: bool) -> Operation:
        begin = time.monotonic()
        request_id, seed = str(uuid.uuid4()), random.random()
        intended: Did = {}
        while True:
            # A repeated request is the same one.
            draw = random.Random(seed)
            try:
                did = action(client, name, request_id, draw, intended)
                return Operation(name, begin, time.monotonic(), **did)
            except PhoenixError as error:
                end, pause = time.monotonic(), error.retry_after or 0.1
                self.errors[f"{error.status.name} {error.reason}"] += 1
                if error.status in _DEFINITE:
                    missing = intended.pop("key", "") if error.reason == "EXAMPLE_NOT_FOUND" else ""
                    return Operation(name, begin, end, Outcome.FAILED, missing=missing, **_kept(intended))
                if not repeats or error.status not in _PASSING or end - begin > self._patience:
                    return Operation(name, begin, end, Outcome.UNKNOWN, **_kept(intended))
            time.sleep(pause)

    def _append(self, client: Client, name: str, request_id: str, draw: random.Random, intended: Did) -> Did:
        intended["puts"] = dict.fromkeys(draw.sample(KEYS, 3), name)
        request = datasets_pb2.AppendExamplesRequest(
            name=self._dataset, version_description=name, request_id=request_id
        )
        for key, value in intended["puts"].items():
            request.examples.add(external_id=key).input.update({"value": value})
        return _written(client.datasets.AppendExamples(request), intended)

    def _upload(self, client: Client, name: str, request_id: str, draw: random.Random, intended: Did) -> Did:
        intended["puts"] = dict.fromkeys(draw.sample(KEYS, 12), name)
        lines = [json.dumps({"id": key, "input": {"value": name}}).encode() + b"\n" for key in intended["puts"]]
        response = client.upload(
            lines, self._dataset, timeout=_CALL_SECONDS, version_description=name, request_id=request_id
        )
        return _written(response, intended)

    def _update(self, client: Client, name: str, request_id: str, draw: random.Random, intended: Did) -> Did:
        intended["key"] = draw.choice(KEYS)
        intended["puts"] = {intended["key"]: name}
        request = datasets_pb2.UpdateExamplesRequest(
            name=self._dataset, version_description=name, request_id=request_id
        )
        request.updates.add(example_id=intended["key"]).input.update({"value": name})
        return _written(client.datasets.UpdateExamples(request), intended)

    def _delete(self, client: Client, name: str, request_id: str, draw: random.Random, intended: Did) -> Did:
        intended["key"] = draw.choice(KEYS)
        intended["removes"] = frozenset({intended["key"]})
        request = datasets_pb2.DeleteExamplesRequest(
            name=self._dataset, example_ids=[intended["key"]], version_description=name, request_id=request_id
        )
        return _written(client.datasets.DeleteExamples(request), intended)

    def _download(self, client: Client, _name: str, _id: str, _draw: random.Random, intended: Did) -> Did:
        intended["read"] = {}
        file = io.BytesIO()
        header = client.download(self._dataset, file, timeout=_CALL_SECONDS)
        examples = [json.loads(line) for line in file.getvalue().splitlines()]
        read = {example["id"]: example["input"]["value"] for example in examples}
        assert len(read) == len(examples), "an example was read twice"
        return {"version": _number(header.version.version_id), "read": read}

    def _list(self, client: Client, _name: str, _id: str, _draw: random.Random, intended: Did) -> Did:
        intended["read"] = {}
        response = client.datasets.ListExamples(datasets_pb2.ListExamplesRequest(name=self._dataset, page_size=1000))
        read = {example.external_id: example.input["value"] for example in response.examples}
        assert len(read) == len(response.examples), "an example was read twice"
        return {"version": _number(response.version_id), "read": read}


def _written(response: Any, intended: Did) -> Did:
    return {"version": _number(response.version.version_id), **_kept(intended)}


def _kept(intended: Did) -> Did:
    return {key: value for key, value in intended.items() if key != "key"}


def _number(version_id: str) -> int:
    return decode_id("DatasetVersion", version_id, "version_id")
