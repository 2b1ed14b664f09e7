"""Whether a process is healthy, by its address or by its file."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.process.healthy import OLD_S, why_not


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that answers one request with the given bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(request.param)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


@pytest.mark.parametrize("answering", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], indirect=True)
def test_an_address_that_answers_well_is_healthy(answering: str) -> None:
    assert why_not(answering) == ""


@pytest.mark.parametrize(
    "answering",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"", b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"],
    ids=["no HTTP", "nothing", "an error"],
    indirect=True,
)
def test_an_address_that_answers_otherwise_is_not_and_is_named(answering: str) -> None:
    assert answering in why_not(answering)


@pytest.mark.parametrize(("age_s", "healthy"), [(OLD_S - 5, True), (OLD_S + 5, False)])
def test_a_file_is_healthy_while_it_is_young(tmp_path: Path, age_s: float, healthy: bool) -> None:
    file = tmp_path / "alive"
    file.touch()
    at = time.time() - age_s
    os.utime(file, (at, at))
    assert (why_not(str(file)) == "") == healthy


def test_a_file_that_is_not_there_is_not_healthy(tmp_path: Path) -> None:
    assert "alive" in why_not(str(tmp_path / "alive"))
