"""Workloads without a credential: by a client certificate at both doors, and by what a proxy forwards."""

import functools
import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme

from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc, datasets_pb2, datasets_pb2_grpc
from tests.certificates import issue, issue_svid
from tests.conftest import ADMIN_SECRET, bearer
from tests.faults.cluster import until
from tests.process import ServerProcess, serve_fails

PROD = "spiffe://prod.example"
READER, WRITER, ADMIN = f"{PROD}/ns/a/sa/reader", f"{PROD}/ns/a/sa/writer", f"{PROD}/ns/ops/sa/admin"
WHO_AM_I = auth_pb2.WhoAmIRequest()
TABLE = f"""
[[workloads]]
spiffe = "{PROD}/ns/*/sa/reader"
role = "VIEWER"

[[workloads]]
spiffe = "{WRITER}"
role = "MEMBER"

[[workloads]]
spiffe = "{PROD}/ns/a/sa/frozen"
role = "MEMBER"
read_only = true

[[workloads]]
spiffe = "{PROD}/ns/a/sa/limited"
role = "MEMBER"
datasets = ["one"]

[[workloads]]
spiffe = "{ADMIN}"
role = "ADMIN"

[[workloads]]
dns = "batch.example"
role = "VIEWER"

[[workloads]]
cn = "robot"
role = "VIEWER"
"""


class Mesh:
    """A server that requires client certificates, and those who have one."""

    def __init__(self, folder: Path, table: str = TABLE, **variables: str) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.file = folder / "identity.toml"
        self.file.write_text(table)
        self.server = ServerProcess(
            folder,
            **issue(self.authority, folder),
            PHOENIX_TLS_ENABLED="true",
            PHOENIX_TLS_VERIFY_CLIENT="true",
            PHOENIX_TLS_CA_FILE=str(folder / "ca.pem"),
            PHOENIX_IDENTITY_FILE=str(self.file),
            **variables,
        )
        self.port = self.server.address.rpartition(":")[2]

    @functools.cache  # noqa: B019 - one for each test
    def certificate(self, *uris: str, dns: str = "", cn: str = "") -> Path:
        """The folder of a certificate with these names."""
        where = self.folder / f"client-{abs(hash((uris, dns, cn)))}"
        return issue_svid(self.authority, where, *uris, dns=dns, cn=cn)

    @functools.cache  # noqa: B019
    def channel(self, *uris: str, dns: str = "", cn: str = "") -> grpc.Channel:
        """A channel that shows a certificate."""
        folder = self.certificate(*uris, dns=dns, cn=cn)
        pems = ((folder / name).read_bytes() for name in ("key.pem", "cert.pem"))
        credentials = grpc.ssl_channel_credentials((self.folder / "ca.pem").read_bytes(), *pems)
        options = [("grpc.use_local_subchannel_pool", 1), ("number", len(str(folder)))]
        return grpc.secure_channel(f"localhost:{self.port}", credentials, options)

    def who(self, *uris: str, metadata: Any = (), **names: str) -> Any:
        """Who the server takes it for."""
        return auth_pb2_grpc.AuthServiceStub(self.channel(*uris, **names)).WhoAmI(WHO_AM_I, metadata=metadata)

    def datasets(self, *uris: str) -> Any:
        """The stub of datasets."""
        return datasets_pb2_grpc.DatasetsServiceStub(self.channel(*uris))

    def get(self, path: str, *uris: str, **headers: str) -> httpx.Response:
        """What the HTTP door says."""
        folder = self.certificate(*uris)
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        url = f"https://localhost:{self.server.started['http'].rpartition(':')[2]}{path}"
        return httpx.get(url, verify=context, headers=headers)

    def lines(self) -> list[dict[str, Any]]:
        """The log of calls."""
        return [json.loads(line) for line in self.server.lines if '"event":"call"' in line]


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """The server, begun."""
    found = Mesh(tmp_path)
    with found.server:
        yield found


