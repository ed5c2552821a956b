"""A real Envoy ends mutual TLS before the server, and says by x-forwarded-client-cert who called."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

from phoenix_grpc.identity.table import read_table
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc
from tests.certificates import issue, issue_svid
from tests.conftest import ADMIN_SECRET, bearer
from tests.deploy.envoy import Envoy, free_ports, validate
from tests.process import ServerProcess

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = DEPLOY / "envoy" / "mtls.yaml"
TRAINER = "spiffe://prod.example/ns/evaluation/sa/trainer"
WHO_AM_I = auth_pb2.WhoAmIRequest()
TABLE = f"""
forwarded_by = ["127.0.0.0/8"]
[[workloads]]
spiffe = "{TRAINER}"
role = "MEMBER"
"""


class Mesh:
    """A server that trusts the Envoy before it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        (folder / "identity.toml").write_text(TABLE)
        self.server = ServerProcess(folder, PHOENIX_IDENTITY_FILE=str(folder / "identity.toml"))
        issue(self.authority, folder)
        (self.port,) = free_ports(1)
        text = EXAMPLE.read_text()
        upstream = self.server.address.rpartition(":")[2]
        for old, new in (("8443", str(self.port)), ("50051", upstream)):
            assert text.count(old) == 1
            text = text.replace(old, new)
        text = text.replace("/etc/envoy/tls/tls.crt", str(folder / "cert.pem"))
        text = text.replace("/etc/envoy/tls/tls.key", str(folder / "key.pem"))
        text = text.replace("/etc/envoy/tls/ca.crt", str(folder / "ca.pem"))
        self.envoy = Envoy(folder / "envoy", text, self.port)

    def who(self, *uris: str, metadata: Any = (), authority: trustme.CA | None = None) -> Any:
        """Who the server takes a workload for, that shows Envoy a certificate."""
        folder = issue_svid(authority or self.authority, self.folder / "client", *uris, cn="x")
        pems = ((folder / name).read_bytes() for name in ("key.pem", "cert.pem"))
        credentials = grpc.ssl_channel_credentials((self.folder / "ca.pem").read_bytes(), *pems)
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.secure_channel(f"localhost:{self.port}", credentials, options) as channel:
            return auth_pb2_grpc.AuthServiceStub(channel).WhoAmI(WHO_AM_I, metadata=metadata, timeout=10)


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """The server and Envoy, begun."""
    found = Mesh(tmp_path)
    with found.server, found.envoy:
        yield found


def test_whom_envoy_has_verified_is_a_workload(mesh: Mesh) -> None:
    who = mesh.who(TRAINER)
    assert (who.kind, who.credential_id) == (auth_pb2.PRINCIPAL_KIND_WORKLOAD, TRAINER)
    assert mesh.who(TRAINER, metadata=bearer(ADMIN_SECRET)).kind == auth_pb2.PRINCIPAL_KIND_ADMIN_SECRET


@pytest.mark.parametrize(
    "forged",
    [f"URI={TRAINER}", f'By=spiffe://x/y;Subject="";URI={TRAINER}', f'URI={TRAINER};A="', f"URI={TRAINER},"],
)
def test_what_a_workload_says_of_itself_does_not_count(mesh: Mesh, forged: str) -> None:
    for metadata in ((("x-forwarded-client-cert", forged),), (("x-forwarded-client-cert", forged),) * 2):
        with pytest.raises(grpc.RpcError) as caught:
            mesh.who("spiffe://prod.example/ns/a/sa/unknown", metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert mesh.who(TRAINER, metadata=metadata).credential_id == TRAINER


def test_a_certificate_of_another_authority_does_not_reach_the_server(mesh: Mesh) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        mesh.who(TRAINER, authority=trustme.CA())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_the_examples_are_right(tmp_path: Path) -> None:
    assert len(read_table(DEPLOY / "identity.toml").workloads) == 3
    text = EXAMPLE.read_text()
    issue(trustme.CA(), tmp_path)
    for old, new in (("tls.crt", "cert.pem"), ("tls.key", "key.pem"), ("ca.crt", "ca.pem")):
        text = text.replace(f"/etc/envoy/tls/{old}", str(tmp_path / new))
    (tmp_path / "envoy.yaml").write_text(text)
    done = validate(tmp_path / "envoy.yaml")
    assert done.returncode == 0, done.stderr
