"""What web announces is heard under its name, and what cannot be announced costs nothing."""

from __future__ import annotations

from celery import Celery
from structlog.testing import capture_logs

from app.announcements import CallsMade, ImagesQueued
from app.domain import CallCounts
from tests.support.listening import announced
from tests.support.waiting import wait_for
from web.fleet.speaker import Speaker
from web.tier import Tier


def test_what_is_said_is_heard_and_who_said_it(tier: Tier) -> None:
    with announced(tier.celery) as said:
        speaker = Speaker(tier.celery)
        for what in (ImagesQueued(3), CallsMade(CallCounts(s3_put=2))):
            speaker.say(what)
        wait_for(lambda: len(said) == 2, 10, lambda: said)
    assert {one.node.partition("@")[0] for one in said} == {"web"}
    assert [one.what for one in said if isinstance(one.what, CallsMade)] == [CallsMade(CallCounts(s3_put=2))]


def test_what_cannot_be_announced_is_said_once_and_raises_nothing() -> None:
    app = Celery(set_as_current=False)
    app.conf.update(broker_url="sqs://", broker_transport="app.sqs.memory:Transport")
    app.conf.broker_transport_options = {"visibility_timeout": -1}  # no transport can be made of that
    speaker = Speaker(app)
    with capture_logs() as logs:
        for _ in range(3):
            speaker.say(ImagesQueued(1))
    assert [record["event"] for record in logs] == ["announcing_failed"]
