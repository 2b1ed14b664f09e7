"""How many instances there are at least, and when: the floor of a fleet. Pure; time zones are the system's own.

An entry is ``Mon-Fri 08:00-18:00 Europe/Berlin = 2``; entries are parted by ``;``, and the first that holds counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.errors import ConfigurationError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MIN = 24 * 60
_ENTRY = re.compile(r"(\S+)\s+(\d\d):(\d\d)-(\d\d):(\d\d)(?:\s+([A-Za-z0-9_+/-]+))?\s*=\s*(\d{1,4})")
_RIGHT = "must be entries such as 'Mon-Fri 08:00-18:00 Europe/Berlin = 2; Sat,Sun 10:00-14:00 Europe/Berlin = 1'"


@dataclass(frozen=True, slots=True)
class Hours:
    """Some hours of some days, by the clocks of one time zone.

    Attributes:
        days: those on which they begin; 0 is Monday.
        begin_min: minutes after midnight.
        end_min: the same, of the end; where it is not later than the beginning, it is on the next day.
        zone: whose clocks.
        floor: instances at least.
    """

    days: frozenset[int]
    begin_min: int
    end_min: int
    zone: tzinfo
    floor: int

    def hold(self, at: datetime) -> bool:
        """Return whether a moment is within these hours."""
        local = at.astimezone(self.zone)
        minute, today, yesterday = local.hour * 60 + local.minute, local.weekday(), (local.weekday() - 1) % 7
        if self.begin_min < self.end_min:
            return today in self.days and self.begin_min <= minute < self.end_min
        return (today in self.days and minute >= self.begin_min) or (yesterday in self.days and minute < self.end_min)


@dataclass(frozen=True, slots=True)
class Floor:
    """Instances at least: in hours of their own, and otherwise.

    Attributes:
        otherwise: outside all hours.
        hours: the first that hold count.
    """

    otherwise: int = 0
    hours: tuple[Hours, ...] = ()

    def at(self, moment: datetime) -> int:
        """Return how many instances there are to be at a moment."""
        return next((hours.floor for hours in self.hours if hours.hold(moment)), self.otherwise)


NO_FLOOR = Floor()


def floor_of(otherwise: int, schedule: str, ceiling: int) -> Floor:
    """Read the floor of the settings.

    Args:
        otherwise: ELASTIQ_MIN_INSTANCES.
        schedule: ELASTIQ_SCHEDULE; empty: none.
        ceiling: ELASTIQ_MAX_INSTANCES.

    Raises:
        ConfigurationError: the schedule is none, or the floor is above the ceiling; it names the setting.
    """
    floor = Floor(otherwise, tuple(_hours(entry.strip()) for entry in schedule.split(";") if entry.strip()))
    if otherwise > ceiling:
        raise ConfigurationError(f"ELASTIQ_MIN_INSTANCES={otherwise} must be at most ELASTIQ_MAX_INSTANCES={ceiling}")
    highest = max((hours.floor for hours in floor.hours), default=0)
    if highest > ceiling:
        raise ConfigurationError(
            f"ELASTIQ_SCHEDULE={schedule!r} must want at most ELASTIQ_MAX_INSTANCES={ceiling}, not {highest}"
        )
    return floor


def _hours(entry: str) -> Hours:
    found = _ENTRY.fullmatch(entry)
    if not found:
        raise _wrong(entry, _RIGHT)
    days, *clock, zone, floor = found.groups()
    begin_h, begin_m, end_h, end_m = (int(part) for part in clock)
    begin_min, end_min = begin_h * 60 + begin_m, end_h * 60 + end_m
    if max(begin_m, end_m) > 59 or begin_min >= DAY_MIN or end_min > DAY_MIN:
        raise _wrong(entry, "must have times from 00:00 to 24:00")
    return Hours(_days(days, entry), begin_min, end_min, _zone(zone, entry), int(floor))


def _days(text: str, entry: str) -> frozenset[int]:
    if text == "*":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        names = [name.capitalize() for name in (first, last or first)]
        if not set(names) <= set(DAYS) or part.endswith("-"):
            raise _wrong(entry, f"must have days such as Mon-Fri, Sat,Sun or *, of {', '.join(DAYS)}")
        begin, end = (DAYS.index(name) for name in names)
        days |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(days)


def _zone(name: str | None, entry: str) -> tzinfo:
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _wrong(entry, f"must have a time zone that this host knows, such as Europe/Berlin, not {name}") from None


def _wrong(entry: str, right: str) -> ConfigurationError:
    return ConfigurationError(f"ELASTIQ_SCHEDULE: {entry!r} {right}")
