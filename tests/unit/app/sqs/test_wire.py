"""The message format: kombu's own, both ways, and what no kombu wrote."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kombu.asynchronous.aws.sqs.message import AsyncMessage

from app.sqs import wire

ENVELOPE = {
    "body": "e30=",
    "headers": {"task": "t", "eta": None},
    "properties": {"delivery_info": {}},
    "content-type": "x",
}
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("base64_body", [True, False])
def test_an_envelope_comes_back_as_it_was_sent(base64_body: bool) -> None:
    assert wire.decode(wire.encode(ENVELOPE, base64_body=base64_body)) == ENVELOPE


def test_we_write_what_kombus_own_transport_writes() -> None:
    assert wire.encode(ENVELOPE) == AsyncMessage().encode(json.dumps(ENVELOPE))


def test_we_read_what_kombus_own_transport_writes() -> None:
    assert wire.decode(AsyncMessage().encode(json.dumps(ENVELOPE))) == ENVELOPE


@pytest.mark.parametrize(
    "body",
    ["hello", "{", "[]", "{}", "é", base64.b64encode(b"\xff\xfe").decode(), base64.b64encode(b"[1]").decode(), ""],
)
def test_what_no_kombu_wrote_is_an_error(body: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever the decoder in question says
        wire.decode(body)


@pytest.mark.parametrize(
    ("eta", "seconds"),
    [
        (None, 0),
        ("not a time", 0),
        (7, 0),
        ((NOW - timedelta(seconds=9)).isoformat(), 0),
        ((NOW + timedelta(seconds=90)).isoformat(), 90),
        ((NOW + timedelta(hours=1)).replace(tzinfo=None).isoformat(), 3600),
    ],
)
def test_the_time_until_an_eta_is_counted_from_now(eta: Any, seconds: float) -> None:
    assert wire.seconds_until_eta({"headers": {"eta": eta}}, NOW) == seconds