def refused(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        call()
    code: grpc.StatusCode = caught.value.code()
    return code


def test_a_certificate_is_a_principal_by_its_row(mesh: Mesh) -> None:
    who = mesh.who(READER)
    assert who.kind == auth_pb2.PRINCIPAL_KIND_WORKLOAD
    assert (who.credential_id, who.role, who.HasField("user")) == (READER, auth_pb2.ROLE_VIEWER, False)
    assert mesh.who(f"{PROD}/ns/other/sa/reader").role == auth_pb2.ROLE_VIEWER
    assert mesh.who(WRITER).role == auth_pb2.ROLE_MEMBER
    assert mesh.who(ADMIN).role == auth_pb2.ROLE_ADMIN
    assert mesh.who(dns="batch.example").credential_id == "dns:batch.example"
    assert mesh.who(cn="robot").credential_id == "cn:robot"


@pytest.mark.parametrize(
    "uris",
    [
        (f"{PROD}/ns/a/sa/unknown",),
        (f"{PROD}/ns/a/b/sa/reader",),
        ("spiffe://evil.example/ns/a/sa/reader",),
        (READER, WRITER),
        ("https://prod.example/ns/a/sa/reader",),
        (),
    ],
)
def test_who_has_no_row_is_nobody(mesh: Mesh, uris: tuple[str, ...]) -> None:
    assert refused(lambda: mesh.who(*uris, cn="somebody")) is grpc.StatusCode.UNAUTHENTICATED
    assert refused(lambda: mesh.who(*uris, cn="somebody", metadata=())) is grpc.StatusCode.UNAUTHENTICATED


def test_a_certificate_of_another_authority_gets_no_connection(mesh: Mesh) -> None:
    mesh.authority = trustme.CA()
    assert refused(lambda: mesh.who(ADMIN)) is grpc.StatusCode.UNAVAILABLE


def test_a_row_bounds_what_its_workload_may_do(mesh: Mesh) -> None:
    create, name = datasets_pb2.CreateDatasetRequest, datasets_pb2.GetDatasetRequest
    assert mesh.datasets(WRITER).CreateDataset(create(name="one")).name == "one"
    mesh.datasets(WRITER).CreateDataset(create(name="two"))
    denied = grpc.StatusCode.PERMISSION_DENIED
    assert refused(lambda: mesh.datasets(READER).CreateDataset(create(name="x"))) is denied
    frozen, limited = (f"{PROD}/ns/a/sa/{name}" for name in ("frozen", "limited"))
    assert mesh.datasets(frozen).GetDataset(name(name="two")).name == "two"
    assert refused(lambda: mesh.datasets(frozen).CreateDataset(create(name="x"))) is denied
    assert mesh.datasets(limited).GetDataset(name(name="one")).name == "one"
    assert refused(lambda: mesh.datasets(limited).GetDataset(name(name="two"))) is denied
    assert refused(lambda: mesh.datasets(limited).CreateDataset(create(name="x"))) is denied
    listed = mesh.datasets(limited).ListDatasets(datasets_pb2.ListDatasetsRequest()).datasets
    assert [one.name for one in listed] == ["one"]
    assert mesh.who(limited).dataset_ids == [listed[0].dataset_id]


def test_a_workload_is_never_interactive(mesh: Mesh) -> None:
    auth = auth_pb2_grpc.AuthServiceStub(mesh.channel(ADMIN))
    user = auth_pb2.CreateUserRequest(email="x@example.com", role=auth_pb2.ROLE_ADMIN, password="a long password 1")
    assert refused(lambda: auth.CreateUser(user)) is grpc.StatusCode.PERMISSION_DENIED
    assert refused(lambda: auth.CreateApiKey(auth_pb2.CreateApiKeyRequest(name="x"))) in (
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.FAILED_PRECONDITION,
    )


def test_streams_work_and_what_is_done_is_in_the_audit_log(mesh: Mesh) -> None:
    datasets = mesh.datasets(WRITER)
    header = datasets_pb2.UploadDatasetHeader(name="up", action=datasets_pb2.UPLOAD_ACTION_CREATE, input_keys=["q"])
    messages = [datasets_pb2.UploadDatasetRequest(header=header)]
    messages += [datasets_pb2.UploadDatasetRequest(chunk=b'{"q": 1}\n' * 1000) for _ in range(50)]
    assert datasets.UploadDataset(iter(messages)).record_count == 50_000
    parts = mesh.datasets(READER).DownloadDataset(datasets_pb2.DownloadDatasetRequest(name="up"))
    assert b"".join(part.chunk for part in parts).count(b"\n") == 50_000
    auth = auth_pb2_grpc.AuthServiceStub(mesh.channel(ADMIN))
    events = auth.ListAuditEvents(
        auth_pb2.ListAuditEventsRequest(action="dataset.upload"), metadata=bearer(ADMIN_SECRET)
    ).events
    assert [(one.actor_kind, one.credential_id) for one in events] == [(auth_pb2.PRINCIPAL_KIND_WORKLOAD, WRITER)]


def test_a_credential_counts_alone_and_a_bad_one_is_refused(mesh: Mesh) -> None:
    assert mesh.who(READER, metadata=bearer(ADMIN_SECRET)).kind == auth_pb2.PRINCIPAL_KIND_ADMIN_SECRET
    for bad in (bearer("phgrpc_nonsense"), (("authorization", "Basic x"),), (("x-api-key", "x"),)):
        assert refused(lambda bad=bad: mesh.who(ADMIN, metadata=bad)) is grpc.StatusCode.UNAUTHENTICATED
    until(lambda: len(mesh.lines()) >= 4, 5)
    assert {line["certificate"] for line in mesh.lines() if line["principal"] == "ADMIN_SECRET"} == {READER}


def test_forwarded_certificates_of_strangers_are_ignored(mesh: Mesh) -> None:
    forged = (("x-forwarded-client-cert", f"URI={ADMIN}"),)
    assert mesh.who(READER, metadata=forged).credential_id == READER
    assert refused(lambda: mesh.who(f"{PROD}/ns/a/sa/unknown", metadata=forged)) is grpc.StatusCode.UNAUTHENTICATED
    assert (
        mesh.get("/v1/datasets", f"{PROD}/ns/a/sa/unknown", **{"x-forwarded-client-cert": f"URI={ADMIN}"}).status_code
        == 401
    )


def test_the_http_door_knows_them_too(mesh: Mesh) -> None:
    assert mesh.get("/v1/datasets", READER).status_code == 200
    assert mesh.get("/v1/datasets", f"{PROD}/ns/a/sa/unknown").status_code == 401
    assert mesh.get("/v1/datasets", ADMIN, authorization="Bearer phgrpc_nonsense").status_code == 401
    assert mesh.get("/v1/datasets", ADMIN, cookie="phoenix-access-token=nonsense").status_code == 401
    assert mesh.get("/v1/users", READER).status_code == 403
    assert mesh.get("/v1/users", ADMIN).status_code == 200


def test_unknown_methods_are_told_to_workloads_alone(mesh: Mesh) -> None:
    call = mesh.channel(READER).unary_unary("/made.up/Method")
    assert refused(lambda: call(b"")) is grpc.StatusCode.UNIMPLEMENTED
    call = mesh.channel(f"{PROD}/ns/a/sa/unknown").unary_unary("/made.up/Method")
    assert refused(lambda: call(b"")) is grpc.StatusCode.UNAUTHENTICATED


def test_a_changed_file_counts_at_once_and_a_bad_one_not_at_all(mesh: Mesh) -> None:
    assert mesh.who(READER)
    mesh.file.write_text(TABLE.replace("sa/reader", "sa/other"))
    until(lambda: any("identity file loaded" in line for line in mesh.server.lines), 5)
    assert refused(lambda: mesh.who(READER)) is grpc.StatusCode.UNAUTHENTICATED
    assert mesh.who(f"{PROD}/ns/a/sa/other")
    mesh.file.write_text("[[workloads]]\nrole = 3")
    until(lambda: any("is not right" in line for line in mesh.server.lines), 5)
    assert mesh.who(f"{PROD}/ns/a/sa/other")
    assert refused(lambda: mesh.who(READER)) is grpc.StatusCode.UNAUTHENTICATED


def test_a_stream_ends_when_its_row_is_gone(mesh: Mesh) -> None:
    gone = TABLE.replace("sa/writer", "sa/other")

    def messages() -> Iterator[datasets_pb2.UploadDatasetRequest]:
        header = datasets_pb2.UploadDatasetHeader(name="up", action=datasets_pb2.UPLOAD_ACTION_CREATE, input_keys=["q"])
        yield datasets_pb2.UploadDatasetRequest(header=header)
        yield datasets_pb2.UploadDatasetRequest(chunk=b'{"q": 1}\n')
        mesh.file.write_text(gone)
        time.sleep(2)
        yield datasets_pb2.UploadDatasetRequest(chunk=b'{"q": 2}\n')

    assert refused(lambda: mesh.datasets(WRITER).UploadDataset(messages())) is grpc.StatusCode.UNAUTHENTICATED
    assert not mesh.datasets(READER).ListDatasets(datasets_pb2.ListDatasetsRequest()).datasets


@pytest.mark.parametrize(
    ("forwarded_by", "address", "expected"),
    [
        ('["127.0.0.0/8"]', "tcp", READER),
        ('["10.0.0.0/8"]', "tcp", None),
        ('["unix"]', "unix", READER),
        ('["127.0.0.0/8"]', "unix", None),
        ("[]", "tcp", None),
        ("[]", "unix", None),
    ],
)
def test_a_hop_is_trusted_only_when_it_is_named(
    tmp_path: Path, forwarded_by: str, address: str, expected: str | None
) -> None:
    file = tmp_path / "identity.toml"
    file.write_text(f"forwarded_by = {forwarded_by}\n{TABLE}")
    socket = f"unix:{tmp_path}/s"
    variables = {"PHOENIX_IDENTITY_FILE": str(file), "PHOENIX_GRPC_UNIX_SOCKET": f"{tmp_path}/s"}
    with (
        ServerProcess(tmp_path, **variables) as server,
        grpc.insecure_channel(socket if address == "unix" else server.address) as channel,
    ):
        auth = auth_pb2_grpc.AuthServiceStub(channel)
        header = (("x-forwarded-client-cert", f"URI={ADMIN},By=spiffe://x/y;URI={READER}"),)
        if expected is None:
            assert refused(lambda: auth.WhoAmI(WHO_AM_I, metadata=header)) is grpc.StatusCode.UNAUTHENTICATED
        else:
            assert auth.WhoAmI(WHO_AM_I, metadata=header).credential_id == expected
            for bad in ("", "nonsense", f"URI={READER},", f"URI={READER},URI=x"):
                metadata = (("x-forwarded-client-cert", bad),)
                assert refused(lambda metadata=metadata: auth.WhoAmI(WHO_AM_I, metadata=metadata)) is (
                    grpc.StatusCode.UNAUTHENTICATED
                )
        assert refused(lambda: auth.WhoAmI(WHO_AM_I)) is grpc.StatusCode.UNAUTHENTICATED


def test_a_file_that_is_not_right_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "identity.toml"
    for text, told in (("[[workloads]]", "workloads 1, role"), (None, "No such file")):
        if text is None:
            file.unlink()
        else:
            file.write_text(text)
        code, errors = serve_fails(tmp_path, PHOENIX_IDENTITY_FILE=str(file))
        assert code == 2
        assert "Error: PHOENIX_IDENTITY_FILE: " in errors
        assert told in errors
