"""TLS on both doors: who gets in, what is refused, and certificates that change while calls run."""

import contextlib
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
import trustme

from phoenix_grpc.client import Client, PhoenixError
from phoenix_grpc.v1 import auth_pb2, auth_pb2_grpc
from tests.certificates import issue, replace
from tests.conftest import ADMIN_PASSWORD, ADMIN_SECRET, bearer
from tests.process import ServerProcess, serve_fails

DOORS = {"grpc": "h2", "http": "http/1.1"}
REFUSED = r"SSL|reset|closed|EOF"
WHO_AM_I = auth_pb2.WhoAmIRequest()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Issues certificates."""
    return trustme.CA()


@pytest.fixture
def variables(authority: trustme.CA, tmp_path: Path) -> dict[str, str]:
    """The settings of a server that speaks TLS."""
    return {"PHOENIX_TLS_ENABLED": "true", **issue(authority, tmp_path)}


@pytest.fixture
def server(tmp_path: Path, variables: dict[str, str]) -> Iterator[ServerProcess]:
    """A server that speaks TLS on both doors."""
    with ServerProcess(tmp_path, **variables) as server:
        yield server


def url_of(server: ServerProcess, path: str = "/v1/datasets") -> str:
    return f"https://localhost:{server.started['http'].rpartition(':')[2]}{path}"


def context_for(authority: trustme.CA, certificate: Path | None = None) -> ssl.SSLContext:
    """What a client trusts, and shows."""
    context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    if certificate is not None:
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


def channel_to(server: ServerProcess, authority: trustme.CA, certificate: Path | None = None) -> grpc.Channel:
    shown = [(certificate / name).read_bytes() for name in ("key.pem", "cert.pem")] if certificate else [None, None]
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes(), *shown)
    address = f"localhost:{server.address.rpartition(':')[2]}"
    return grpc.secure_channel(address, credentials, [("grpc.use_local_subchannel_pool", 1)])


def asks_by_grpc(server: ServerProcess, authority: trustme.CA, certificate: Path | None = None) -> str:
    """Who the admin is, by gRPC."""
    with channel_to(server, authority, certificate) as channel:
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        name: str = stub.WhoAmI(WHO_AM_I, metadata=server.admin, timeout=10).user.username
        return name


def asks_by_http(server: ServerProcess, authority: trustme.CA, certificate: Path | None = None) -> int:
    """The status of a list."""
    verify = context_for(authority, certificate)
    headers = {"authorization": f"Bearer {ADMIN_SECRET}"}
    return httpx.get(url_of(server), headers=headers, verify=verify, timeout=10).status_code


def test_both_doors_speak_tls(server: ServerProcess, authority: trustme.CA) -> None:
    assert server.started["http"].startswith("https://")
    assert asks_by_grpc(server, authority) == "system"
    assert asks_by_http(server, authority) == 200


def test_neither_door_speaks_in_clear_as_well(server: ServerProcess, authority: trustme.CA) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        server.auth.WhoAmI(WHO_AM_I, metadata=server.admin, timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises(httpx.TransportError):
        httpx.get(url_of(server).replace("https", "http"))
    assert asks_by_http(server, authority) == 200


@pytest.mark.parametrize("secure", ["grpc", "http"])
@pytest.mark.parametrize("by_exception", [False, True])
def test_one_door_may_speak_tls_alone(
    tmp_path: Path, variables: dict[str, str], authority: trustme.CA, secure: str, by_exception: bool
) -> None:
    other = {"grpc": "HTTP", "http": "GRPC"}[secure]
    setting = {f"PHOENIX_TLS_ENABLED_FOR_{other}": "false"}
    if not by_exception:
        setting = {"PHOENIX_TLS_ENABLED": "", f"PHOENIX_TLS_ENABLED_FOR_{secure.upper()}": "true"}
    with ServerProcess(tmp_path, **{**variables, **setting}) as server:
        if secure == "grpc":
            assert asks_by_grpc(server, authority) == "system"
            assert httpx.get(server.started["http"] + "/healthz").status_code == 200
        else:
            assert asks_by_http(server, authority) == 200
            server.auth.WhoAmI(WHO_AM_I, metadata=server.admin, timeout=10)


def hello(port: int, version: ssl.TLSVersion, ciphers: str = "ALL:@SECLEVEL=0") -> str:
    """The version of TLS that a client of this one alone gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(ciphers)
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port)) as line, context.wrap_socket(line) as secure:
        return f"{secure.version()} {secure.selected_alpn_protocol()}"


