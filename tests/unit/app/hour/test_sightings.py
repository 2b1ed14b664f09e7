"""What is made of the autoscaler's decisions."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain import InstanceState
from app.errors import MalformedAnnouncement
from app.fields import Fields
from app.hour.sightings import LATE_S, Decision, Sample, states_of, summary_of, thinned
from tests.support.fleet import decision


def heard(at: float = 100.0, said_at: float = 10.0, **changes: Any) -> Decision:
    return Decision(at, at, said_at, decision(**changes))


@pytest.mark.parametrize(
    ("said_at", "leader", "late"),
    [
        (9.0, "host-1:77", True),
        (10.0, "host-1:77", False),
        (11.0, "host-1:77", False),
        (9.0, "host-2:1", False),
        (10.0 - LATE_S, "host-1:77", True),
        (9.9 - LATE_S, "host-1:77", False),
    ],
    ids=["earlier", "the same", "later", "another's", "five minutes earlier", "by a clock that was set back"],
)
def test_a_decision_comes_late_if_its_autoscaler_had_decided_the_known_one_after_it(
    said_at: float, leader: str, late: bool
) -> None:
    assert heard(said_at=said_at, leader=leader).came_late(heard(said_at=10.0)) == late


def test_the_numbers_of_a_reason_make_no_other_decision() -> None:
    assert heard(reason="12 images are due").says_the_same_as(heard(reason="7 images are due"))
    assert not heard(reason="12 images are due").says_the_same_as(heard(reason="no image is due"))


@pytest.mark.parametrize(
    "change",
    [{"desired": 3}, {"launch": 1}, {"drain": ("i-1",)}, {"held": True}, {"policy": "seed"}, {"ceiling": 4}],
    ids=lambda change: next(iter(change)),
)
def test_what_is_wanted_makes_another_decision(change: dict[str, Any]) -> None:
    assert not heard().says_the_same_as(heard(**change))


def test_said_again_a_decision_is_the_newer_one_since_the_first_time() -> None:
    again = heard(at=100.0).again(heard(at=120.0, reason="3 images are due within 60 s"))
    assert (again.at, again.until, again.what.reason) == (100.0, 120.0, "3 images are due within 60 s")


def test_in_a_list_a_decision_is_short_and_by_itself_it_is_whole_but_for_the_fleet() -> None:
    summary, whole = heard().summary(), heard().to_json()
    assert set(summary) == {"at", "until", "desired", "launch", "drain", "held", "reason", "policy", "leader"}
    assert set(summary) < set(whole)
    assert whole["depth"] == {"visible": 9, "in_flight": 2, "delayed": 1}
    assert "fleet" not in whole
    assert [(one["id"], one["state"]) for one in heard().instances()] == [
        ("i-0aaa", "running"),
        ("i-0bbb", "draining"),
        ("i-0ccc", "pending"),
    ]


def test_instances_are_counted_by_state() -> None:
    assert states_of(decision().fleet) == {
        InstanceState.PENDING: 1,
        InstanceState.RUNNING: 1,
        InstanceState.DRAINING: 1,
    }


def test_a_sample_has_what_its_decision_was_made_on_at_the_time_it_was_last_heard() -> None:
    sample = Sample.of(heard(at=100.0).again(heard(at=107.0)), finished=5, waits=(0.5, 12.0))
    assert sample.to_json() == {
        "at": 107.0,
        "visible": 9,
        "in_flight": 2,
        "delayed": 1,
        "pending": 1,
        "running": 1,
        "draining": 1,
        "desired": 2,
        "arrival_rate": 3.25,
        "finished": 5,
        "p50_s": 0.5,
        "p99_s": 12.0,
    }
    assert Sample.kept(Fields(sample.to_json())) == sample


@pytest.mark.parametrize(("at", "bin"), [(100.0, 20), (104.9, 20), (105.0, 21)])
def test_samples_within_a_width_are_of_one_bin(at: float, bin: int) -> None:
    assert Sample.of(heard(at=at), 0).bin(5.0) == bin


def test_a_wider_point_is_the_latest_of_its_time_with_the_longest_waits() -> None:
    narrow = [Sample.of(heard(at=at), 0, (wait, None)) for at, wait in [(100.0, 3.0), (105.0, 9.0), (119.0, 1.0)]]
    (first, second) = thinned([*narrow, Sample.of(heard(at=120.0), 0)], 20.0)
    assert (first.at, first.p50_s, first.p99_s) == (119.0, 9.0, None)
    assert (second.at, second.p50_s) == (120.0, None)


def test_what_a_list_tells_of_a_decision_can_be_kept_and_read() -> None:
    summary = heard(drain=("i-1",)).summary()
    assert summary_of(Fields({**summary, "drain": ["i-1"]})) == {**summary, "drain": ["i-1"]}
    with pytest.raises(MalformedAnnouncement):
        summary_of(Fields({**summary, "drain": ["i-1"], "reason": 7}))
