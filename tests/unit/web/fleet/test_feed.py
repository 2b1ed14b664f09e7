"""What the web tier makes of the autoscaler's and the workers' events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.announcements import Announcement, Said, Swept, WorkerHeartbeat, WorkerLeaving, WorkerOffline
from app.brakes import Brake
from app.domain import QueueDepth
from app.hour.hour import DECISIONS, KEPT_S, LATELY_S, WIDE_S
from tests.support.announcements import ANNOUNCEMENTS
from tests.support.clock import Clock
from tests.support.fleet import decision
from tests.support.loops import Each
from web.fleet.feed import DEPARTURES, FleetFeed

HEARTBEAT = WorkerHeartbeat(3, 40)


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


@pytest.fixture
def fleet(clock: Clock) -> FleetFeed:
    return FleetFeed(clock)


def decide(fleet: FleetFeed, said_at: float = 10.0, **changes: Any) -> None:
    fleet.hear(Said(decision(**changes), "autoscaler@test", said_at))


def hear(fleet: FleetFeed, id: str, what: Announcement = HEARTBEAT) -> None:
    fleet.hear(Said(what, f"{id}@host-7", 10.0))


def test_before_anything_is_heard_it_says_so(fleet: FleetFeed) -> None:
    view = fleet.view()
    assert view["autoscaler"] == {"heard": False, "heard_at": None, "says": "no autoscaler heard yet"}
    assert view["decision"] is None
    assert view["instances"] == view["decisions"] == view["history"] == []
    assert fleet.latest() is None


def test_after_thirty_silent_seconds_no_autoscaler_counts_as_heard(fleet: FleetFeed, clock: Clock) -> None:
    decide(fleet)
    clock.now += 30
    assert fleet.view()["autoscaler"]["heard"]
    clock.now += 1
    view = fleet.view()
    assert not view["autoscaler"]["heard"]
    assert "no autoscaler heard for 31 s" in view["autoscaler"]["says"]
    assert fleet.latest() is None


def test_a_decision_that_is_repeated_with_other_numbers_is_one_entry(fleet: FleetFeed, clock: Clock) -> None:
    first = clock.now
    for outstanding in (12, 11, 10):
        decide(fleet, reason=f"{outstanding} images are due within 60 s")
        clock.now += 10
    decide(fleet, reason="all is done", desired=0)
    newest, older = fleet.view()["decisions"]
    assert newest["reason"] == "all is done"
    assert (older["at"], older["until"], older["reason"]) == (first, first + 20, "10 images are due within 60 s")


def test_a_decision_that_comes_after_a_later_one_of_the_same_autoscaler_is_passed_over(fleet: FleetFeed) -> None:
    decide(fleet, desired=5, said_at=20.0)
    decide(fleet, desired=4, said_at=19.0)
    decide(fleet, desired=6, said_at=18.0, leader="host-2:1")
    assert [entry["desired"] for entry in fleet.view()["decisions"]] == [6, 5]


def test_an_autoscaler_whose_clock_is_set_back_is_heard_all_the_same(fleet: FleetFeed) -> None:
    decide(fleet, desired=5, said_at=4e9)
    decide(fleet, desired=4, said_at=20.0)
    assert [entry["desired"] for entry in fleet.view()["decisions"]] == [4, 5]


@pytest.mark.parametrize("change", [{"launch": 2}, {"drain": ("i-0aaa",)}, {"held": True}, {"leader": "host-2:1"}])
def test_a_decision_that_does_something_else_is_another_entry(fleet: FleetFeed, change: dict[str, Any]) -> None:
    decide(fleet)
    decide(fleet, **change)
    assert len(fleet.view()["decisions"]) == 2


def test_only_the_last_decisions_and_departures_and_an_hour_are_kept_with_fewer_points_before_the_last_quarter(
    fleet: FleetFeed, clock: Clock
) -> None:
    for number in range(900):
        decide(fleet, desired=number)
        hear(fleet, f"i-{number}", WorkerLeaving("idle"))
        clock.now += 5
    view = fleet.view()
    assert [entry["desired"] for entry in view["decisions"]] == list(range(899, 899 - DECISIONS, -1))
    assert [gone["id"] for gone in view["departures"]] == [f"i-{number}" for number in range(899, 899 - DEPARTURES, -1)]
    assert clock.now - KEPT_S <= view["history"][0]["at"] <= clock.now - KEPT_S + WIDE_S
    assert view["history"] == sorted(view["history"], key=lambda sample: sample["at"])
    assert len(view["history"]) == pytest.approx((KEPT_S - LATELY_S) / WIDE_S + LATELY_S / 5, abs=2)


def test_the_history_has_one_point_for_five_seconds_the_newest(fleet: FleetFeed, clock: Clock) -> None:
    for visible in range(10):
        decide(fleet, depth=QueueDepth(visible, 0))
        clock.now += 1
    assert [sample["visible"] for sample in fleet.view()["history"]] == [4, 9]


def test_a_worker_s_own_words_are_with_its_instance_and_strangers_apart(fleet: FleetFeed, clock: Clock) -> None:
    decide(fleet)
    hear(fleet, "i-0aaa")
    hear(fleet, "by-hand", WorkerHeartbeat(1, 40))
    instances = {instance["id"]: instance for instance in fleet.view()["instances"]}
    assert instances["i-0aaa"]["active"] == 3
    assert instances["i-0aaa"]["processed"] == 40
    assert instances["i-0aaa"]["hostname"] == "i-0aaa@host-7"
    assert instances["i-0ccc"]["active"] is None
    (stranger,) = fleet.view()["other_workers"]
    assert (stranger["id"], stranger["active"]) == ("by-hand", 1)
    clock.now += 91
    assert fleet.view()["other_workers"] == []


def test_a_worker_that_leaves_says_why_until_it_is_gone(fleet: FleetFeed) -> None:
    decide(fleet)
    hear(fleet, "i-0aaa")
    hear(fleet, "i-0aaa", WorkerLeaving("notice"))
    hear(fleet, "i-0aaa")
    (instance, *_) = fleet.view()["instances"]
    assert (instance["leaving"], instance["active"]) == ("notice", 3)
    assert fleet.view()["departures"][0]["why"] == "notice"
    hear(fleet, "i-0aaa", WorkerOffline(3, 40))
    assert fleet.view()["instances"][0]["hostname"] is None


@given(st.lists(st.tuples(ANNOUNCEMENTS, st.floats(0, 4e9)), max_size=8))
def test_whatever_was_announced_the_view_is_json_for_browsers(said: list[tuple[Announcement, float]]) -> None:
    fleet = FleetFeed(Clock(1_800_000_000.0))
    for what, at in said:
        fleet.hear(Said(what, "i-0aaa@host-7", at))
    assert json.dumps(fleet.view(), allow_nan=False).encode()


def test_a_follower_gets_all_first_and_then_only_what_is_newer(
    fleet: FleetFeed, clock: Clock, each: Each[dict[str, Any]]
) -> None:
    decide(fleet, desired=1)
    follower = each(fleet.follow(pace_s=0, sign_of_life_s=0.01))
    first = next(follower)
    assert first["whole"]
    assert len(first["decisions"]) == len(first["history"]) == 1
    clock.now += 10
    quiet = next(follower)
    assert not quiet["whole"]
    assert quiet["decisions"] == quiet["history"] == []
    decide(fleet, desired=2)
    news = next(follower)
    assert [entry["desired"] for entry in news["decisions"]] == [2]
    assert len(news["history"]) == 1
    fleet.close()
    assert next(follower, None) is None


def test_the_sweep_s_counts_are_told(fleet: FleetFeed) -> None:
    hear(fleet, "autoscaler", Swept(dead_letters=2, listeners=1, republished=40, given_up=3))
    assert fleet.view()["swept"]["republished"] == 40


def test_what_holds_launches_back_is_told_in_words_as_long_as_an_autoscaler_is_heard(
    fleet: FleetFeed, clock: Clock
) -> None:
    assert fleet.view()["brakes"] == []
    decide(fleet, breaker_open=True, over_budget=True, spot_resting=True)
    assert fleet.view()["brakes"] == [brake.says for brake in Brake]
    clock.now += 31
    assert fleet.view()["brakes"] == []
