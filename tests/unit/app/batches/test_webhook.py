"""Whom a webhook may reach, whatever a batch's maker writes, and by what its receiver tells that it is ours."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batches.webhook import SIGNATURE, TIMESTAMP, HookRefused, Target, may_connect, signed, target

ALLOWED = "hooks.example.com, other.example.com:8443,http://10.0.0.7:8080, 192.168.0.1,[fd00::1]"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://hooks.example.com", Target("https", "hooks.example.com", 443, "/")),
        ("https://HOOKS.example.com.:443/a?b=c#d", Target("https", "hooks.example.com", 443, "/a?b=c")),
        ("https://other.example.com:8443/x", Target("https", "other.example.com", 8443, "/x")),
        ("http://10.0.0.7:8080/x", Target("http", "10.0.0.7", 8080, "/x")),
        ("https://[fd00::1]/", Target("https", "fd00::1", 443, "/")),
    ],
)
def test_an_address_at_a_host_that_is_listed_is_taken(url: str, found: Target) -> None:
    assert target(url, ALLOWED) == found


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.com",
        "http://hooks.example.com/",  # not listed for http
        "https://hooks.example.com:8443/",
        "https://other.example.com/",
        "https://example.com/",
        "https://evil.com/hooks.example.com",
        "https://evil.com#hooks.example.com",
        "https://hooks.example.com@evil.com/",
        "https://hooks.example.com:x@evil.com/",
        "https://user@hooks.example.com/",
        "https://hooks.example.com.evil.com/",
        "https://evil.com\\@hooks.example.com/",
        "https://hooks.example.com\\.evil.com/",
        "https://hooks.example.com/\r\nX-Forged: 1",
        "https://hooks.example.com/ HTTP/1.1",
        "https://hooks.example.com:99999/",
        "https://h\u043eoks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "https://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:8000/",
        "https://[::1]/",
        "https://[fd00::1",
        "https://hooks.example.com/" + "x" * 1000,
    ],
)
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(HookRefused, match="webhook"):
        target(url, ALLOWED)


@given(st.text(max_size=60))
def test_whatever_is_written_leads_to_a_listed_host_or_nowhere(text: str) -> None:
    for url in (text, f"https://{text}", f"https://hooks.example.com{text}"):
        try:
            found = target(url, "hooks.example.com")
        except HookRefused:
            continue
        assert (found.scheme, found.host, found.port) == ("https", "hooks.example.com", 443)


def test_where_nothing_is_listed_nothing_is_reached() -> None:
    with pytest.raises(HookRefused):
        target("https://hooks.example.com/", "")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.2",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "ff02::1",
    ],
)
def test_a_listed_name_that_leads_into_a_private_network_is_not_followed(address: str) -> None:
    assert not may_connect("hooks.example.com", address)


def test_a_name_may_lead_to_public_addresses_and_a_listed_address_to_itself() -> None:
    assert may_connect("hooks.example.com", "93.184.216.34")
    assert may_connect("hooks.example.com", "2606:2800:220:1:248:1893:25c8:1946")
    assert may_connect("127.0.0.1", "127.0.0.1")
    assert not may_connect("127.0.0.1", "10.0.0.1")


def test_a_receiver_with_the_secret_tells_a_message_from_any_other() -> None:
    headers = signed(b'{"a": 1}', "secret", "completed-x", 1795515330)
    wanted = hmac.new(b"secret", b'1795515330.{"a": 1}', hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"v1={wanted}"
    assert headers[TIMESTAMP] == "1795515330"
    others = [
        signed(b'{"a": 2}', "secret", "completed-x", 1795515330),
        signed(b'{"a": 1}', "other", "completed-x", 1795515330),
        signed(b'{"a": 1}', "secret", "completed-x", 1795515331),
    ]
    assert headers[SIGNATURE] not in [other[SIGNATURE] for other in others]