def test_no_old_version_and_no_weak_cipher_is_spoken(server: ServerProcess) -> None:
    doors = {int(server.started[door].rpartition(":")[2]): protocol for door, protocol in DOORS.items()}
    for port, protocol in doors.items():
        assert hello(port, ssl.TLSVersion.TLSv1_3) == f"TLSv1.3 {protocol}"
        assert hello(port, ssl.TLSVersion.TLSv1_2) == f"TLSv1.2 {protocol}"
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with pytest.warns(DeprecationWarning, match="deprecated"), pytest.raises(OSError, match=REFUSED):
                hello(port, version)
        for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384", "NULL-SHA256"):
            with pytest.raises(OSError, match=REFUSED):
                hello(port, ssl.TLSVersion.TLSv1_2, f"{weak}:@SECLEVEL=0")


def test_clients_show_a_certificate_where_it_is_required(
    tmp_path: Path, variables: dict[str, str], authority: trustme.CA
) -> None:
    issue(authority, tmp_path / "mine", name="client.example")
    issue(trustme.CA(), tmp_path / "foreign", name="client.example")
    required = {**variables, "PHOENIX_TLS_VERIFY_CLIENT": "true", "PHOENIX_TLS_CA_FILE": str(tmp_path / "ca.pem")}
    with ServerProcess(tmp_path, **required) as server:
        assert asks_by_grpc(server, authority, tmp_path / "mine") == "system"
        assert asks_by_http(server, authority, tmp_path / "mine") == 200
        for certificate in (None, tmp_path / "foreign"):
            with pytest.raises(grpc.RpcError) as caught:
                asks_by_grpc(server, authority, certificate)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            with pytest.raises(httpx.TransportError):
                asks_by_http(server, authority, certificate)


def test_browsers_are_told_to_stay_with_tls(server: ServerProcess, authority: trustme.CA) -> None:
    verify = context_for(authority)
    page = httpx.get(url_of(server, "/"), verify=verify)
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    credentials = {"email": "admin@localhost", "password": ADMIN_PASSWORD}
    login = httpx.post(url_of(server, "/auth/login"), json=credentials, verify=verify)
    cookies = login.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("Secure" in cookie for cookie in cookies)


