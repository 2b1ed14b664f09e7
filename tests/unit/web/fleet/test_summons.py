"""The autoscaler is told of images that wait where no worker is heard, and of no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from app.announcements import ImagesQueued, Said, WorkerHeartbeat, WorkerOffline
from app.dispatch import Dispatch
from tests.support.fleet import decision
from tests.support.listening import announced
from tests.support.waiting import wait_for
from web.fleet.summons import PAUSE_S, Summons
from web.tier import Tier
from web.uploads.intake import Taken

Counts = Callable[[], list[int]]


@pytest.fixture
def told(tier: Tier) -> Iterator[Counts]:
    """What the autoscaler hears was queued."""
    with announced(tier.celery) as said:
        yield lambda: [one.what.count for one in list(said) if isinstance(one.what, ImagesQueued)]


def test_an_upload_tells_how_many_wait_while_no_worker_is_heard(tier: Tier, told: Counts) -> None:
    tier.intake.publish([Taken("b/1.png"), Taken("b/2.png")])
    wait_for(lambda: told() == [2], 10, told)


def test_where_a_worker_is_heard_nobody_is_told(tier: Tier) -> None:
    assert tier.fleet.unseen()
    tier.fleet.hear(Said(WorkerHeartbeat(0, 0), "i-1@host", 1.0))
    assert not tier.fleet.unseen()
    Summons(pytest.fail, tier.fleet.unseen, lambda: pytest.fail("it is about to be sent")).send(1)


def test_the_autoscaler_is_told_where_the_worker_that_it_saw_last_has_left_since(tier: Tier) -> None:
    tier.fleet.hear(Said(WorkerHeartbeat(0, 0), "i-0aaa@host", 1.0))
    tier.fleet.hear(Said(decision(), "autoscaler@host", 1.0))
    assert not tier.fleet.unseen()
    tier.fleet.hear(Said(WorkerOffline(0, 0), "i-0aaa@host", 2.0))
    assert tier.fleet.unseen()


def test_a_crowd_of_uploads_is_told_once(tier: Tier, told: Counts) -> None:
    now = [100.0]
    summons = Summons(Dispatch(tier.celery, "web").send, lambda: True, lambda: now[0])
    for count in range(1, 20):
        summons.send(count)
    now[0] += PAUSE_S
    summons.send(20)
    wait_for(lambda: len(told()) > 1, 10, told)
    assert sorted(told()) == [1, 20]
