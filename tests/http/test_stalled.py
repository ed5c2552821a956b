"""Clients of the HTTP door that read nothing of their answers."""

import socket
import time
from pathlib import Path

import pytest

from tests.attackers import stalled_requests
from tests.conftest import ON_POSTGRES
from tests.http.conftest import ADMIN
from tests.http.test_memory import download, upload_form
from tests.process import ServerProcess

MB = 1 << 20
INPUTS = [{"text": f"{number} " + "x" * 4000} for number in range(4000)]


def test_stalled_readers_hold_little_and_are_cut_off(tmp_path: Path) -> None:
    with ServerProcess(tmp_path, PHOENIX_DOWNLOAD_STALL_SECONDS="1") as server:
        dataset_id = upload_form(server, "long", INPUTS)
        download(server, dataset_id)

        def stall() -> None:
            path = f"/v1/datasets/{dataset_id}/examples"
            with stalled_requests(server.started["http"], path, ADMIN, 50) as connections:
                time.sleep(8 if ON_POSTGRES else 3)  # their first pages take a while to be read
                for one in connections:
                    one.settimeout(5)
                    with pytest.raises(ConnectionResetError):
                        read_all(one)

        assert server.grown(stall) < 120 * MB  # 22 MB each before


def test_answers_to_requests_in_a_row_that_nobody_reads_are_cut_off(tmp_path: Path) -> None:
    with (
        ServerProcess(tmp_path, PHOENIX_DOWNLOAD_STALL_SECONDS="1") as server,
        stalled_requests(server.started["http"], "/console/main.js", {}, 1) as [connection],
        pytest.raises(ConnectionError),
    ):
        send_often(connection, b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 500)


def read_all(connection: socket.socket) -> None:
    """Reads to the end."""
    while connection.recv(MB):
        pass


def send_often(connection: socket.socket, data: bytes) -> None:
    """Sends `data` for ten seconds at most."""
    connection.settimeout(10)
    for _ in range(100):
        connection.sendall(data)
        time.sleep(0.1)
