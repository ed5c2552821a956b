"""What several uploads at once, and a second process, give."""

import threading
from collections.abc import Iterator
from pathlib import Path

from load import LISTS, calls_per_second, timed, write_records
from parts_grpc import CHECK_ACCESS, GET_EXAMPLE, random_examples
from servers import Server
from table import Line

from phoenix_grpc.v1 import auth_pb2

_UPLOADS = 8
_EXAMPLES = 50_000


def bench_workers(server: Server, folder: Path) -> Iterator[Line]:
    """Eight uploads at once beside one, and two processes beside one."""
    data = write_records(folder / "uploads.jsonl", _EXAMPLES)
    one = _EXAMPLES / timed(lambda: server.upload("alone", data))
    all_of_them = _UPLOADS * _EXAMPLES / timed(lambda: _at_once(server, data))
    ratio = all_of_them / one
    yield Line(
        f"{_UPLOADS} uploads at once to {_UPLOADS} datasets",
        f"{all_of_them:,.0f}/s",
        f"one {one:,.0f}/s",
        ratio,
        "1.0",
        ratio >= 1.0,
    )
    key, example = server.key(), random_examples(server, folder)[0].SerializeToString()
    check = auth_pb2.CheckAccessRequest(method=LISTS).SerializeToString()
    two = Server(server.folder, server.database_url, workers=2)
    try:
        for what, path, request in (("CheckAccess", CHECK_ACCESS, check), ("GetExample", GET_EXAMPLE, example)):
            alone, both = 0.0, 0.0
            for _ in range(3):
                alone = max(alone, calls_per_second(server.address, path, request, key))
                both = max(both, calls_per_second(two.address, path, request, key))
            # The load and the database take processors of the same machine.
            yield Line(f"two workers: {what}", f"{both:,.0f}/s", f"one {alone:,.0f}/s", both / alone, "1.6", None)
    finally:
        two.stop()


def _at_once(server: Server, data: Path) -> None:
    threads = [threading.Thread(target=server.upload, args=(f"at-once-{number}", data)) for number in range(_UPLOADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
