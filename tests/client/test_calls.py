"""What a call carries and what it survives: credentials, request ids, retries, deadlines."""

import io
import socket
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2

from phoenix_grpc.client import Client, PhoenixError
from phoenix_grpc.client.calls import identified
from phoenix_grpc.errors import ConfigurationError
from phoenix_grpc.v1 import auth_pb2, datasets_pb2
from tests.client.conftest import Script, client_of, refusal


def test_every_call_carries_the_key_as_bearer(script: Script) -> None:
    with client_of(script, api_key="phgrpc_key") as client:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
        client.upload([b"{}"], "qa")
        client.download("qa", io.BytesIO())
    assert [metadata["authorization"] for _, _, metadata in script.calls] == ["Bearer phgrpc_key"] * 3


def test_a_public_method_gets_no_credentials(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_CLIENT_HEADERS", "authorization=Bearer%20phgrpc_header")
    with client_of(script, api_key="phgrpc_key") as client:
        client.auth.Login(auth_pb2.LoginRequest(email="a@b.c", password="secret"))
    assert "authorization" not in script.calls[0][2]


def test_the_environment_gives_key_and_headers(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOENIX_API_KEY", "phgrpc_environment")
    monkeypatch.setenv("PHOENIX_CLIENT_HEADERS", "X-Team=a%20b,authorization=Bearer%20phgrpc_header")
    with client_of(script) as client:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    metadata = script.calls[0][2]
    assert (metadata["x-team"], metadata["authorization"]) == ("a b", "Bearer phgrpc_environment")


@pytest.mark.parametrize("reason", ["ACCESS_TOKEN_EXPIRED", "SESSION_REVOKED"])
def test_a_refused_token_is_renewed_and_the_call_repeated_once(script: Script, reason: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def source(refused: str) -> str:
        asked.append(refused)
        return "second" if refused else "first"

    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{}")
    calls: list[Callable[[Client], object]] = [
        lambda client: client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa")),
        lambda client: client.upload(file, "qa"),
        lambda client: client.download("qa", io.BytesIO()),
    ]
    for call in calls:
        script.calls, asked[:] = [], []
        script.answer = lambda number: refusal(16, reason, "no") if number == 1 else None
        with client_of(script, token_source=source) as client:
            call(client)
        assert [metadata["authorization"] for _, _, metadata in script.calls] == ["Bearer first", "Bearer second"]
        assert asked == ["", "first"]


def test_a_token_that_is_refused_again_ends_the_call(script: Script) -> None:
    script.answer = lambda _number: refusal(16, "SESSION_REVOKED", "no")
    with client_of(script, token_source=lambda _refused: "token") as client, pytest.raises(PhoenixError):
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    assert len(script.calls) == 2


def test_a_read_and_a_create_survive_a_moment_of_unavailability(script: Script) -> None:
    script.answer = lambda number: refusal(14, "DRAINING", "stopping") if number in (1, 3) else None
    with client_of(script) as client:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
        client.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="qa"))
    assert [name for name, _, _ in script.calls] == ["GetDataset"] * 2 + ["CreateDataset"] * 2
    first, second = (request.request_id for _, request, _ in script.calls[2:])
    assert first == second != ""


def test_a_credential_in_a_file_is_read_at_every_call(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("PHOENIX_API_KEY_FILE", str(file))
    get = datasets_pb2.GetDatasetRequest(name="x")
    with client_of(script) as client:
        for token in ("first", "second"):
            file.write_text(f"{token}\n")
            client.datasets.GetDataset(get)
        assert [metadata["authorization"] for _, _, metadata in script.calls] == ["Bearer first", "Bearer second"]
        file.write_text("\n")
        with pytest.raises(ConfigurationError, match=r"PHOENIX_API_KEY_FILE: .* is empty"):
            client.datasets.GetDataset(get)
        file.unlink()
        with pytest.raises(ConfigurationError, match=r"PHOENIX_API_KEY_FILE: cannot read .*: No such file"):
            client.datasets.GetDataset(get)
        assert len(script.calls) == 2
    with client_of(script, api_key="phgrpc_key") as client:
        client.datasets.GetDataset(get)
    assert script.calls[-1][2]["authorization"] == "Bearer phgrpc_key"


TRANSFERS: list[Callable[[Client], object]] = [
    lambda client: client.upload([b"{}"], "qa", timeout=10),
    lambda client: client.download("qa", io.BytesIO(), timeout=10),
]
LATER = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=300_000_000))


@pytest.mark.parametrize("transfer", TRANSFERS, ids=["upload", "download"])
def test_a_transfer_is_repeated_when_the_server_says_so(script: Script, transfer: Callable[[Client], object]) -> None:
    script.answer = lambda number: refusal(14, "DRAINING", "stopping", LATER) if number < 4 else None
    with client_of(script) as client:
        begin = time.monotonic()
        transfer(client)
        assert time.monotonic() - begin >= 3 * 0.3
    assert len(script.calls) == 4
    assert len({getattr(request, "request_id", "") for _, request, _ in script.calls}) == 1


