"""What a client may ask of a batch, and how what it may not is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.batches.record import BatchRecord
from app.batches.webhook import HookRefused
from web.batches.options import BadOption, asked

ID = "20261124T101530123Z-9f2c01ab"
NOW = datetime(2026, 11, 24, 10, 15, 30, tzinfo=UTC)


def test_nothing_asked_is_nothing_but_defaults() -> None:
    assert asked({}, ID, NOW) == BatchRecord(ID)


def test_a_name_and_a_time_to_live_are_in_the_record() -> None:
    record = asked({"name": "cats", "expires_s": 60}, ID, NOW)
    assert record == BatchRecord(ID, name="cats", expires_at=NOW + timedelta(seconds=60))


def test_a_webhook_may_go_to_hosts_that_are_listed_alone() -> None:
    url = "https://hooks.example.com/x"
    assert asked({"webhook": url}, ID, NOW, "hooks.example.com").webhook == url
    assert asked({"webhook": None}, ID, NOW).webhook == ""
    for hosts in ("", "example.com"):
        with pytest.raises(HookRefused, match="ELASTIQ_WEBHOOK_HOSTS"):
            asked({"webhook": url}, ID, NOW, hosts)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "JSON object"),
        (None, "JSON object"),
        ({"colour": "red"}, "no option 'colour'"),
        ({"owner": "keys:bob"}, "no option 'owner'"),
        ({"name": 5}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "\ud83d"}, "name"),
        ({"webhook": 5}, "webhook"),
        ({"webhook": {}}, "webhook"),
        ({"webhook": 0}, "webhook"),
        ({"expires_s": "soon"}, "expires_s"),
        ({"expires_s": True}, "expires_s"),
        ({"expires_s": 0}, "expires_s"),
        ({"expires_s": 1e12}, "expires_s"),
        ({"expires_s": float("nan")}, "expires_s"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(data: object, words: str) -> None:
    with pytest.raises(BadOption, match=words):
        asked(data, ID, NOW)
