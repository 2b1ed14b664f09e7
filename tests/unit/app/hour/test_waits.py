"""How long images waited: shares of an hour, told to the step."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import Life
from app.errors import MalformedAnnouncement
from app.fields import Fields
from app.hour.waits import STEP, Waits, quantile

NOW = 1_800_000_000.0


def heard(*waits_s: float, at: float = NOW, into: Waits | None = None) -> Waits:
    waits = into or Waits(60.0)
    for wait_s in waits_s:
        waits.hear(Life("i-1", "classify", 1, at, queued_at=at - wait_s), at)
    return waits


def test_with_nothing_done_nothing_is_known() -> None:
    view = Waits(60.0).view(NOW)
    assert view == {"target_s": 60.0, "p50_s": None, "p99_s": None, "hour_images": 0, "hour_late": 0}
    unknown = Waits(60.0)
    unknown.hear(Life("i-1", "classify", 1, NOW), NOW)
    assert unknown.view(NOW)["hour_images"] == 0


def test_the_quarter_has_its_median_and_its_slowest_and_the_hour_its_late_ones() -> None:
    waits = heard(600.0, 61.0, 59.0, at=NOW - 1800)
    heard(*[2.0] * 98, 60.0, 90.0, into=waits)
    view = waits.view(NOW)
    assert view["p50_s"] == pytest.approx(2.0, rel=STEP - 1)
    assert view["p99_s"] == pytest.approx(60.0, rel=STEP - 1)
    assert (view["hour_images"], view["hour_late"]) == (103, 3)
    assert waits.view(NOW + 3600)["hour_images"] == 0


@given(st.lists(st.floats(0.1, 3000), min_size=1, max_size=50), st.sampled_from([0.5, 0.99]))
def test_a_share_is_told_to_the_step(waits_s: list[float], share: float) -> None:
    told = heard(*waits_s).point(anew=True)[0 if share == 0.5 else 1]
    ordered = sorted(waits_s)
    exact = ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]
    assert told is not None
    assert exact * 0.99 <= told <= exact * STEP * 1.01


def test_a_point_tells_of_the_images_since_the_one_before() -> None:
    waits = heard(1.0)
    assert waits.point(anew=True)[0] == pytest.approx(1.0, rel=0.1)
    heard(9.0, 9.0, into=waits)
    assert waits.point(anew=False)[0] == pytest.approx(9.0, rel=0.1), "the same point again, with all three"
    assert waits.point(anew=True) == (None, None)


def test_what_one_has_kept_another_takes_over_and_counts_no_image_twice() -> None:
    kept = heard(100.0, 1.0, at=NOW - 120)
    heard(1.0, 1.0, 1.0, into=kept)
    other = heard(1.0)
    for _ in range(2):
        other.adopt([Fields(one) for one in kept.to_json()])
    assert other.view(NOW)["hour_images"] == 5
    assert other.view(NOW)["hour_late"] == 1
    with pytest.raises(MalformedAnnouncement):
        other.adopt([Fields({"minute": 1, "late": 0, "steps": [["a", 1]]})])
    assert quantile(Counter(), 0.5) is None
