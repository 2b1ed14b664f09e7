"""A floor and its hours: read from the settings, by the clocks of a zone, or refused in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError
from autoscaler.schedule import DAYS, Floor, floor_of

OFFICE = "Mon-Fri 08:00-18:00 Europe/Berlin = 2; * 22:00-06:00 = 1"


@pytest.mark.parametrize(
    ("moment", "floor"),
    [
        ("2026-11-27T06:59", 0),  # Friday, 07:59 in Berlin
        ("2026-11-27T07:00", 2),
        ("2026-11-27T16:59", 2),
        ("2026-11-27T17:00", 0),
        ("2026-11-28T12:00", 0),  # Saturday
        ("2026-11-28T23:00", 1),
        ("2026-11-29T05:59", 1),
        ("2026-11-29T06:00", 0),
        ("2026-07-03T06:00", 2),  # in summer it is 08:00 in Berlin an hour earlier
        ("2026-07-03T16:00", 0),
    ],
)
def test_the_hours_are_those_of_their_zones_clocks_in_summer_and_winter(moment: str, floor: int) -> None:
    assert floor_of(0, OFFICE, 19).at(datetime.fromisoformat(moment).replace(tzinfo=UTC)) == floor


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    night = floor_of(0, "Sun 22:00-06:00 = 3", 19)
    sunday = datetime(2026, 11, 29, tzinfo=UTC)
    held = [hour for hour in range(48) if night.at(sunday + timedelta(hours=hour))]
    assert held == list(range(22, 30))


def test_the_first_entry_that_holds_counts_and_else_the_floor_without_hours() -> None:
    floor = floor_of(1, "Sat-Mon 00:00-24:00 = 0; * 10:00-12:00 = 4", 19)
    friday = datetime(2026, 11, 27, 11, tzinfo=UTC)
    assert [floor.at(friday + timedelta(hours=hours)) for hours in (0, 1, 24, 48, 72, 96)] == [4, 1, 0, 0, 0, 4]


@pytest.mark.parametrize(
    ("schedule", "right"),
    [
        ("always = 2", "must be entries such as"),
        ("Mon-Fri 08:00-18:00 Europe/Berlin", "must be entries such as"),
        ("Mon 08:00-18:00 = -1", "must be entries such as"),
        ("Mon 8-18 = 1", "must be entries such as"),
        ("Mon 08:60-18:00 = 1", "must have times from 00:00 to 24:00"),
        ("Mon 24:00-18:00 = 1", "must have times from 00:00 to 24:00"),
        ("Mon 08:00-25:00 = 1", "must have times from 00:00 to 24:00"),
        ("Tag 08:00-18:00 = 1", "must have days such as Mon-Fri"),
        ("Mon- 08:00-18:00 = 1", "must have days such as Mon-Fri"),
        ("Mon 08:00-18:00 Europe/Berlln = 1", "must have a time zone that this host knows, such as Europe/Berlin"),
        ("Mon 08:00-18:00 = 20", "must want at most ELASTIQ_MAX_INSTANCES=19, not 20"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_settings_name_and_what_would_be_right(
    schedule: str, right: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^ELASTIQ_SCHEDULE.*{re.escape(right)}"):
        floor_of(0, schedule, 19)


def test_a_floor_above_the_ceiling_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ELASTIQ_MIN_INSTANCES=20 must be at most ELASTIQ_MAX_INSTANCES=19"):
        floor_of(20, "", 19)


@given(st.text(max_size=60) | st.from_regex(r"\S+ \d\d:\d\d-\d\d:\d\d \S+ = \d{1,3}", fullmatch=True))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        assert isinstance(floor_of(0, text, 1000), Floor)
    except ConfigurationError as err:
        assert str(err).startswith("ELASTIQ_SCHEDULE")  # noqa: PT017 - either is right


@given(
    st.sampled_from(DAYS),
    st.integers(0, 23),
    st.integers(1, 24),
    st.datetimes(timezones=st.just(UTC)),
)
def test_hours_and_the_hours_between_them_never_both_hold(day: str, begin: int, end: int, moment: datetime) -> None:
    hours, rest = f"* {begin:02}:00-{end:02}:00 = 2", f"* {end % 24:02}:00-{begin or 24:02}:00 = 2"
    held = [floor_of(0, text, 19).at(moment) > 0 for text in (hours, rest)]
    whole_day = begin == end % 24
    assert all(held) if whole_day else sum(held) == 1
    assert floor_of(0, f"{day} 00:00-24:00 = 1", 19).at(moment) == (DAYS[moment.weekday()] == day)