@pytest.mark.parametrize("transfer", TRANSFERS, ids=["upload", "download"])
@pytest.mark.parametrize(
    ("details", "attempts"),
    [((), 1), ((LATER,), 4), ((error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=11)),), 1)],
    ids=["without a time", "always", "after the deadline"],
)
def test_a_transfer_is_not_repeated_for_ever(
    script: Script, transfer: Callable[[Client], object], details: tuple[object, ...], attempts: int
) -> None:
    script.answer = lambda _number: refusal(14, "DRAINING", "stopping", *details)
    with client_of(script) as client, pytest.raises(PhoenixError) as caught:
        transfer(client)
    assert caught.value.reason == "DRAINING"
    assert len(script.calls) == attempts


SOON = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=200_000_000))
MUCH_LATER = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=6))


@pytest.mark.parametrize(
    ("code", "details", "attempts"),
    [(8, (SOON,), 3), (8, (), 1), (8, (MUCH_LATER,), 1), (7, (SOON,), 1), (13, (SOON,), 1)],
    ids=["soon", "without a time", "too late", "no limit", "a failure"],
)
def test_a_call_that_a_limit_refused_is_repeated_when_the_server_says(
    script: Script, code: int, details: tuple[object, ...], attempts: int
) -> None:
    script.answer = lambda number: refusal(code, "RATE", "too often", *details) if number < 3 else None
    with client_of(script) as client:
        begin = time.monotonic()
        if attempts == 3:
            client.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="x"))
            assert time.monotonic() - begin >= 2 * 0.2
        else:
            with pytest.raises(PhoenixError):
                client.datasets.CreateDataset(datasets_pb2.CreateDatasetRequest(name="x"))
    assert len(script.calls) == attempts
    assert len({request.request_id for _, request, _ in script.calls}) == 1


@pytest.mark.parametrize("transfer", TRANSFERS, ids=["upload", "download"])
def test_a_transfer_that_a_limit_refused_is_repeated_as_well(
    script: Script, transfer: Callable[[Client], object]
) -> None:
    script.answer = lambda number: refusal(8, "RATE", "too often", SOON) if number < 3 else None
    with client_of(script) as client:
        transfer(client)
    assert len(script.calls) == 3


def test_the_wait_for_a_limit_ends_with_the_time_of_the_call(script: Script) -> None:
    script.answer = lambda _number: refusal(8, "RATE", "too often", SOON)
    with client_of(script) as client:
        begin = time.monotonic()
        with pytest.raises(PhoenixError):
            client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="x"), timeout=0.3)
        assert time.monotonic() - begin < 2
    assert len(script.calls) == 2


def test_an_upload_of_an_iterator_is_tried_once(script: Script) -> None:
    script.answer = lambda _number: refusal(14, "DRAINING", "stopping", LATER)
    with client_of(script) as client, pytest.raises(PhoenixError):
        client.upload(iter([b"{}"]), "qa")
    assert len(script.calls) == 1


@pytest.mark.parametrize("transfer", TRANSFERS, ids=["upload", "download"])
def test_a_transfer_without_a_server_ends(transfer: Callable[[Client], object]) -> None:
    """Every attempt finds no connection: with gRPC's own retries some of such streams never ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "{}:{}".format(*free.getsockname())
    with Client(address) as client, pytest.raises(PhoenixError) as caught:
        transfer(client)
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "")


def test_a_change_without_request_id_is_tried_once(script: Script) -> None:
    script.answer = lambda _number: refusal(14, "DRAINING", "stopping")
    with client_of(script) as client, pytest.raises(PhoenixError) as caught:
        client.datasets.DeleteDataset(datasets_pb2.DeleteDatasetRequest(name="qa"))
    assert caught.value.status is grpc.StatusCode.UNAVAILABLE
    assert len(script.calls) == 1


def test_each_request_gets_an_id_of_its_own_and_the_callers_message_stays() -> None:
    request = datasets_pb2.CreateDatasetRequest(name="qa")
    assert identified(request).request_id != identified(request).request_id  # type: ignore[attr-defined]
    assert request.request_id == ""
    request.request_id = "mine"
    assert identified(request) is request
    upload = datasets_pb2.UploadDatasetRequest(header=datasets_pb2.UploadDatasetHeader(name="qa"))
    assert identified(upload).header.request_id != ""  # type: ignore[attr-defined]
    assert upload.header.request_id == ""


def test_a_call_ends_at_its_deadline(script: Script) -> None:
    script.answer = lambda _number: time.sleep(0.5)  # type: ignore[func-returns-value]
    with client_of(script, timeout=0.1) as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    assert caught.value.status is grpc.StatusCode.DEADLINE_EXCEEDED


def test_nobody_at_the_address_is_unavailable() -> None:
    with Client("127.0.0.1:1") as client, pytest.raises(PhoenixError) as caught:
        client.datasets.GetDataset(datasets_pb2.GetDatasetRequest(name="qa"))
    assert (caught.value.status, caught.value.reason) == (grpc.StatusCode.UNAVAILABLE, "")
