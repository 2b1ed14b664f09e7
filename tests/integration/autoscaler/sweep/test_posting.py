"""Posting a webhook: to the address that was looked up and allowed, and to no other, whatever an answer says."""

from __future__ import annotations

import pytest

from app.batches.webhook import SIGNATURE, HookRefused, Target, signed
from app.errors import TransientError
from autoscaler.sweep.posting import post
from tests.support.webhooks import Receiver, receiver

BODY = b'{"type": "batch.completed"}'


def at(hook: Receiver, host: str = "127.0.0.1") -> Target:
    return Target("http", host, hook.port, "/hook?x=1")


def test_a_message_arrives_whole_and_signed() -> None:
    with receiver() as hook:
        post(at(hook), BODY, "secret", "completed-1")
    ((path, headers, body),) = hook.messages
    assert (path, body) == ("/hook?x=1", BODY)
    assert headers["Host"] == f"127.0.0.1:{hook.port}"
    again = signed(body, "secret", headers["Elastiq-Message-Id"], int(headers["Elastiq-Timestamp"]))
    assert headers[SIGNATURE] == again[SIGNATURE]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 500])
def test_what_is_not_taken_is_an_error_and_no_redirect_is_followed(status: int) -> None:
    with receiver() as hook:
        hook.statuses = [status]
        with pytest.raises(TransientError, match=str(status)):
            post(at(hook), BODY, "secret", "completed-1")
    assert len(hook.messages) == 1


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"], []])
def test_a_name_that_leads_to_this_host_is_refused_before_anything_is_sent(addresses: list[str]) -> None:
    with receiver() as hook, pytest.raises(HookRefused):
        post(at(hook, "hooks.example.com"), BODY, "secret", "completed-1", lambda host, port: addresses)
    assert hook.messages == []


def test_a_name_is_looked_up_once_so_that_it_cannot_lead_elsewhere_in_between() -> None:
    asked = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with receiver() as hook:
        post(at(hook), BODY, "secret", "completed-1", look_up)
    assert asked == ["127.0.0.1"]
    assert len(hook.messages) == 1


def test_who_is_not_there_may_be_there_later() -> None:
    with receiver() as hook:
        gone = at(hook)
    with pytest.raises(TransientError, match=r"does not answer"):
        post(gone, BODY, "secret", "completed-1")

    def nowhere(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(TransientError, match="not found"):
        post(gone, BODY, "secret", "completed-1", nowhere)