def test_the_client_trusts_and_shows_what_its_settings_name(
    tmp_path: Path, variables: dict[str, str], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue(authority, tmp_path / "mine", name="client.example")
    required = {**variables, "PHOENIX_TLS_VERIFY_CLIENT": "true", "PHOENIX_TLS_CA_FILE": str(tmp_path / "ca.pem")}
    with ServerProcess(tmp_path, **required) as server:
        address = f"https://localhost:{server.address.rpartition(':')[2]}"
        monkeypatch.setenv("PHOENIX_CLIENT_CA_FILE", str(tmp_path / "ca.pem"))
        with Client(address, ADMIN_SECRET, timeout=5) as client, pytest.raises(PhoenixError):
            client.auth.WhoAmI(WHO_AM_I)
        monkeypatch.setenv("PHOENIX_CLIENT_CERT_FILE", str(tmp_path / "mine" / "cert.pem"))
        monkeypatch.setenv("PHOENIX_CLIENT_KEY_FILE", str(tmp_path / "mine" / "key.pem"))
        with Client(address, ADMIN_SECRET, timeout=5) as client:
            assert client.auth.WhoAmI(WHO_AM_I).user.username == "system"


def test_a_client_takes_up_certificates_that_were_changed(
    tmp_path: Path, variables: dict[str, str], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    issue(authority, mine, name="client.example")
    required = {**variables, "PHOENIX_TLS_VERIFY_CLIENT": "true", "PHOENIX_TLS_CA_FILE": str(tmp_path / "ca.pem")}
    for name in ("CA", "CERT", "KEY"):
        monkeypatch.setenv(f"PHOENIX_CLIENT_{name}_FILE", str(mine / f"{name.lower()}.pem"))
    with ServerProcess(tmp_path, **required) as server, contextlib.ExitStack() as stack:
        port = server.address.rpartition(":")[2]
        client = stack.enter_context(Client(f"https://localhost:{port}", ADMIN_SECRET, timeout=5))
        assert client.auth.WhoAmI(WHO_AM_I).user.username == "system"
        # The client's certificate alone is no pair with its key: nothing changes.
        certificate = (mine / "cert.pem").read_bytes()
        replace(mine / "cert.pem", (tmp_path / "cert.pem").read_bytes())
        time.sleep(1.1)
        assert client.auth.WhoAmI(WHO_AM_I).user.username == "system"
        replace(mine / "cert.pem", certificate)
        # The server comes back with a certificate of another authority, and trusts that alone.
        server.process.terminate()
        server.process.wait(20)
        other = trustme.CA()
        issue(other, tmp_path)
        with ServerProcess(tmp_path, **required, PHOENIX_GRPC_PORT=port):
            with pytest.raises(PhoenixError):
                client.auth.WhoAmI(WHO_AM_I)
            issue(other, mine, name="client.example")
            time.sleep(1.1)
            assert client.auth.WhoAmI(WHO_AM_I).user.username == "system"


def test_a_unix_socket_stays_in_clear(tmp_path: Path, variables: dict[str, str]) -> None:
    path = tmp_path / "phoenix.sock"
    with (
        ServerProcess(tmp_path, **variables, PHOENIX_GRPC_UNIX_SOCKET=str(path)),
        grpc.insecure_channel(f"unix:{path}") as channel,
    ):
        stub = auth_pb2_grpc.AuthServiceStub(channel)
        assert stub.WhoAmI(WHO_AM_I, metadata=bearer(ADMIN_SECRET), timeout=10).user.username == "system"


def repeatedly(ask: Callable[[], object], stop: threading.Event, answers: list[object]) -> None:
    while not stop.is_set():
        try:
            answers.append(ask())
        except (grpc.RpcError, httpx.HTTPError, OSError) as error:
            answers.append(error)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_certificates_change_without_a_failed_call(
    tmp_path: Path, variables: dict[str, str], authority: trustme.CA, workers: str
) -> None:
    """New connections get the new certificate; kept ones go on. The old one is of an authority nobody trusts later."""
    other, ports = trustme.CA(), {"PHOENIX_WORKERS": workers}
    if workers != "1":
        ports.update(PHOENIX_GRPC_PORT=str(free_port()), PHOENIX_PORT=str(free_port()))
    with ServerProcess(tmp_path, **variables, **ports) as server, contextlib.ExitStack() as stack:
        stop, answers = threading.Event(), list[object]()
        kept = auth_pb2_grpc.AuthServiceStub(stack.enter_context(channel_to(server, authority)))
        asks: list[Callable[[], object]] = [
            lambda: kept.WhoAmI(WHO_AM_I, metadata=server.admin, timeout=10).user.username,
            functools.partial(asks_by_grpc, server, both(authority, other)),
            functools.partial(asks_by_http, server, both(authority, other)),
        ]
        threads = [threading.Thread(target=repeatedly, args=(ask, stop, answers)) for ask in asks]
        for thread in threads:
            thread.start()
        issue(other, tmp_path / "next")
        for _ in range(3):
            time.sleep(0.5)
            replace(tmp_path / "key.pem", (tmp_path / "next" / "key.pem").read_bytes())
            time.sleep(0.5)
            replace(tmp_path / "cert.pem", (tmp_path / "next" / "cert.pem").read_bytes())
            until(lambda: serves(server, other))
            issue(authority, tmp_path)
            until(lambda: serves(server, authority))
        stop.set()
        for thread in threads:
            thread.join()
    assert len(answers) > 50
    assert set(answers) == {"system", 200}


def both(*authorities: trustme.CA) -> trustme.CA:
    """Something that is trusted as all of them are."""

    class Both:
        cert_pem = trustme.Blob(b"".join(authority.cert_pem.bytes() for authority in authorities))

    return Both()  # type: ignore[return-value]


def serves(server: ServerProcess, authority: trustme.CA) -> bool:
    """Whether both doors show a certificate of this authority, on ten connections each."""
    with contextlib.suppress(grpc.RpcError, httpx.TransportError):
        return all(asks_by_grpc(server, authority) and asks_by_http(server, authority) for _ in range(10))
    return False


def until(check: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_wrong_file_stops_the_start(tmp_path: Path, variables: dict[str, str], workers: str) -> None:
    wrong = {"PHOENIX_TLS_KEY_FILE": variables["PHOENIX_TLS_CERT_FILE"], "PHOENIX_WORKERS": workers}
    code, errors = serve_fails(tmp_path, **{**variables, **wrong})
    assert code == 2
    assert "PHOENIX_TLS_KEY_FILE" in errors
    assert "Traceback" not in errors


def test_connections_that_never_shake_hands_shut_nobody_out(
    tmp_path: Path, variables: dict[str, str], authority: trustme.CA
) -> None:
    bound = {"PHOENIX_HTTP_MAX_CONNECTIONS": "20", "PHOENIX_HTTP_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    with ServerProcess(tmp_path, **variables, **bound) as server, contextlib.ExitStack() as stack:
        port = int(server.started["http"].rpartition(":")[2])
        silent = []
        for number in range(60):
            silent.append(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            if number % 2:
                silent[-1].sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
        for _ in range(5):
            assert asks_by_http(server, authority) == 200
        closed = [line for line in silent if is_closed(line)]
        assert len(closed) >= 40
    assert not [line for line in server.lines if '"level":"error"' in line or "Traceback" in line]


def is_closed(line: socket.socket) -> bool:
    line.settimeout(0.2)
    try:
        return line.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 5000])
def test_what_is_no_tls_is_closed_and_not_logged(tmp_path: Path, variables: dict[str, str], sent: bytes) -> None:
    with ServerProcess(tmp_path, **variables) as server:
        line = socket.create_connection(("127.0.0.1", int(server.started["http"].rpartition(":")[2])), 5)
        with line, contextlib.suppress(ConnectionResetError):
            line.sendall(sent)
            while line.recv(1000):
                pass
    assert not [line for line in server.lines if '"level":"error"' in line or "Traceback" in line]


def test_a_request_that_comes_with_the_end_of_the_handshake_is_served(
    server: ServerProcess, authority: trustme.CA
) -> None:
    port = int(server.started["http"].rpartition(":")[2])
    context = context_for(authority)
    for _ in range(50):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.settimeout(5)
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    break
                line.sendall(outgoing.read())
                incoming.write(line.recv(1 << 16))
            tls.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            line.sendall(outgoing.read())  # with the client's last word of the handshake
            answer = b""
            with contextlib.suppress(ssl.SSLZeroReturnError, ssl.SSLEOFError):
                while True:
                    incoming.write(line.recv(1 << 16) or b"") or incoming.write_eof()
                    with contextlib.suppress(ssl.SSLWantReadError):
                        while piece := tls.read(1 << 16):
                            answer += piece
                        break
            assert answer.startswith(b"HTTP/1.1 200"), answer[:100]
