"""Where this machine reaches who listens."""

from __future__ import annotations

import pytest

from app.process.address import http_address, is_loopback


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("photos.example", "http://photos.example:8000"),
        ("::1", "http://[::1]:8000"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
    ],
)
def test_an_address_is_one_that_this_machine_can_ask(host: str, address: str) -> None:
    assert http_address(host, 8000) == address


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(
            (host, True)
            for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "LocalHost.", "a.localhost")
        ),
        *(
            (host, False)
            for host in ("0.0.0.0", "::", "10.0.0.1", "photos.example", "localhost.example", "notlocalhost", "")
        ),
    ],
)
def test_who_listens_on_loopback_is_reached_from_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
