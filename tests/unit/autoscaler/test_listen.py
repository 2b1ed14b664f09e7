"""What the events of workers tell, put together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from celery import Celery

from app.announcements import (
    NOTICE,
    Announcement,
    ImageClassified,
    ImagesQueued,
    Said,
    WorkerHeartbeat,
    WorkerLeaving,
    WorkerOffline,
    WorkerOnline,
)
from app.domain import Classification, Life, Prediction
from app.sqs import memory
from autoscaler.listen import GAP_S, Hearing, Listener
from tests.support.waiting import wait_for

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Ear:
    """A `Hearing` and the time, which the test moves; a worker's clock is an hour ahead of it."""

    def __init__(self) -> None:
        self.now = START
        self.hearing = Hearing(full=8, clock=lambda: self.now)
        self.hearing.begin()

    def after(self, seconds: float, *events: Said) -> None:
        self.now = START + timedelta(seconds=seconds)
        for event in events:
            self.hearing.hear(event)


def worker(what: Announcement, said_s: float, instance: str = "i-1") -> Said:
    return Said(what, f"{instance}@ip-10-0-0-1", START.timestamp() + 3600 + said_s)


@pytest.fixture
def ear() -> Ear:
    return Ear()


def test_a_worker_is_known_by_its_instance_and_heard_by_our_clock(ear: Ear) -> None:
    ear.after(3, worker(WorkerHeartbeat(0, 0), 1))
    heard = ear.hearing.take()
    assert heard.voices["i-1"].at == START + timedelta(seconds=3)
    assert heard.worker_at == START + timedelta(seconds=3)
    assert ear.hearing.nodes(["i-1", "i-2"]) == ["i-1@ip-10-0-0-1"]


def test_done_is_what_was_begun_and_is_no_more_in_hand(ear: Ear) -> None:
    ear.after(3, worker(WorkerHeartbeat(7, 20), 1), worker(WorkerHeartbeat(8, 30), 3))
    first, second = ear.hearing.take().heartbeats
    assert (first.done, first.full, second.done, second.full) == (13, False, 22, True)
    assert second.at - first.at == timedelta(seconds=2)


def test_each_heartbeat_is_told_once(ear: Ear) -> None:
    ear.after(3, worker(WorkerHeartbeat(0, 0), 1))
    assert len(ear.hearing.take().heartbeats) == 1
    assert len(ear.hearing.take().heartbeats) == 0


def test_how_long_images_waited_is_told_once_of_those_that_came_in_their_turn(ear: Ear) -> None:
    cat = Classification.of("batch/cat.png", [Prediction("tabby", 0.9)], "m")
    lives = [Life("i-1", "t", receives, 112.5, queued_at) for receives, queued_at in ((1, 100.0), (2, 1.0), (1, None))]
    ear.after(3, *(worker(ImageClassified(cat, life), 1) for life in (None, *lives)))
    assert ear.hearing.take().waits_s == (12.5,)
    assert ear.hearing.take().waits_s == ()


def test_a_goodbye_is_the_last_word_until_the_worker_comes_anew(ear: Ear) -> None:
    ear.after(3, worker(WorkerOffline(0, 0), 2), worker(WorkerHeartbeat(0, 0), 1))
    assert ear.hearing.take().voices["i-1"].leaving
    ear.after(9, worker(WorkerOnline(0, 0), 8))
    assert not ear.hearing.take().voices["i-1"].leaving


def test_a_goodbye_counts_after_the_worker_s_clock_is_set_back(ear: Ear) -> None:
    ear.after(3, worker(WorkerHeartbeat(0, 0), 1e9))
    ear.after(5, worker(WorkerOffline(0, 0), 5))
    assert ear.hearing.take().voices["i-1"].leaving


def test_an_event_of_another_kind_tells_that_one_hears_and_of_no_worker(ear: Ear) -> None:
    ear.after(3, Said(None, "leader", START.timestamp()))
    heard = ear.hearing.take()
    assert (heard.since, heard.at, heard.worker_at) == (START, START + timedelta(seconds=3), None)


@pytest.mark.parametrize(("gap_s", "since_s"), [(GAP_S - 1, 0), (GAP_S + 1, GAP_S + 11)])
def test_after_a_gap_in_all_that_is_heard_hearing_begins_anew(ear: Ear, gap_s: float, since_s: float) -> None:
    ear.after(10, worker(WorkerHeartbeat(0, 0), 9))
    ear.after(10 + gap_s, worker(WorkerHeartbeat(0, 0), 10 + gap_s))
    assert ear.hearing.take().since == START + timedelta(seconds=since_s)


def test_workers_that_were_not_heard_for_an_hour_are_forgotten(ear: Ear) -> None:
    ear.after(3, worker(WorkerHeartbeat(0, 0), 1, "i-1"))
    ear.after(3500, worker(WorkerHeartbeat(0, 0), 3499, "i-2"))
    ear.after(3700)
    assert set(ear.hearing.take().voices) == {"i-2"}


def test_each_host_that_ec2_takes_back_is_one_interruption_and_no_other_leaving_is(ear: Ear) -> None:
    ear.after(3, worker(WorkerLeaving(NOTICE), 1), worker(WorkerLeaving("idle"), 1, "i-2"))
    ear.after(5, worker(WorkerLeaving(NOTICE), 1), worker(WorkerLeaving(NOTICE), 4, "i-3"))
    assert sorted(ear.hearing.interrupted().values()) == [START + timedelta(seconds=3), START + timedelta(seconds=5)]


def test_images_queued_where_no_worker_is_heard_have_it_look_at_once() -> None:
    memory.cloud.clear()
    app = Celery(set_as_current=False)
    app.conf.update(broker_url="sqs://", broker_transport="app.sqs.memory:Transport")
    app.conf.broker_transport_options = {"topic": uuid4().hex, "wait_time_seconds": 1}
    looks: list[None] = []
    listener = Listener(app, Hearing(full=8, clock=lambda: START), look=lambda: looks.append(None))
    listener.start()
    with app.connection_for_write() as connection, app.events.Dispatcher(connection, hostname="web@host") as web:
        wait_for(lambda: memory.cloud.subscriptions, 10)
        for what in (WorkerHeartbeat(0, 0), ImagesQueued(3)):
            web.send(what.TYPE, **what.to_event())
        wait_for(lambda: looks, 10)
        gateway = connection.transport.gateway
        listener.stop()
        gateway.close()
    memory.cloud.clear()
    assert len(looks) == 1
