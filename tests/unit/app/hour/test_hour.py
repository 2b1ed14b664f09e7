"""The hour as a whole: what is news, and what another one takes over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.announcements import Announcement, ImageClassified, ImageFailed, Said, WorkerHeartbeat, WorkerLeaving
from app.domain import Classification, Failure, Life, Prediction, QueueDepth
from app.errors import MalformedAnnouncement
from app.hour.hour import Hour
from tests.support.announcements import ANNOUNCEMENTS
from tests.support.fleet import decision

NOW = 1_800_000_000.0


def classified(key: str, wait_s: float, at: float) -> ImageClassified:
    outcome = Classification.of(key, [Prediction("tabby", 0.9)], "m")
    return ImageClassified(outcome, Life("i-0aaa", "classify", 1, at, queued_at=at - wait_s))


def tell(hour: Hour, at: float, *what: Announcement) -> None:
    for one in what:
        hour.hear(Said(one, "i-0aaa@host", at), at)


def busy() -> Hour:
    hour = Hour(60.0)
    tell(hour, NOW, decision(), WorkerHeartbeat(3, 9), classified("b/1.jpg", 2.0, NOW))
    tell(hour, NOW, ImageFailed(Failure.of("b/2.jpg", "cut short"), Life("i-0aaa", "t", 1, NOW, queued_at=NOW - 90)))
    tell(hour, NOW + 5, decision(desired=3), WorkerLeaving("idle"))
    return hour


def test_the_view_has_decisions_points_bars_waits_and_failures() -> None:
    view = busy().view(NOW + 5)
    assert [one["desired"] for one in view["decisions"]] == [3, 2]
    assert [one["finished"] for one in view["history"]] == [0, 2]
    assert view["history"][1]["p99_s"] == pytest.approx(90, rel=0.1)
    assert {bar["id"] for bar in view["timeline"]} == {"i-0aaa", "i-0bbb", "i-0ccc"}
    assert (view["waits"]["hour_images"], view["waits"]["hour_late"]) == (2, 1)
    assert [one["reason"] for one in view["failures"]] == ["cut short"]


def test_what_goes_on_as_it_was_is_no_news_to_be_kept() -> None:
    hour = busy()
    news = hour.news
    tell(hour, NOW + 10, decision(desired=3, reason="9 images are due within 60 s"), WorkerHeartbeat(3, 9))
    assert hour.news == news
    tell(hour, NOW + 11, classified("b/3.jpg", 1.0, NOW))
    assert hour.news == news + 1
    tell(hour, NOW + 12, decision(desired=4))
    assert hour.news == news + 2
    tell(hour, NOW + 13, decision(desired=4, fleet=()))
    assert hour.news == news + 3


def kept(hour: Hour, at: float) -> dict[str, Any]:
    return dict(json.loads(json.dumps(hour.to_json(at))))


def test_another_one_takes_it_over_and_its_own_comes_on_top() -> None:
    first, other = busy(), Hour(60.0)
    tell(other, NOW + 20, decision(desired=5), classified("b/3.jpg", 1.0, NOW))
    assert other.adopt(kept(first, NOW + 6), NOW + 20) == NOW + 6
    tell(other, NOW + 25, decision(desired=5, depth=QueueDepth(7, 0)))
    view = other.view(NOW + 25)
    assert [one["desired"] for one in view["decisions"]] == [5, 3, 2]
    assert [one["at"] - NOW for one in view["history"]] == [0, 5, 20, 25]
    assert view["history"][-1]["visible"] == 7
    assert view["waits"]["hour_images"] == 2
    assert view["failures"][0]["images"][0]["key"] == "b/2.jpg"


def test_a_later_record_fills_the_gap_between_the_first_and_the_beginning() -> None:
    first, other = busy(), Hour(60.0)
    early = kept(first, NOW + 6)
    tell(first, NOW + 11, classified("b/3.jpg", 1.0, NOW))
    tell(first, NOW + 12, decision(desired=9, fleet=()))
    tell(first, NOW + 21, decision(desired=5, fleet=()))
    tell(other, NOW + 20, decision(desired=5, fleet=()))
    other.adopt(early, NOW + 15)
    assert other.adopt(kept(first, NOW + 60), NOW + 15) == NOW + 60
    view = other.view(NOW + 25)
    assert [one["desired"] for one in view["decisions"]] == [5, 9, 3, 2]
    assert [one["at"] - NOW for one in view["history"]] == [0, 5, 12, 20]
    assert [one["finished"] for one in view["history"]] == [0, 2, 3, 3]
    tell(other, NOW + 26, classified("b/4.jpg", 1.0, NOW))
    tell(other, NOW + 30, decision(desired=5, fleet=()))
    assert other.view(NOW + 30)["history"][-1]["finished"] == 4


@given(st.lists(st.tuples(ANNOUNCEMENTS, st.floats(0, 4e9)), max_size=8))
def test_whatever_was_announced_it_can_be_kept_and_taken_over(said: list[tuple[Announcement, float]]) -> None:
    hour, other = Hour(60.0), Hour(60.0)
    for what, at in said:
        hour.hear(Said(what, "i-0aaa@host", at), NOW)
    assert other.adopt(json.loads(json.dumps(hour.to_json(NOW), allow_nan=False)), NOW + 1) == NOW
    assert len(other.view(NOW)["timeline"]) == len(hour.view(NOW)["timeline"])


@pytest.mark.parametrize("wrong", [[], {}, {"until": NOW + 4000}, {"until": "x"}, {"bars": 3}, {"samples": [{}]}])
def test_what_is_no_such_thing_changes_nothing(wrong: Any) -> None:
    hour = busy()
    before = kept(hour, NOW + 6)
    damaged = {**before, **wrong} if wrong else wrong
    with pytest.raises(MalformedAnnouncement):
        hour.adopt(damaged, NOW + 6)
    assert kept(hour, NOW + 6) == before
