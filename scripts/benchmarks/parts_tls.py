"""What TLS costs on kept connections."""

from collections.abc import Iterator
from pathlib import Path

import trustme
from load import LISTS, calls_per_second
from parts_grpc import CHECK_ACCESS
from servers import ADMIN_SECRET, Server
from table import Line

from phoenix_grpc.v1 import auth_pb2
from tests.certificates import issue

_BUDGET = 0.85
_ROUNDS = 5


def bench_tls(server: Server, folder: Path) -> Iterator[Line]:
    """The same calls with TLS and in clear, the best of alternating rounds each."""
    request = auth_pb2.CheckAccessRequest(method=LISTS).SerializeToString()
    variables = issue(trustme.CA(), folder / "certificates")
    secure = Server(folder / "secure", PHOENIX_TLS_ENABLED_FOR_GRPC="true", **variables)
    try:
        rates = {"https": 0.0, "http": 0.0}
        cpus = {"https": 0.0, "http": 0.0}
        for _ in range(_ROUNDS):
            for scheme, one in (("https", secure), ("http", server)):
                before = one.cpu()
                rate = calls_per_second(one.address, CHECK_ACCESS, request, ADMIN_SECRET, 10_000, scheme)
                if rate > rates[scheme]:
                    rates[scheme], cpus[scheme] = rate, (one.cpu() - before) / 10_000 * 1e6
    finally:
        secure.stop()
    ratio = rates["https"] / rates["http"]
    yield Line(
        "CheckAccess over TLS",
        f"{rates['https']:,.0f}/s, {cpus['https']:.0f} us",
        f"in clear {rates['http']:,.0f}/s, {cpus['http']:.0f} us",
        ratio,
        f"{_BUDGET}",
        ratio >= _BUDGET,
    )
